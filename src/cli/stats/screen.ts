/**
 * The statistics of a node as lines for a terminal: three lines of the process, then a table of its datasets.
 *
 * What needs a person comes first (failed, degraded, erring), then what is read most. Where there are more datasets than
 * lines, the last line counts those that are not shown.
 *
 * Invariants:
 * 1. No line is wider than the terminal, and there are no more lines than it has.
 */
import { printable } from '../../base/printable.ts';
import { formatSize } from '../../base/size.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { DatasetStats, NodeStats } from '../../daemon/api/contract/stats-view.ts';
import { fit, width, type Paint, type Tone } from '../format/cells.ts';
import { count, seconds } from '../format/human.ts';
import { columnsFor, NAME_WIDTH, type StatsColumn } from './columns.ts';

/** The terminal. */
export interface ScreenSize {
  readonly columns: number;
  /** Infinity: as many as there are. */
  readonly rows: number;
}

const GAP = '  ';
/** The longest name column: more would tear names and numbers apart. */
const MAX_NAME = 48;

/** See the file's header. */
export function statsScreen(stats: NodeStats, size: ScreenSize, paint: Paint): string[] {
  const columns = Math.max(40, size.columns);
  const head = headLines(stats, columns, paint);
  const room = size.rows - head.length - 1;
  const sorted = stats.datasets.toSorted(byNeed);
  const shown = sorted.length <= room ? sorted : sorted.slice(0, Math.max(1, room - 1));
  const table = tableLines(shown, columns, paint);
  const hidden = sorted.length - shown.length;
  const rest =
    hidden === 0 ? [] : [paint('faint', `… and ${count(hidden)} more, ${describe(sorted.slice(shown.length))}`)];
  return [...head, ...table, ...rest];
}

function headLines(stats: NodeStats, columns: number, paint: Paint): string[] {
  const { memory, disk, cache, eventLoop } = stats;
  const limit = formatSize(cache.limitBytes);
  const state: Tone = disk.state === 'normal' || disk.state === 'quota' ? 'plain' : 'warning';
  return [
    line(
      [
        paint('title', `dlfs ${stats.version}`),
        `up ${seconds(stats.uptime)}`,
        `rss ${formatSize(stats.rss)}`,
        `buffers ${formatSize(memory.used)} of ${formatSize(memory.cap)}`,
        `loop p99 ${eventLoop.p99.toFixed(1)} ms`,
        `${count(stats.descriptors)} descriptors`,
        `${count(stats.threads)} threads`,
      ],
      columns,
    ),
    line(
      [
        `cache ${formatSize(cache.bytes)} of ${limit}`,
        `${count(cache.files)} files`,
        `disk ${formatSize(disk.available)} free, ${formatSize(disk.floor)} kept`,
        paint(state, disk.state),
        printable(disk.folder),
      ],
      columns,
    ),
    line([`${count(stats.datasets.length)} datasets`, describe(stats.datasets)], columns),
  ];
}

/** Parts with gaps between, as many as fit. */
function line(parts: readonly string[], columns: number): string {
  let text = '';
  for (const part of parts) {
    const longer = text === '' ? part : `${text}${GAP}${part}`;
    if (width(longer) > columns) break;
    text = longer;
  }
  return text;
}

function tableLines(datasets: readonly DatasetStats[], columns: number, paint: Paint): string[] {
  const shown = columnsFor(columns);
  const fixed = shown.slice(1).reduce((sum, column) => sum + column.width + GAP.length, 0);
  const longest = Math.max(NAME_WIDTH, ...datasets.map((one) => width(shown[0]?.cell(one).text ?? '')));
  const name = Math.max(8, Math.min(columns - fixed, longest, MAX_NAME));
  const widthOf = (column: StatsColumn, index: number): number => (index === 0 ? name : column.width);
  const title = shown.map((column, index) => fit(column.title, widthOf(column, index), column.align)).join(GAP);
  const rows = datasets.map((dataset) =>
    shown
      .map((column, index) => {
        const { text, tone } = column.cell(dataset);
        return paint(tone, fit(printable(text), widthOf(column, index), column.align));
      })
      .join(GAP),
  );
  return [paint('title', title), ...rows];
}

const URGENCY: Readonly<Record<string, number>> = { Failed: 0, Degraded: 1, Pending: 2 };

function byNeed(a: DatasetStats, b: DatasetStats): number {
  return (
    (URGENCY[a.phase] ?? 3) - (URGENCY[b.phase] ?? 3) ||
    b.now.readBytesPerSecond - a.now.readBytesPerSecond ||
    b.now.originBytesPerSecond - a.now.originBytesPerSecond ||
    b.cache.bytes - a.cache.bytes ||
    (fullName(a) < fullName(b) ? -1 : 1)
  );
}

/** `198 Ready, 2 Failed` */
function describe(datasets: readonly DatasetStats[]): string {
  const phases = new Map<string, number>();
  for (const { phase } of datasets) phases.set(phase, (phases.get(phase) ?? 0) + 1);
  return [...phases].map(([phase, number]) => `${count(number)} ${phase}`).join(', ');
}
