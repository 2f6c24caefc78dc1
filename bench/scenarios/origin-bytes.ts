/**
 * What the origin sends: one cold pass by four processes that all read everything, a second pass, the first after a
 * restart. Counted by the daemon, and beside it by the link to an origin in a network namespace.
 */
import type { Lab } from '../lab/lab.ts';
import { bytesOf, filesOf, foldersOf, SMALL } from '../lab/datasets.ts';
import { fetchedSince, freshStats, type DaemonStats } from '../lab/daemon-stats.ts';
import { settledCpu } from '../lab/meters.ts';
import { originBehindLink, type LinkedOrigin } from '../lab/origin.ts';
import type { Metrics, RowSpec } from '../measure/row.ts';
import type { Scenario } from '../measure/scenario.ts';

/** A rate that no link of this test reaches: it is there to count. */
const RATE = '20gbit';
const PROCESSES = 4;
const SEED = 13;
const LIMIT_MS = 300_000;

const row = (id: string, figure: string, value: number | null): RowSpec => ({
  ...{ id, figure, metric: id, unit: 'x dataset', better: 'lower', against: [], take: 'worst' },
  target: value === null ? null : { relation: '<=', value },
});

/** See the file's header. */
export const ORIGIN_BYTES: Scenario = {
  name: 'origin-bytes',
  title: 'bytes from the origin: 10,000 files of 110 KB',
  rounds: 3,
  lanes: ['dlfs'],
  steps: ['passes'],
  rows: [
    row('origin-bytes-cold', 'GET bytes: one cold pass by four processes', 1.01),
    row('origin-bytes-second', 'GET bytes: the second pass', 0),
    row('origin-bytes-restart', 'GET bytes: the first pass after a restart', 0),
    row('origin-wire-cold', 'on the wire, all headers and requests: the cold pass', null),
    row('origin-wire-second', 'on the wire: the second pass', null),
    row('origin-wire-restart', 'on the wire: mount, names and first pass after a restart', null),
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
  const share = (bytes: number): number => bytes / bytesOf(SMALL);
  let openMode: string | null;
  {
    await using mounted = await lab.competitors.dlfs.mount(request);
    openMode = mounted.openMode;
    await lab.listNames(mounted.dir, foldersOf(SMALL));
    for (const pass of ['cold', 'second']) {
      if (mounted.pid !== null) await settledCpu(mounted.pid);
      const [before, sentBefore] = [await freshStats(cache), await origin.bytesSent()];
      await lab.dropPages();
      await readByAll(lab, mounted.dir);
      if (mounted.pid !== null) await settledCpu(mounted.pid);
      metrics[`origin-bytes-${pass}`] = share(fetchedSince(before, await freshStats(cache)).bytes);
      metrics[`origin-wire-${pass}`] = share((await origin.bytesSent()) - sentBefore);
    }
  }
  const sentBefore = await origin.bytesSent();
  await lab.dropPages();
  await using again = await lab.competitors.dlfs.mount(request);
  await lab.listNames(again.dir, foldersOf(SMALL));
  await readByAll(lab, again.dir);
  const after: DaemonStats = await freshStats(cache);
  // A new process counts from zero.
  metrics['origin-bytes-restart'] = share(after.engine.fetchBytes);
  metrics['origin-wire-restart'] = share((await origin.bytesSent()) - sentBefore);
  return [metrics, openMode];
}

async function readByAll(lab: Lab, dir: string): Promise<void> {
  const [files, bytes] = [filesOf(SMALL), bytesOf(SMALL)];
  await lab.reader.files({ dir, files, bytes, processes: PROCESSES, share: 'each', seed: SEED, limitMs: LIMIT_MS });
}
