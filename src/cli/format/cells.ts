/**
 * Cells of a table on a terminal: cut to their width, padded, coloured.
 *
 * Names come from manifests and buckets: control characters are shown, never obeyed, and what is wide (East Asian letters, emoji) counts as
 * wide as a terminal draws it.
 */
import { styleText } from 'node:util';
import stringWidth from 'string-width';

/** What a cell says beyond its text. */
export type Tone = 'plain' | 'title' | 'good' | 'warning' | 'bad' | 'faint';

/** Draws a text in a tone; without colour it is the text itself. */
export type Paint = (tone: Tone, text: string) => string;

const STYLES = {
  plain: null,
  title: 'bold',
  good: 'green',
  warning: 'yellow',
  bad: 'red',
  faint: 'dim',
} as const satisfies Record<Tone, string | null>;

/** How tones look. @param colour whether the terminal shows any */
export function painter(colour: boolean): Paint {
  return (tone, text) => {
    const style = STYLES[tone];
    return !colour || style === null ? text : styleText(style, text, { validateStream: false });
  };
}

/** Columns that a text takes. */
export function width(text: string): number {
  return stringWidth(text);
}

/**
 * A text in exactly so many columns: padded, or cut with an ellipsis in the middle, where names differ least.
 * @param align where a shorter text stands
 */
export function fit(text: string, columns: number, align: 'left' | 'right'): string {
  const space = columns - width(text);
  if (space >= 0) return align === 'left' ? text + ' '.repeat(space) : ' '.repeat(space) + text;
  if (columns <= 1) return '…'.slice(0, columns);
  const characters = [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
  const tail = take(characters.toReversed(), Math.floor((columns - 1) / 2));
  const head = take(characters, columns - 1 - width(tail.join('')));
  const cut = `${head.join('')}…${tail.toReversed().join('')}`;
  return cut + ' '.repeat(Math.max(0, columns - width(cut)));
}

function take(characters: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += width(character);
    if (used > columns) break;
    taken.push(character);
  }
  return taken;
}
