/**
 * Results for programs and for people: `-o json`, `-o yaml`, `-o name`, or a table.
 *
 * Invariants:
 * 1. What programs read does not depend on whether a terminal is there.
 */
import { stringify } from 'yaml';
import { printable } from '../../base/printable.ts';
import type { Output } from '../output.ts';
import { fit, painter, width, type Paint, type Tone } from './cells.ts';
import { wrapped } from './wrapped.ts';

/** What `-o` takes. */
export const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;

/** One of them. */
export type Format = (typeof FORMATS)[number];

/** A column of a table. */
export interface TableColumn<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Only with `-o wide`. */
  readonly wide?: boolean;
  /** May be cut in its middle where the terminal is too narrow, before others or only after them; not with `-o wide`. */
  readonly shrinks?: 'first' | 'last';
  /** Of the last: is folded under itself where the terminal is too narrow. */
  readonly folds?: boolean;
  readonly cell: (row: Row) => string | readonly [text: string, tone: Tone];
}

/** Writes a document as JSON or YAML. */
export function writeDocument(value: unknown, format: 'json' | 'yaml', output: Output): void {
  const text = format === 'json' ? JSON.stringify(value, null, 2) : stringify(value, { lineWidth: 0 }).trimEnd();
  for (const line of text.split('\n')) output.line(line);
}

/** Writes rows as a table, a title line first; on a terminal in colour. */
export function writeTable<Row>(
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
  format: 'table' | 'wide',
  output: Output,
): void {
  const paint = painter(output.colour);
  const shown = columns.filter(({ wide = false }) => !wide || format === 'wide');
  const cells = rows.map((row) =>
    shown.map(({ cell }): readonly [string, Tone] => {
      const made = cell(row);
      const [text, tone] = typeof made === 'string' ? ([made, 'plain'] as const) : made;
      return [printable(text), tone];
    }),
  );
  const widths = shown.map(({ title }, index) =>
    cells.reduce((most, row) => Math.max(most, width(row[index]?.[0] ?? '')), title.length),
  );
  const room = output.terminal ? output.size().columns : Infinity;
  if (format === 'table') for (const turn of ['first', 'last'] as const) shrink(shown, widths, room, turn);
  const titles = shown.map(({ title }): readonly [string, Tone] => [title, 'title']);
  for (const row of [titles, ...cells]) for (const line of layOut(row, shown, widths, paint, room)) output.line(line);
}

/** The narrowest that a column is made. */
const NARROWEST = 12;
const GAP = '  ';

/** Takes what is too much from the widest of the columns that may shrink, until the rows fit. */
function shrink(columns: readonly TableColumn<never>[], widths: number[], room: number, turn: 'first' | 'last'): void {
  const may = columns.flatMap(({ shrinks }, index) => (shrinks === turn ? [index] : []));
  const total = (): number => widths.reduce((sum, one) => sum + one + GAP.length, -GAP.length);
  for (let over = total() - room; over > 0; over = total() - room) {
    const [widest] = may.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    const has = widest === undefined ? 0 : (widths[widest] ?? 0);
    if (widest === undefined || has <= NARROWEST) return;
    const second = Math.max(NARROWEST, ...may.filter((index) => index !== widest).map((index) => widths[index] ?? 0));
    widths[widest] = Math.max(NARROWEST, has - over, Math.min(has - 1, second));
  }
}

function layOut(
  row: readonly (readonly [string, Tone])[],
  columns: readonly TableColumn<never>[],
  widths: readonly number[],
  paint: Paint,
  room: number,
): string[] {
  const last = row.length - 1;
  const before = widths.slice(0, last).reduce((sum, one) => sum + one + GAP.length, 0);
  let folded: readonly string[] = [];
  const line = row
    .map(([text, tone], index) => {
      const { align = 'left', shrinks, folds = false } = columns[index] ?? {};
      if (index !== last || align === 'right') return paint(tone, fit(text, widths[index] ?? 0, align));
      // The last column is not padded: a long line would break for nothing.
      if (folds && room - before >= NARROWEST) {
        const [first = '', ...more] = wrapped(text, room - before);
        folded = more.map((rest) => ' '.repeat(before) + paint(tone, rest));
        return paint(tone, first);
      }
      return paint(
        tone,
        shrinks !== undefined && width(text) > (widths[index] ?? 0) ? fit(text, widths[index] ?? 0, align) : text,
      );
    })
    .join(GAP);
  return [line, ...folded];
}

/** Writes names and values below each other, the names in one column; null leaves a line out. */
export function writeFields(fields: readonly (readonly [name: string, value: string | null])[], output: Output): void {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null);
  const longest = Math.max(...shown.map(([name]) => name.length));
  for (const [name, value] of shown) output.line(`${`${name}:`.padEnd(longest + 2)} ${printable(value)}`);
}
