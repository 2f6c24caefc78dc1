/**
 * The demo's last table, in 80 columns.
 */
import type { EpochResult } from './epoch.ts';
import type { OriginCount } from './stage-protocol.ts';

/** One row: what was read, and what the origin did for it; null: nothing to do with the origin. */
export interface Row {
  readonly name: string;
  readonly epoch: EpochResult;
  readonly origin: OriginCount | null;
}

const TITLES = ['', 'time', 'files/s', 'MB/s', 'GETs', 'LISTs', 'from origin', 'hit rate'] as const;
const WIDTHS = [16, 8, 8, 7, 7, 6, 12, 9] as const;

/** The table's lines. */
export function table(rows: readonly Row[]): string[] {
  const rule = '-'.repeat(WIDTHS.reduce((sum, width) => sum + width, 0));
  return [lay(TITLES), rule, ...rows.map((row) => lay(cells(row)))];
}

/** 1 − bytes that the origin sent ÷ bytes that the readers read; never below zero, although a reader may have less than a block. */
export function hitRate(fromOrigin: number, read: number): number {
  return read === 0 ? 0 : Math.max(0, 1 - fromOrigin / read);
}

/** What was counted between two moments. */
export function since(before: OriginCount, after: OriginCount): OriginCount {
  return {
    gets: after.gets - before.gets,
    lists: before.lists === null || after.lists === null ? null : after.lists - before.lists,
    bytes: after.bytes - before.bytes,
  };
}

function cells({ name, epoch, origin }: Row): string[] {
  return [
    name,
    `${epoch.seconds.toFixed(2)} s`,
    (epoch.files / epoch.seconds).toFixed(0),
    (epoch.bytes / 1e6 / epoch.seconds).toFixed(0),
    origin === null ? '-' : String(origin.gets),
    String(origin?.lists ?? '-'),
    origin === null ? '-' : amount(origin.bytes),
    origin === null ? '-' : `${(100 * hitRate(origin.bytes, epoch.bytes)).toFixed(1)} %`,
  ];
}

function amount(bytes: number): string {
  if (bytes === 0) return '0';
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function lay(texts: readonly string[]): string {
  return texts
    .map((text, index) => (index === 0 ? text.padEnd(WIDTHS[0]) : text.padStart(WIDTHS[index] ?? 0)))
    .join('');
}
