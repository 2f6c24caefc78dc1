/**
 * Names: a directory of 100,000 entries, and a data set of 1,000,000 files.
 */
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { join } from 'node:path';
import { memoryOf, until } from '../../test/support/process.ts';
import type { Endpoint } from '../lab/competitor.ts';
import { freshStats, readStats } from '../lab/daemon-stats.ts';
import { foldersOf, MILLION, WIDE } from '../lab/datasets.ts';
import type { Lab } from '../lab/lab.ts';
import type { Metrics } from '../measure/row.ts';
import type { Scenario } from '../measure/scenario.ts';

const LIST_LIMIT_MS = 300_000;
const MILLION_LIMIT_MS = 900_000;
const MIB = 1024 ** 2;

/** `ls -f` of 100,000 entries: first, again, after a restart. */
const WIDE_LISTING: Scenario = {
  name: 'list-wide',
  title: 'ls -f of 100,000 entries in one directory',
  rounds: 5,
  lanes: ['dlfs', 'SDK'],
  steps: ['list'],
  rows: [
    {
      ...{
        id: 'list-wide-first',
        figure: 'ls -f of 100,000 entries: first',
        metric: 'first',
        unit: 's',
        better: 'lower',
      },
      against: ['SDK'],
      target: { relation: '<=', value: 1.2 },
    },
    {
      ...{
        id: 'list-wide-again',
        figure: 'ls -f of 100,000 entries: again',
        metric: 'again',
        unit: 's',
        better: 'lower',
      },
      against: [],
      target: { relation: '<', value: 0.2 },
    },
    {
      ...{ id: 'list-wide-restart', figure: 'ls -f of 100,000 entries: after a restart', metric: 'restart', unit: 's' },
      ...{ better: 'lower', against: [] },
      target: { relation: '<', value: 0.5 },
    },
  ],
  notes: ['a mount over an empty cache each round; SDK: ListObjectsV2 page by page, in the same round'],
  prepare: async (lab, wanted) => {
    await lab.provide(WIDE);
    let openMode: string | null = null;
    const ours = async (): Promise<Metrics> => {
      const cache = await lab.emptyCache();
      try {
        const result = await listThrice(lab, cache);
        openMode = result.openMode;
        return result.metrics;
      } finally {
        await lab.discard(cache);
      }
    };
    const sdk = async (): Promise<Metrics> => ({ first: await listBySdk(lab.endpoint) });
    const lanes = [
      { name: 'dlfs', openMode: () => openMode, measure: ours },
      { name: 'SDK', openMode: () => null, measure: sdk },
    ];
    return lanes.filter(({ name }) => wanted.includes(name));
  },
};

async function listThrice(
  lab: Lab,
  cache: string,
): Promise<{ readonly metrics: Metrics; readonly openMode: string | null }> {
  const request = { endpoint: lab.endpoint, dataset: WIDE, cache };
  const metrics: Record<string, number> = {};
  let openMode: string | null;
  {
    await using mounted = await lab.competitors.dlfs.mount(request);
    openMode = mounted.openMode;
    metrics['first'] = await listDirectory(lab, mounted.dir);
    metrics['again'] = await listDirectory(lab, mounted.dir);
  }
  await using mounted = await lab.competitors.dlfs.mount(request);
  metrics['restart'] = await listDirectory(lab, mounted.dir);
  return { metrics, openMode };
}

/** Seconds of `ls -f`. */
async function listDirectory(lab: Lab, dir: string): Promise<number> {
  const [folder = ''] = foldersOf(WIDE);
  const { stdout, seconds } = await lab.programs.run('ls', ['-f', join(dir, folder)], { limitMs: LIST_LIMIT_MS });
  // '.' and '..' are listed, too.
  const entries = stdout.split('\n').length - 1 - 2;
  if (entries !== WIDE.filesPerFolder) throw new Error(`ls -f gave ${entries} entries, not ${WIDE.filesPerFolder}`);
  return seconds;
}

/** Seconds of a serial listing by the SDK. */
async function listBySdk({ url, region, accessKeyId, secretAccessKey }: Endpoint): Promise<number> {
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    const started = performance.now();
    let keys = 0;
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({
          Bucket: WIDE.bucket,
          Prefix: `${foldersOf(WIDE)[0] ?? ''}/`,
          Delimiter: '/',
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      keys += page.Contents?.length ?? 0;
      token = page.NextContinuationToken;
    } while (token !== undefined);
    if (keys !== WIDE.filesPerFolder) throw new Error(`the SDK listed ${keys} keys, not ${WIDE.filesPerFolder}`);
    return (performance.now() - started) / 1000;
  } finally {
    client.destroy();
  }
}

/** A million files: how long until all are known, how long `find` takes, what it costs in memory. */
const MILLION_LISTING: Scenario = {
  name: 'list-million',
  title: '1,000,000 files in 1,000 folders',
  rounds: 1,
  lanes: ['dlfs'],
  steps: ['list'],
  rows: [
    {
      ...{
        id: 'list-million',
        figure: '1,000,000 files: complete listing',
        metric: 'listing',
        unit: 's',
        better: 'lower',
      },
      ...{ against: [], target: null },
    },
    {
      ...{
        id: 'list-million-find',
        figure: '1,000,000 files: find -type f, all names known',
        metric: 'find',
        unit: 's',
      },
      ...{ better: 'lower', against: [], target: null },
    },
    {
      ...{
        id: 'list-million-again',
        figure: '1,000,000 files: find again',
        metric: 'again',
        unit: 's',
        better: 'lower',
      },
      ...{ against: [], target: null },
    },
    {
      ...{ id: 'list-million-rss', figure: '1,000,000 files: RSS after', metric: 'rss', unit: 'MiB', better: 'lower' },
      ...{ against: [], target: { relation: '<=', value: 700 } },
    },
  ],
  notes: ['one round; the complete listing runs in the background from the start of the mount on'],
  prepare: async (lab, wanted) => {
    if (!wanted.includes('dlfs')) return [];
    await lab.provide(MILLION);
    let openMode: string | null = null;
    const measure = async (): Promise<Metrics> => {
      const cache = await lab.emptyCache();
      try {
        await using mounted = await lab.competitors.dlfs.mount({ endpoint: lab.endpoint, dataset: MILLION, cache });
        openMode = mounted.openMode;
        const isComplete = async (): Promise<boolean> => {
          lab.signal.throwIfAborted();
          return (await readStats(cache)).snapshot.complete;
        };
        await until(isComplete, MILLION_LIMIT_MS, 'the complete listing');
        const listing = (await freshStats(cache)).listing.lastDurationMs / 1000;
        const find = await findAll(lab, mounted.dir);
        const again = await findAll(lab, mounted.dir);
        if (mounted.pid === null) throw new Error('dlfs has a process');
        return { listing, find, again, rss: (await memoryOf(mounted.pid)).rss / MIB };
      } finally {
        await lab.discard(cache);
      }
    };
    return [{ name: 'dlfs', openMode: () => openMode, measure }];
  },
};

/** Seconds of a `find` over everything; it must find all files. */
async function findAll(lab: Lab, dir: string): Promise<number> {
  const { stdout, seconds } = await lab.programs.run('find', [dir, '-type', 'f', '-printf', '\n'], {
    limitMs: MILLION_LIMIT_MS,
  });
  if (stdout.length !== MILLION.folders * MILLION.filesPerFolder) throw new Error(`find found ${stdout.length} files`);
  return seconds;
}

/** See the file's header. */
export const LISTING: readonly Scenario[] = [WIDE_LISTING, MILLION_LISTING];
