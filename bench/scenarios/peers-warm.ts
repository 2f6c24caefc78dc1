/**
 * The second read beside the peers: part of the small files and the large one, from memory and from the disk caches. Only
 * reported; the targets for warm reads are relative to the local disk.
 */
import { join } from 'node:path';
import type { Mounted } from '../lab/competitor.ts';
import { BIG, BIG_KEY, filesOf, SMALL } from '../lab/datasets.ts';
import { fio } from '../lab/fio.ts';
import type { Lab } from '../lab/lab.ts';
import type { Metrics, RowSpec } from '../measure/row.ts';
import type { Lane, Scenario } from '../measure/scenario.ts';

const LANES = ['dlfs', 'ext4', 'fuse-native', 'rclone', 's3fs'] as const;
/** A tenth of the folders: the peers' rates do not depend on the number of files, their patience does. */
const FOLDERS = 10;
const PROCESSES = 4;
const SEED = 7;
/** Passes over files in memory: one is over in a few milliseconds. */
const HOT_PASSES = 3;

const files = filesOf(SMALL).slice(0, FOLDERS * SMALL.filesPerFolder);

const row = (id: string, figure: string, unit: string): RowSpec => ({
  ...{ id: `peers-${id}`, figure, metric: id, unit, better: 'higher', against: [], target: null },
});

/** See the file's header. */
export const PEERS_WARM: Scenario = {
  name: 'peers-warm',
  title: 'read again, beside the peers',
  rounds: 3,
  lanes: LANES,
  steps: ['hot-small', 'dropped-small', 'hot-big', 'dropped-big'],
  rows: [
    row('hot-small', 'read again from memory: small files, shuffled, 4 processes', 'files/s'),
    row('dropped-small', 'read again from the cache disk: small files, shuffled, 4 processes', 'files/s'),
    row('hot-big', 'read again from memory: 2 GiB file, sequential', 'MB/s'),
    row('dropped-big', 'read again from the cache disk: 2 GiB file, sequential', 'MB/s'),
  ],
  notes: [
    '1,000 of the small files; dlfs: small files stateless, the large one passthrough; fuse-native: the same over libfuse 2; reported, without targets',
  ],
  prepare: async (lab, wanted, stack) => {
    await lab.provide(SMALL);
    await lab.provide(BIG);
    const lanes: Lane[] = [];
    for (const name of LANES.filter((lane) => wanted.includes(lane))) {
      const [small, big] = await mountBoth(lab, name, stack);
      await lab.listNames(small.dir, []);
      await readSmall(lab, small.dir, 1);
      await lab.readAll(BIG, big.dir);
      const openMode = name === 'dlfs' ? `${small.openMode ?? '?'}, ${big.openMode ?? '?'}` : null;
      lanes.push({ name, openMode: () => openMode, measure: (step) => measure(lab, small.dir, big.dir, step) });
    }
    return lanes;
  },
};

async function mountBoth(
  lab: Lab,
  name: (typeof LANES)[number],
  stack: AsyncDisposableStack,
): Promise<[Mounted, Mounted]> {
  if (name === 'dlfs' || name === 'fuse-native') {
    const small = stack.use(await lab.warm(SMALL, 'stateless', name));
    return [small, stack.use(await lab.warm(BIG, 'passthrough', name))];
  }
  const mounts: Mounted[] = [];
  for (const dataset of [SMALL, BIG]) {
    const cache = await lab.emptyCache();
    mounts.push(stack.use(await lab.competitors[name].mount({ endpoint: lab.endpoint, dataset, cache })));
  }
  return mounts as [Mounted, Mounted];
}

async function readSmall(lab: Lab, dir: string, passes: number): Promise<number> {
  const bytes = files.length * SMALL.fileBytes;
  const read = await lab.reader.files({ dir, files, bytes, processes: PROCESSES, seed: SEED, passes });
  return read.files / read.seconds;
}

async function measure(lab: Lab, small: string, big: string, step: string): Promise<Metrics> {
  const isHot = step.startsWith('hot');
  if (step.endsWith('small')) {
    if (isHot) await readSmall(lab, small, 1);
    else await lab.dropPages();
    return { [step]: await readSmall(lab, small, isHot ? HOT_PASSES : 1) };
  }
  if (isHot) await lab.readAll(BIG, big);
  else await lab.dropPages();
  const { megabytesPerSecond } = await fio(lab.programs, join(big, BIG_KEY), { rw: 'read', bs: '1m', jobs: 1 });
  return { [step]: megabytesPerSecond };
}
