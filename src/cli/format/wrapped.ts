/**
 * Text in lines of a terminal's width.
 */

/**
 * Breaks a text into lines at spaces.
 * @param width of a line; a longer word gets a line of its own
 */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
