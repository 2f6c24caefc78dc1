/**
 * The family of warm scenarios: all data is in the cache, and the same files are on the same disk beside it. What is held
 * against each other is dlfs and the local file system, with the page cache full or dropped; beside them dlfs over libfuse 2.
 */
import { join } from 'node:path';
import type { OpenMode } from '../lab/competitor.ts';
import { BIG_KEY, bytesOf, filesOf, foldersOf, folderOf, type Dataset } from '../lab/datasets.ts';
import { fio, type FioJob } from '../lab/fio.ts';
import type { Lab } from '../lab/lab.ts';
import type { Metrics, RowSpec } from '../measure/row.ts';
import type { Lane, Scenario } from '../measure/scenario.ts';

/** One measurement. */
export type WarmJob =
  /** fio over the large object; `metric` is a rate or a latency. */
  | { readonly kind: 'fio'; readonly metric: 'MB/s' | 'us'; readonly job: FioJob }
  /** open + read + close of all files, shuffled. */
  | { readonly kind: 'files'; readonly processes: number; readonly passes: number };

/** A row with the measurement behind it; compared with the local disk. */
export interface WarmRow {
  readonly id: string;
  readonly figure: string;
  readonly better: 'higher' | 'lower';
  readonly target: RowSpec['target'];
  readonly job: WarmJob;
}

/** A scenario as data. */
export interface WarmScenario {
  readonly name: string;
  readonly title: string;
  readonly dataset: Dataset;
  readonly open: OpenMode;
  /** Whether pages are in memory or were just dropped. */
  readonly pages: 'hot' | 'dropped';
  readonly rounds: number;
  readonly rows: readonly WarmRow[];
  readonly notes: readonly string[];
}

/** The order of shuffled files, the same everywhere. */
const SEED = 7;

const unitOf = (job: WarmJob): string => (job.kind === 'fio' ? job.metric : 'files/s');
const metricOf = ({ id, job }: WarmRow): string => `${id} ${unitOf(job)}`;

/** Makes the scenario of a description. */
export function warmScenario(described: WarmScenario): Scenario {
  const { name, title, rounds, rows, notes } = described;
  return {
    ...{ name, title, rounds, notes },
    lanes: ['dlfs', 'ext4', 'fuse-native'],
    steps: rows.map(({ id }) => id),
    rows: rows.map((row) => ({
      ...{ id: row.id, figure: row.figure, better: row.better, target: row.target },
      metric: metricOf(row),
      unit: unitOf(row.job),
      against: ['ext4'],
    })),
    prepare: (lab, wanted, stack) => prepare(described, lab, wanted, stack),
  };
}

async function prepare(
  { dataset, open, pages, rows }: WarmScenario,
  lab: Lab,
  wanted: readonly string[],
  stack: AsyncDisposableStack,
): Promise<Lane[]> {
  await lab.provide(dataset);
  const lanes: Lane[] = [];
  const add = (name: string, dir: string, openMode: string | null): void => {
    const measure = async (step: string): Promise<Metrics> => {
      const row = rows.find(({ id }) => id === step);
      if (row === undefined) throw new Error(`no row ${step}`);
      if (pages === 'hot') await lab.readAll(dataset, dir);
      else await lab.dropPages();
      return { [metricOf(row)]: await perform(lab, dataset, dir, row.job) };
    };
    lanes.push({ name, openMode: () => openMode, measure });
  };
  for (const name of wanted) {
    if (name === 'dlfs' || name === 'fuse-native') {
      const mounted = stack.use(await lab.warm(dataset, open, name));
      await lab.listNames(mounted.dir, foldersOf(dataset));
      await lab.readAll(dataset, mounted.dir);
      add(name, mounted.dir, mounted.openMode);
    } else {
      await lab.listNames(folderOf(dataset), foldersOf(dataset));
      add(name, folderOf(dataset), null);
    }
  }
  return lanes;
}

async function perform(lab: Lab, dataset: Dataset, dir: string, job: WarmJob): Promise<number> {
  switch (job.kind) {
    case 'fio': {
      const result = await fio(lab.programs, join(dir, BIG_KEY), job.job);
      return job.metric === 'MB/s' ? result.megabytesPerSecond : result.medianMicros;
    }
    case 'files': {
      const { processes, passes } = job;
      const files = { files: filesOf(dataset), bytes: bytesOf(dataset) };
      const read = await lab.reader.files({ dir, ...files, processes, passes, seed: SEED });
      return read.files / read.seconds;
    }
  }
}
