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
  const titles = shown.map(({ title }): readonly [string, Tone] => [title, 'title']);
  for (const row of [titles, ...cells]) output.line(layOut(row, shown, widths, paint));
}

function layOut(
  row: readonly (readonly [string, Tone])[],
  columns: readonly TableColumn<never>[],
  widths: readonly number[],
  paint: Paint,
): string {
  const last = row.length - 1;
  return row
    .map(([text, tone], index) => {
      const align = columns[index]?.align ?? 'left';
      // The last column is not padded: a long line would break for nothing.
      const laid = index === last && align === 'left' ? text : fit(text, widths[index] ?? 0, align);
      return paint(tone, laid);
    })
    .join('  ');
}

/** Writes names and values below each other, the names in one column; null leaves a line out. */
export function writeFields(fields: readonly (readonly [name: string, value: string | null])[], output: Output): void {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null);
  const longest = Math.max(...shown.map(([name]) => name.length));
  for (const [name, value] of shown) output.line(`${`${name}:`.padEnd(longest + 2)} ${printable(value)}`);
}
