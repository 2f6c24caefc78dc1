/**
 * What the origin sends: one cold pass by four processes that all read everything, a second pass, the first after a
 * restart. Counted by the daemon, and beside it by the link to an origin in a network namespace.
 */
import type { Lab } from '../lab/lab.ts';
import { bytesOf, filesOf, foldersOf, SMALL } from '../lab/datasets.ts';
import { freshStats, type DaemonStats } from '../lab/daemon-stats.ts';
import { settledCpu } from '../lab/meters.ts';
import { originBehindLink, type LinkedOrigin } from '../lab/origin.ts';
import type { Metrics, RowSpec } from '../measure/row.ts';
import type { Scenario } from '../measure/scenario.ts';

/** A rate that no link of this test reaches: it is there to count. */
const RATE = '20gbit';
const PROCESSES = 4;
const SEED = 13;
const LIMIT_MS = 300_000;

/** What is counted of a pass; the first is a share of the data set. */
const PASSES = {
  cold: 'one cold pass by four processes',
  second: 'the second pass',
  restart: 'the first pass after a restart',
} as const;
type Pass = keyof typeof PASSES;

const row = (pass: Pass, what: string, figure: string, unit: string, bound: number | null): RowSpec => ({
  ...{ id: `origin-${what}-${pass}`, figure: `${figure}: ${PASSES[pass]}`, metric: `${what} ${pass}`, unit },
  ...{ better: 'lower', against: [], take: 'worst' },
  target: bound === null ? null : { relation: '<=', value: bound },
});

/** See the file's header. */
export const ORIGIN_BYTES: Scenario = {
  name: 'origin-bytes',
  title: 'bytes from the origin: 10,000 files of 110 KB',
  rounds: 3,
  lanes: ['dlfs'],
  steps: ['passes'],
  rows: [
    row('cold', 'bytes', 'bytes of GETs', 'x dataset', 1.01),
    row('second', 'bytes', 'bytes of GETs', 'x dataset', 0),
    row('restart', 'bytes', 'bytes of GETs', 'x dataset', 0),
    row('cold', 'gets', 'GETs that the origin answered', 'GETs', null),
    row('second', 'gets', 'GETs that the origin answered', 'GETs', 0),
    row('restart', 'gets', 'GETs that the origin answered', 'GETs', 0),
    row('cold', 'names', 'LIST and HEAD beside', 'requests', null),
    row('second', 'names', 'LIST and HEAD beside', 'requests', null),
    row('restart', 'names', 'LIST and HEAD beside', 'requests', null),
    row('cold', 'wire', 'on the wire, all headers', 'x dataset', null),
    row('second', 'wire', 'on the wire, all headers', 'x dataset', null),
    row('restart', 'wire', 'on the wire, all headers', 'x dataset', null),
  ],
  notes: [
    'each of the four processes reads all files; the page cache is dropped before the second pass; worst of the rounds',
  ],
  prepare: async (lab, wanted, stack) => {
    if (!wanted.includes('dlfs')) return [];
    await lab.provide(SMALL);
    const origin = stack.use(await originBehindLink({ rate: RATE, burst: '10mb' }));
    let openMode: string | null = null;
    const measure = async (): Promise<Metrics> => {
      const cache = await lab.emptyCache();
      try {
        const [metrics, mode] = await threePasses(lab, origin, cache);
        openMode = mode;
        return metrics;
      } finally {
        await lab.discard(cache);
      }
    };
    return [{ name: 'dlfs', openMode: () => openMode, measure }];
  },
};

async function threePasses(lab: Lab, origin: LinkedOrigin, cache: string): Promise<[Metrics, string | null]> {
  await lab.warmOrigin(SMALL);
  const request = { endpoint: origin.endpoint, dataset: SMALL, cache };
  const metrics: Record<string, number> = {};
  let openMode: string | null;
  {
    await using mounted = await lab.competitors.dlfs.mount(request);
    openMode = mounted.openMode;
    await lab.listNames(mounted.dir, foldersOf(SMALL));
    for (const pass of ['cold', 'second'] as const) {
      if (mounted.pid !== null) await settledCpu(mounted.pid);
      const before = await count(origin, await freshStats(cache));
      await lab.dropPages();
      await readByAll(lab, mounted.dir);
      if (mounted.pid !== null) await settledCpu(mounted.pid);
      note(metrics, pass, before, await count(origin, await freshStats(cache)));
    }
  }
  // A new process counts from zero; what the origin counts goes on.
  const before = await count(origin, null);
  await lab.dropPages();
  await using again = await lab.competitors.dlfs.mount(request);
  await lab.listNames(again.dir, foldersOf(SMALL));
  await readByAll(lab, again.dir);
  note(metrics, 'restart', before, await count(origin, await freshStats(cache)));
  return [metrics, openMode];
}

/** What has come from the origin. */
interface Counted {
  /** Bodies, by the daemon. */
  readonly bytes: number;
  /** Everything, by the link. */
  readonly wire: number;
  /** Requests, by the origin's log. */
  readonly gets: number;
  readonly names: number;
}

async function count(origin: LinkedOrigin, stats: DaemonStats | null): Promise<Counted> {
  return { bytes: stats?.engine.fetchBytes ?? 0, wire: await origin.bytesSent(), ...(await origin.answered()) };
}

function note(metrics: Record<string, number>, pass: Pass, before: Counted, after: Counted): void {
  for (const what of ['bytes', 'wire', 'gets', 'names'] as const) {
    const unit = what === 'bytes' || what === 'wire' ? bytesOf(SMALL) : 1;
    metrics[`${what} ${pass}`] = (after[what] - before[what]) / unit;
  }
}

async function readByAll(lab: Lab, dir: string): Promise<void> {
  const [files, bytes] = [filesOf(SMALL), bytesOf(SMALL)];
  await lab.reader.files({ dir, files, bytes, processes: PROCESSES, share: 'each', seed: SEED, limitMs: LIMIT_MS });
}
