/**
 * Everything that scenarios measure with, made once a run: the origin, the reader, the competitors, folders, and the caches
 * that are already full.
 *
 * Invariants:
 * 1. Disposal unmounts what is mounted, ends what runs and removes the work folder; data sets stay.
 * 2. The disk's readahead is the mounts' own while the lab exists.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../../test/posix/execute.ts';
import { dropCaches } from '../../test/support/files.ts';
import { until } from '../../test/support/process.ts';
import { parseMountinfo } from '../../test/support/mount-table.ts';
import type { VersityGw } from '../../test/support/s3/versitygw.ts';
import { Backstop } from './backstop.ts';
import type { Competitor, Endpoint, Mounted, OpenMode } from './competitor.ts';
import { filesOf, bytesOf, folderOf, provide, type Dataset } from './datasets.ts';
import { freshStats } from './daemon-stats.ts';
import { dlfs } from './dlfs.ts';
import { LOCAL_DISK } from './local-disk.ts';
import { lockBench } from './lock.ts';
import { endpointOf, startGateway } from './origin.ts';
import { rclone, s3fs } from './peers.ts';
import { BUCKETS, OUT, WORK } from './places.ts';
import { Programs } from './program.ts';
import { setDiskReadahead } from './readahead.ts';
import { Reader } from './reader.ts';

/** Filling a cache reads all of a data set once. */
const FILL_LIMIT_MS = 600_000;
/** Verifying 2 GiB takes a few seconds. */
const PASSTHROUGH_LIMIT_MS = 60_000;

/** See the file's header. */
export class Lab implements AsyncDisposable {
  readonly programs: Programs;
  readonly reader: Reader;
  readonly gateway: VersityGw;
  readonly competitors: Readonly<Record<Competitor['name'], Competitor>>;
  /** Says what happens, for the terminal. */
  readonly say: (line: string) => void;
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal;
  readonly #stack: AsyncDisposableStack;

  // Mutable state: names of mount points; caches that hold their whole data set, by transport and bucket.
  readonly #aside: string[] = [];
  #mounts = 0;
  readonly #full = new Map<string, string>();

  private constructor(
    parts: Pick<Lab, 'programs' | 'reader' | 'gateway' | 'say' | 'signal'>,
    backstop: Backstop,
    stack: AsyncDisposableStack,
  ) {
    this.programs = parts.programs;
    this.reader = parts.reader;
    this.gateway = parts.gateway;
    this.say = parts.say;
    this.signal = parts.signal;
    this.#stack = stack;
    const next = (): string => join(WORK, `mnt${this.#mounts++}`);
    this.competitors = {
      dlfs: dlfs('dlfs', backstop, next),
      'fuse-native': dlfs('fuse-native', backstop, next),
      rclone: rclone(backstop, next),
      s3fs: s3fs(backstop, next),
      ext4: LOCAL_DISK,
    };
  }

  /**
   * Starts the origin and builds the reader (needs root).
   * @throws Error where something of an earlier run is still mounted
   */
  static async open(signal: AbortSignal, say: (line: string) => void): Promise<Lab> {
    await using stack = new AsyncDisposableStack();
    stack.use(await lockBench());
    await mkdir(BUCKETS, { recursive: true });
    await removeWork();
    await mkdir(WORK, { recursive: true });
    stack.defer(removeWork);
    const backstop = new Backstop();
    stack.use(setDiskReadahead(OUT));
    const programs = new Programs(backstop, signal);
    const reader = await Reader.build(programs);
    const gateway = stack.use(await startGateway());
    return new Lab({ programs, reader, gateway, say, signal }, backstop, stack.move());
  }

  /** The plain origin on this machine. */
  get endpoint(): Endpoint {
    return endpointOf(this.gateway);
  }

  /** Makes the data set if need be. */
  async provide(dataset: Dataset): Promise<void> {
    await provide(dataset, this.gateway, this.say);
  }

  /** An empty folder for a cache. The caller removes it with `discard`. */
  async emptyCache(): Promise<string> {
    return await mkdtemp(join(WORK, 'cache-'));
  }

  /** Removes a cache, and waits for the disk: its writing would slow what is measured next. */
  async discard(cache: string): Promise<void> {
    await rm(cache, { recursive: true, force: true });
    await execute('sync', ['-f', OUT]);
  }

  /**
   * Takes a used cache out of what is measured next: waits for its writes. It is removed with `removeSetAside`, not here: ext4
   * passes over inodes freed within the last minutes one by one, so that whoever makes 10,000 files behind a removal of 10,000
   * spends a quarter of two processors on it, which no first epoch on a node does.
   */
  async setAside(cache: string): Promise<void> {
    this.#aside.push(cache);
    await execute('sync', ['-f', OUT]);
  }

  /** Removes the caches that were set aside. */
  async removeSetAside(): Promise<void> {
    for (const cache of this.#aside.splice(0)) await rm(cache, { recursive: true, force: true });
    await execute('sync', ['-f', OUT]);
  }

  /**
   * Mounts dlfs over a cache that holds all of a data set; the cache is filled the first time. With passthrough it settles
   * when files are opened so: a file is verified once before.
   * @param name over which transport; both may be mounted at once, each has a cache of its own
   */
  async warm(dataset: Dataset, open: OpenMode, name: 'dlfs' | 'fuse-native' = 'dlfs'): Promise<Mounted> {
    const { [name]: mounting, dlfs: ours } = this.competitors;
    const request = { endpoint: this.endpoint, dataset, open };
    const key = `${name} ${dataset.bucket}`;
    let cache = this.#full.get(key);
    if (cache === undefined) {
      this.say(`filling the cache with ${dataset.bucket} ...`);
      cache = await this.emptyCache();
      await using mounted = await ours.mount({ ...request, cache });
      await this.readAll(dataset, mounted.dir);
      this.#full.set(key, cache);
    }
    await execute('sync', ['-f', OUT]);
    await using stack = new AsyncDisposableStack();
    const mounted = stack.use(await mounting.mount({ ...request, cache }));
    if (open === 'passthrough' && name === 'dlfs') await this.#untilPassthrough(dataset, mounted.dir, cache);
    stack.move();
    return mounted;
  }

  /** A row that says passthrough must be about passthrough. */
  async #untilPassthrough(dataset: Dataset, dir: string, cache: string): Promise<void> {
    const last = filesOf(dataset).at(-1) ?? '';
    const isThere = async (): Promise<boolean> => {
      this.signal.throwIfAborted();
      await this.programs.run('head', ['-c', '1', join(dir, last)], { quiet: true });
      return (await freshStats(cache)).engine.passthroughOpens > 0;
    };
    await until(isThere, PASSTHROUGH_LIMIT_MS, 'a file that is all cached is opened with passthrough');
  }

  /** Reads all of a data set once, so that what can hold it holds it. */
  async readAll(dataset: Dataset, dir: string): Promise<void> {
    const [files, bytes] = [filesOf(dataset), bytesOf(dataset)];
    await this.reader.files({
      dir,
      files,
      bytes,
      processes: Math.min(4, files.length),
      seed: 0,
      limitMs: FILL_LIMIT_MS,
    });
  }

  /** Brings the origin's files into memory, so that no cold read waits for the origin's disk. */
  async warmOrigin(dataset: Dataset): Promise<void> {
    await this.readAll(dataset, folderOf(dataset));
  }

  /** Writes back what is dirty and drops the machine's page cache; names stay. */
  async dropPages(): Promise<void> {
    await execute('sync', ['-f', OUT]);
    await dropCaches();
  }

  /** Lists names below folders of a mount, attributes included, as a job does before it reads. */
  async listNames(dir: string, folders: readonly string[]): Promise<void> {
    const starts = folders.length === 0 ? [dir] : folders.map((folder) => join(dir, folder));
    await this.programs.run('find', [...starts, '-type', 'f', '-size', '+0', '-printf', ''], {
      quiet: true,
      limitMs: 300_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Removes the work folder unless something is mounted in it. */
async function removeWork(): Promise<void> {
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo'));
  const below = mounts.find(({ dir }) => dir.startsWith(`${WORK}/`));
  if (below !== undefined) throw new Error(`still mounted: ${below.dir}; unmount it first (umount -l ${below.dir})`);
  await rm(WORK, { recursive: true, force: true });
}
