/**
 * The picture of the figures, for the README: bars of dlfs, the local disk and the peers, as SVG.
 *
 * How it works: a panel for each figure that matters, each with a scale of its own that starts at zero; names left of the bars,
 * values behind them. Text and bars take their colours from a style that knows light and dark pages; the background is the
 * page's.
 *
 * Invariants:
 * 1. Every bar is a median that is in the results; the picture is drawn whole or not at all.
 */
import type { ScenarioResult } from './results.ts';
import type { Row } from './row.ts';
import { formatNumber } from './table.ts';

/** Which row a panel shows. */
interface Panel {
  readonly row: string;
  readonly title: string;
  readonly hint: string;
  /** Names of lanes as shown. */
  readonly lanes: readonly string[];
  readonly unit: string;
  /** From the row's unit to this one. */
  readonly scale: number;
}

/** `fuse-native` is dlfs, too, over libfuse 2: what the transport of its own is for. */
const READ_AGAIN = ['dlfs', 'ext4', 'fuse-native', 'rclone', 's3fs'];
const READ_FIRST = ['dlfs', 'rclone', 's3fs'];

const PANELS: readonly Panel[] = [
  {
    ...{
      row: 'peers-hot-small',
      title: 'Small files, read again',
      hint: '110 KB each, shuffled, 4 processes, from memory',
    },
    ...{ lanes: READ_AGAIN, unit: 'files/s', scale: 1 },
  },
  {
    ...{ row: 'cold-small', title: 'Small files, first read', hint: '110 KB each, shuffled, 16 processes' },
    ...{ lanes: READ_FIRST, unit: 'files/s', scale: 1 },
  },
  {
    ...{
      row: 'peers-dropped-small',
      title: 'Small files, from the cache disk',
      hint: '110 KB each, shuffled, 4 processes, page cache dropped',
    },
    ...{ lanes: READ_AGAIN, unit: 'files/s', scale: 1 },
  },
  {
    ...{ row: 'cold-walk', title: 'Small files in order, first read', hint: '1 process, origin 10 ms away' },
    ...{ lanes: READ_FIRST, unit: 'files/s', scale: 1 },
  },
  {
    ...{ row: 'peers-hot-big', title: 'One large file, read again', hint: '2 GiB, sequential, from memory' },
    ...{ lanes: READ_AGAIN, unit: 'GB/s', scale: 1e-3 },
  },
  {
    ...{ row: 'cold-big', title: 'One large file, first read', hint: '2 GiB, sequential, origin on the same machine' },
    ...{ lanes: READ_FIRST, unit: 'GB/s', scale: 1e-3 },
  },
];

/** Pixels of the picture at its natural size. */
const SIZE = { width: 880, panel: 440, name: 80, bar: 18, gap: 7, head: 52, foot: 26, value: 112, margin: 8 } as const;
const COLUMNS = 2;

const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .hint, .foot { font-size: 12px; fill: #59636e }
  .ours { font-weight: 600 }
  rect { fill: #afb8c1 }
  rect.dlfs { fill: #0969da }
  rect.fuse-native { fill: #80ccff }
  rect.ext4 { fill: #6e7781 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .hint, .foot { fill: #9198a1 }
    rect { fill: #484f58 }
    rect.dlfs { fill: #4493f8 }
    rect.fuse-native { fill: #1f4f8f }
    rect.ext4 { fill: #8b949e }
  }`;

/** The picture; null where dlfs was not measured for all panels. */
export function renderFigures(results: readonly ScenarioResult[]): string | null {
  const rows = new Map(results.flatMap((result) => result.rows).map((row) => [row.id, row]));
  const drawn = PANELS.flatMap((panel) => {
    const row = rows.get(panel.row);
    return row?.lanes['dlfs'] === undefined ? [] : [{ panel, row }];
  });
  const [first] = results;
  if (drawn.length < PANELS.length || first === undefined) return null;
  const height = panelHeight(Math.max(...PANELS.map(({ lanes }) => lanes.length)));
  const lines = Math.ceil(drawn.length / COLUMNS);
  const total = lines * height + SIZE.foot;
  const parts = drawn.map(({ panel, row }, index) => {
    const x = (index % COLUMNS) * SIZE.panel;
    const y = Math.floor(index / COLUMNS) * height;
    return `<g transform="translate(${x + SIZE.margin} ${y})">\n${drawPanel(panel, row)}</g>\n`;
  });
  const { kernel, cores } = first.machine;
  const foot = `Medians. ${cores} cores shared by reader, daemon and origin; Linux ${kernel}. fuse-native: dlfs over libfuse 2. Longer is better.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${total}" width="${SIZE.width}" height="${total}" role="img">\n`,
    `<title>${escape('dlfs beside the local disk, rclone mount and s3fs')}</title>\n<style>${STYLE}\n</style>\n`,
    ...parts,
    `<text class="foot" x="${SIZE.margin}" y="${total - 8}">${escape(foot)}</text>\n</svg>\n`,
  ].join('');
}

function panelHeight(bars: number): number {
  return SIZE.head + bars * (SIZE.bar + SIZE.gap) + 12;
}

function drawPanel({ title, hint, lanes, unit, scale }: Panel, row: Row): string {
  const shown = lanes.flatMap((lane) => {
    const summary = row.lanes[lane];
    return summary === undefined ? [] : [{ lane, value: summary.median * scale }];
  });
  const longest = Math.max(...shown.map(({ value }) => value));
  const space = SIZE.panel - SIZE.name - SIZE.value - 2 * SIZE.margin;
  const bars = shown.map(({ lane, value }, index) => {
    const y = SIZE.head + index * (SIZE.bar + SIZE.gap);
    // A value next to nothing is still a line.
    const width = longest > 0 ? Math.max(1, (value / longest) * space) : 1;
    const base = y + SIZE.bar - 5;
    const ours = lane === 'dlfs' ? ' class="ours"' : '';
    return (
      `<text${ours} x="0" y="${base}">${escape(lane)}</text>` +
      `<rect class="${escape(lane)}" x="${SIZE.name}" y="${y}" width="${width.toFixed(1)}" height="${SIZE.bar}" rx="2"/>` +
      `<text${ours} x="${(SIZE.name + width + 6).toFixed(1)}" y="${base}">${formatNumber(value)} ${escape(unit)}</text>\n`
    );
  });
  return `<text class="title" x="0" y="20">${escape(title)}</text>\n<text class="hint" x="0" y="38">${escape(hint)}</text>\n${bars.join('')}`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
