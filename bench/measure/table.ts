/**
 * Rows as an aligned table of plain text.
 */
import { describeTarget, type Row } from './row.ts';
import type { Summary } from './statistics.ts';

/** Three significant digits, thousands grouped: 0.853, 12.4, 8,120. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** A summary in short: `1,480 ±6%`. */
export function formatSummary({ median, spread, count }: Summary): string {
  return count === 1 ? formatNumber(median) : `${formatNumber(median)} ±${Math.round(spread * 100)}%`;
}

/**
 * Cells in columns as wide as their widest.
 * @param alignRight numbers of columns that end on one line, from 0
 */
export function align(rows: readonly (readonly string[])[], alignRight: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const fill = ' '.repeat((widths[column] ?? 0) - cell.length);
        return alignRight.includes(column) ? fill + cell : cell + fill;
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** The table of rows, with a head. */
export function renderTable(rows: readonly Row[]): string {
  const head = ['figure', 'open mode', 'unit', 'dlfs', 'others', 'value', 'to reach', ''];
  const body = rows.map((row) => [
    row.figure,
    row.openMode ?? '-',
    row.unit,
    ownOf(row),
    othersOf(row),
    valueOf(row),
    describeTarget(row),
    row.verdict === 'missed' ? 'MISSED' : row.verdict,
  ]);
  const rule = head.map((_, column) =>
    '-'.repeat(Math.max(...[head, ...body].map((row) => (row[column] ?? '').length))),
  );
  return align([head, rule, ...body], [3, 5]);
}

function ownOf({ lanes }: Row): string {
  const own = lanes['dlfs'];
  return own === undefined ? '-' : formatSummary(own);
}

function othersOf({ lanes }: Row): string {
  const others = Object.entries(lanes).filter(([name]) => name !== 'dlfs');
  return others.length === 0 ? '-' : others.map(([name, summary]) => `${name} ${formatSummary(summary)}`).join(', ');
}

function valueOf({ value, counted, against }: Row): string {
  if (value === null || counted === null) return '-';
  const unit = against.length === 0 ? '' : 'x';
  return `${formatNumber(counted)}${unit}${value.count === 1 ? '' : ` [${formatNumber(value.low)}..${formatNumber(value.high)}]`}`;
}
