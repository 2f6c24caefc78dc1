/**
 * The columns of the table of datasets: what each shows, how wide it is, and which leave first where the terminal is narrow.
 */
import { formatSize } from '../../base/size.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { DatasetStats } from '../../daemon/api/contract/stats-view.ts';
import type { Tone } from '../format/cells.ts';
import { count, percent, rate, seconds, UNKNOWN } from '../format/human.ts';

/** One cell. */
export interface Cell {
  readonly text: string;
  readonly tone: Tone;
}

/** One column. */
export interface StatsColumn {
  readonly title: string;
  /** Columns of the terminal; the name takes what is left. */
  readonly width: number;
  readonly align: 'left' | 'right';
  /** Lower stays longer; 0 always. */
  readonly rank: number;
  readonly cell: (stats: DatasetStats) => Cell;
}

const plain = (text: string): Cell => ({ text, tone: 'plain' });
/** What is nothing stays in the background. */
const quiet = (text: string, value: number): Cell => ({ text, tone: value > 0 ? 'plain' : 'faint' });

const PHASE_TONES: Readonly<Record<string, Tone>> = {
  Ready: 'good',
  Pending: 'warning',
  Degraded: 'warning',
  Failed: 'bad',
  Terminating: 'faint',
};

/** The name's narrowest width. */
export const NAME_WIDTH = 18;

/** All columns, in their order on the screen. */
export const COLUMNS: readonly StatsColumn[] = [
  {
    ...{ title: 'DATASET', width: NAME_WIDTH, align: 'left', rank: 0 },
    cell: (stats) => plain(fullName(stats)),
  },
  {
    ...{ title: 'STATE', width: 8, align: 'left', rank: 0 },
    cell: ({ phase }) => ({ text: phase, tone: PHASE_TONES[phase] ?? 'plain' }),
  },
  {
    ...{ title: 'CACHED', width: 8, align: 'right', rank: 1 },
    cell: ({ cache }) => plain(formatSize(cache.bytes)),
  },
  {
    ...{ title: 'OF ALL', width: 6, align: 'right', rank: 3 },
    cell: ({ cache }) => plain(percent(cache.share)),
  },
  { ...{ title: 'FILES', width: 9, align: 'right', rank: 8 }, cell: ({ cache }) => plain(count(cache.files)) },
  {
    ...{ title: 'HIT', width: 5, align: 'right', rank: 1 },
    cell: ({ hitRate }) => plain(percent(hitRate.bytes)),
  },
  {
    ...{ title: 'HIT REQ', width: 7, align: 'right', rank: 9 },
    cell: ({ hitRate }) => plain(percent(hitRate.requests)),
  },
  {
    ...{ title: 'READ', width: 10, align: 'right', rank: 0 },
    cell: ({ now }) => quiet(rate(now.readBytesPerSecond), now.readBytesPerSecond),
  },
  {
    ...{ title: 'ORIGIN', width: 10, align: 'right', rank: 0 },
    cell: ({ now }) => quiet(rate(now.originBytesPerSecond), now.originBytesPerSecond),
  },
  {
    ...{ title: 'IN FLIGHT', width: 9, align: 'right', rank: 6 },
    cell: ({ origin }) => quiet(count(origin.inFlight), origin.inFlight),
  },
  { ...{ title: 'WAITS FOR', width: 12, align: 'left', rank: 4 }, cell: ({ waits }) => plain(mostWaited(waits)) },
  {
    ...{ title: 'EVICTED', width: 8, align: 'right', rank: 7 },
    cell: ({ cache }) => quiet(formatSize(cache.evictedBytes), cache.evictedBytes),
  },
  {
    ...{ title: 'SAVED≈', width: 7, align: 'right', rank: 5 },
    cell: ({ timeSavedEstimate }) => plain(seconds(timeSavedEstimate)),
  },
  {
    ...{ title: 'ERRORS', width: 6, align: 'right', rank: 2 },
    cell: ({ errors }) => {
      const sum = Object.values(errors).reduce((total, one) => total + one, 0);
      return { text: sum === 0 ? UNKNOWN : count(sum), tone: sum === 0 ? 'faint' : 'bad' };
    },
  },
];

/** What readers have waited for most, with its share. */
export function mostWaited(waits: DatasetStats['waits']): string {
  const sum = waits.origin + waits.disk + waits.queue + waits.metadata;
  const [most] = Object.entries(waits).toSorted((a, b) => b[1] - a[1]);
  return sum === 0 || most === undefined ? UNKNOWN : `${most[0]} ${percent(most[1] / sum)}`;
}

/** Those that fit into a terminal of so many columns, the least needed left out first. */
export function columnsFor(columns: number): readonly StatsColumn[] {
  let shown = COLUMNS;
  const total = (): number => shown.reduce((sum, column) => sum + column.width, 2 * (shown.length - 1));
  while (total() > columns) {
    const last = Math.max(...shown.map(({ rank }) => rank));
    if (last === 0) break;
    shown = shown.filter(({ rank }) => rank !== last);
  }
  return shown;
}
