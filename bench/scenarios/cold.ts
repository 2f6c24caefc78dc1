/**
 * The family of cold scenarios: every measurement has a mount of its own over an empty cache, whose names were listed before
 * and whose data comes from the origin. The origin's files are in memory, so that its disk plays no part.
 */
import { join } from 'node:path';
import type { Competitor, Endpoint, Mounted, OpenMode } from '../lab/competitor.ts';
import { BIG_KEY, filesOf, foldersOf, type Dataset } from '../lab/datasets.ts';
import { freshStats } from '../lab/daemon-stats.ts';
import { fio } from '../lab/fio.ts';
import type { Lab } from '../lab/lab.ts';
import { meter } from '../lab/meters.ts';
import { originAway, originBehindLink } from '../lab/origin.ts';
import { curl, rangedGets } from '../lab/plain-get.ts';
import type { Metrics, RowSpec } from '../measure/row.ts';
import type { Lane, Scenario } from '../measure/scenario.ts';

/** Where the origin is. */
export type Place =
  | { readonly kind: 'here' }
  /** Each round trip takes so long. */
  | { readonly kind: 'away'; readonly latencyMs: number }
  /** As tc(8) writes rates. */
  | { readonly kind: 'link'; readonly rate: string };

/** What is read. */
export type ColdJob =
  /** Files of the data set. `folders` says of how many folders each lane reads: slow ones are not given all. */
  | {
      readonly kind: 'files';
      readonly processes: number;
      readonly order: 'shuffled' | 'listed';
      readonly folders: Readonly<Record<string, number>>;
    }
  /** Different parts of the large object by many readers at once. */
  | { readonly kind: 'parts'; readonly readers: number }
  /** Single reads of 4 KiB, each in a megabyte that nobody has read. */
  | { readonly kind: 'random'; readonly reads: number };

/** Who takes part. The last two are no file systems: they show what the origin gives. */
export type ColdLane = 'dlfs' | 'rclone' | 's3fs' | 'curl' | 'GET';

/** A scenario as data. */
export interface ColdScenario {
  readonly name: string;
  readonly title: string;
  readonly dataset: Dataset;
  readonly origin: Place;
  readonly open: OpenMode;
  readonly rounds: number;
  readonly lanes: readonly ColdLane[];
  readonly job: ColdJob;
  readonly rows: readonly RowSpec[];
  readonly notes: readonly string[];
}

const MIB = 1024 ** 2;
const SEED = 11;
/** A slow peer over all files at 20 ms needs minutes. */
const LIMIT_MS = 600_000;
/** What a raw GET fetches where a reader wants 4 KiB. */
const RAW_GET_BYTES = 65_536;

/** Makes the scenario of a description. */
export function coldScenario(described: ColdScenario): Scenario {
  const { name, title, rounds, lanes, rows, notes } = described;
  return {
    ...{ name, title, rounds, lanes, rows, notes },
    steps: ['cold'],
    prepare: async (lab, wanted, stack) => {
      await lab.provide(described.dataset);
      stack.defer(() => lab.removeSetAside());
      const endpoint = await originAt(lab, described.origin, stack);
      return lanes.filter((lane) => wanted.includes(lane)).map((lane) => laneOf(described, lab, endpoint, lane));
    },
  };
}

async function originAt(lab: Lab, place: Place, stack: AsyncDisposableStack): Promise<Endpoint> {
  switch (place.kind) {
    case 'here':
      return lab.endpoint;
    case 'away':
      return stack.use(await originAway(lab.gateway, place.latencyMs)).endpoint;
    case 'link':
      return stack.use(await originBehindLink({ rate: place.rate })).endpoint;
  }
}

function laneOf(described: ColdScenario, lab: Lab, endpoint: Endpoint, name: ColdLane): Lane {
  const { dataset, job } = described;
  let openMode: string | null = null;
  const measure = async (_: string, round: number): Promise<Metrics> => {
    await lab.warmOrigin(dataset);
    if (name === 'curl') {
      const seconds = await curl(lab.programs, endpoint, dataset.bucket, BIG_KEY);
      return { 'MB/s': dataset.fileBytes / 1e6 / seconds };
    }
    if (name === 'GET') {
      const count = job.kind === 'random' ? job.reads : 1;
      const us = await rangedGets(endpoint, dataset.bucket, BIG_KEY, { count, bytes: RAW_GET_BYTES, span: MIB });
      return { us };
    }
    const measured = await coldMount(described, lab, endpoint, lab.competitors[name], round);
    openMode = measured.openMode;
    return measured.metrics;
  };
  return { name, openMode: () => openMode, measure };
}

/** Mounts over an empty cache, lists names, measures the job with the daemon's use of the machine, unmounts. */
async function coldMount(
  { dataset, open, job }: ColdScenario,
  lab: Lab,
  endpoint: Endpoint,
  competitor: Competitor,
  round: number,
): Promise<{ readonly metrics: Metrics; readonly openMode: string | null }> {
  const cache = await lab.emptyCache();
  try {
    await using mounted = await competitor.mount({ endpoint, dataset, cache, open });
    const folders = foldersOf(dataset).slice(0, job.kind === 'files' ? (job.folders[competitor.name] ?? 0) : 0);
    await lab.listNames(mounted.dir, folders);
    const meters = mounted.pid === null ? null : await meter(mounted.pid);
    const { metrics, bytes, files } = await perform(lab, dataset, mounted, job, folders, round);
    const used = await meters?.stop();
    const loop = competitor.name === 'dlfs' ? (await freshStats(cache)).eventLoop : null;
    return {
      openMode: mounted.openMode,
      metrics: {
        ...metrics,
        ...(used === undefined ? {} : { 'CPU s/GB': used.cpu / (bytes / 1e9), 'peak MiB': used.peak / MIB }),
        ...(used === undefined || files <= 1 ? {} : { 'CPU ms/file': (used.cpu * 1000) / files }),
        ...(loop === null ? {} : { 'loop p99 ms': loop.p99, 'loop max ms': loop.max }),
      },
    };
  } finally {
    await lab.setAside(cache);
  }
}

/** What a job gave: its rates, and what it read in all. */
interface Performed {
  readonly metrics: Metrics;
  readonly bytes: number;
  /** 0 where files are not the measure. */
  readonly files: number;
}

async function perform(
  lab: Lab,
  dataset: Dataset,
  { dir }: Mounted,
  job: ColdJob,
  folders: readonly string[],
  round: number,
): Promise<Performed> {
  switch (job.kind) {
    case 'files': {
      const chosen = filesOf(dataset).filter(
        (file) => folders.length === 0 || folders.includes(file.split('/')[0] ?? ''),
      );
      const read = await lab.reader.files({
        ...{ dir, files: chosen, bytes: chosen.length * dataset.fileBytes, processes: job.processes },
        seed: job.order === 'listed' ? 0 : SEED,
        limitMs: LIMIT_MS,
      });
      const megabytes = { 'MB/s': read.bytes / 1e6 / read.seconds };
      const metrics = read.files > 1 ? { 'files/s': read.files / read.seconds, ...megabytes } : megabytes;
      return { metrics, bytes: read.bytes, files: read.files };
    }
    case 'parts': {
      const part = `${dataset.fileBytes / job.readers / MIB}m`;
      const read = await fio(lab.programs, join(dir, BIG_KEY), { rw: 'read', bs: '1m', jobs: job.readers, part });
      return { metrics: { 'MB/s': read.megabytesPerSecond }, bytes: dataset.fileBytes, files: 0 };
    }
    case 'random': {
      const block = 4096;
      const read = await lab.reader.random({
        file: join(dir, BIG_KEY),
        count: job.reads,
        block,
        span: MIB,
        seed: SEED + round,
      });
      return { metrics: { us: read.p50us, 'p90 us': read.p90us }, bytes: job.reads * block, files: 0 };
    }
  }
}
