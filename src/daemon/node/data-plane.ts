/**
 * What a process has once, however many datasets it serves: the native engine and what is shared by all of them.
 *
 * Invariants:
 * 1. Its threads and its memory do not depend on the number of datasets.
 * 2. It outlives the datasets that are served with it: whoever starts it disposes them first.
 */
import { availableParallelism } from 'node:os';
import type { Clock } from '../../base/clock.ts';
import type { HostThread } from '../../base/host-thread.ts';
import type { Logger } from '../../base/log.ts';
import type { SizeOrShare } from '../../base/size.ts';
import { DiskBudget } from '../../cache/blocks/disk-budget.ts';
import { BatchPlanner } from '../../cache/fetch/batch-planner.ts';
import { FetchShares } from '../../cache/fetch/fetch-shares.ts';
import { IndexHost, MAX_WRITER_THREADS } from '../../cache/index/index.ts';
import { LruByObject } from '../../cache/policy/eviction.ts';
import { loadFuseAddon, type FuseAddon } from '../../fs/transport/fuse-native/addon.ts';
import type { TransportName } from '../../fs/transport/transport.ts';
import { ListingLanes } from '../../fs/snapshot/listing-lanes.ts';
import { loadNative } from '../../native/binding.ts';
import { NativeHost } from '../../native/host.ts';
import { listerHost } from '../../source/s3/lister-host.ts';
import { kernelFeatures, type KernelFeatures } from '../kernel.ts';
import { LoopDelayMeter } from '../loop-delay.ts';
import { removeAbandoned } from '../registry/abandoned-cache.ts';

/** What the process may take, for all datasets together. */
export interface DataPlaneOptions {
  /** Bytes of block buffers. */
  readonly memory: number;
  /** The root of caches: an existing directory. */
  readonly cacheDir: string;
  /** Allocated bytes of all caches; Infinity: as much as the floor leaves. */
  readonly cacheBytes: number;
  /** Cache files; Infinity for no limit. */
  readonly cacheFiles: number;
  /** Free space of the disk to keep. */
  readonly cacheFloor: SizeOrShare;
  /** How the kernel is served. */
  readonly transport: TransportName;
  /** At the floor, caches in `cacheDir` that nobody serves from go before those that are in use. */
  readonly evictsAbandoned?: boolean;
}

/** What the process brings along; datasets get the same. */
export interface DataPlaneDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The process environment: credentials, region and proxies by their usual variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Descriptors left to everything but cache files: sockets, index, logs. */
const RESERVED_DESCRIPTORS = 512;
const MAX_OPEN_CACHE_FILES = 65_536;
const MIN_OPEN_CACHE_FILES = 64;
/** File states in memory: some 300 bytes each. */
const FILE_STATES = 524_288;
/** GETs under way, each with a socket: what a node's network card and one event loop can follow many times over. */
const MAX_REQUESTS = 4096;
const MIN_REQUESTS = 64;
/** Reads that may wait for the disk at once; each costs a thread and a megabyte of buffer. */
const SESSION_THREADS = 16;

type DataPlaneParts = Pick<
  DataPlane,
  'host' | 'fuse' | 'indexes' | 'lister' | 'disk' | 'shares' | 'planner' | 'meter' | 'memory'
>;

/** See the file's header. */
export class DataPlane implements AsyncDisposable {
  readonly host: NativeHost;
  readonly kernel: KernelFeatures;
  /** libfuse, where it serves the kernel; null: our own transport does. */
  readonly fuse: FuseAddon | null;
  /** Threads that write the indexes of all datasets. */
  readonly indexes: IndexHost;
  /** The thread in which all sources list. */
  readonly lister: HostThread;
  /** The cache disk. */
  readonly disk: DiskBudget;
  /** Memory and requests in flight. */
  readonly shares: FetchShares;
  /** Plans fetches once a batch of events. */
  readonly planner: BatchPlanner;
  /** Listings in the background. */
  readonly lanes = new ListingLanes();
  /** Of the process's one event loop. */
  readonly meter: LoopDelayMeter;
  /** Bytes of block buffers. */
  readonly memory: number;
  readonly #owned: AsyncDisposableStack;

  private constructor(parts: DataPlaneParts, owned: AsyncDisposableStack) {
    this.host = parts.host;
    this.fuse = parts.fuse;
    this.indexes = parts.indexes;
    this.lister = parts.lister;
    this.disk = parts.disk;
    this.shares = parts.shares;
    this.planner = parts.planner;
    this.meter = parts.meter;
    this.memory = parts.memory;
    this.kernel = kernelFeatures();
    this.#owned = owned;
  }

  /**
   * Starts the threads.
   * @throws Error where the addon cannot be loaded or threads cannot be had; DlfsError `unsupported` where libfuse is wanted and
   * cannot be had
   */
  static start(options: DataPlaneOptions, { clock, log, environment }: DataPlaneDependencies): DataPlane {
    const binding = loadNative();
    const fuse = options.transport === 'native' ? null : loadFuseAddon(binding);
    const cores = availableParallelism();
    const owned = new AsyncDisposableStack();
    const descriptors = binding.raiseDescriptorLimit();
    const openFiles = Math.max(
      MIN_OPEN_CACHE_FILES,
      Math.min(MAX_OPEN_CACHE_FILES, Math.floor((descriptors - RESERVED_DESCRIPTORS) / 2)),
    );
    const host = owned.use(
      new NativeHost(
        binding,
        {
          sessionThreads: Math.max(SESSION_THREADS, cores),
          diskThreads: Math.min(16, Math.max(4, cores)),
          fetchThreads: Math.min(8, Math.max(1, Math.ceil(cores / 4))),
          memory: options.memory,
          openFiles,
          fileStates: FILE_STATES,
        },
        clock,
        log.child('native'),
      ),
    );
    const indexes = owned.use(new IndexHost(Math.min(MAX_WRITER_THREADS, cores), clock));
    const lister = owned.use(listerHost({ environment, log: log.child('source.s3') }));
    const disk = owned.use(
      new DiskBudget({
        limits: { bytes: options.cacheBytes, files: options.cacheFiles, floor: options.cacheFloor },
        folder: options.cacheDir,
        policy: new LruByObject(),
        ...(options.evictsAbandoned === true
          ? { removeAbandoned: () => removeAbandoned(options.cacheDir, clock.wall(), (fd) => binding.lock(fd), log) }
          : {}),
        clock,
        log: log.child('cache'),
      }),
    );
    const meter = owned.use(new LoopDelayMeter(clock));
    const planner = owned.use(new BatchPlanner(host));
    const requests = Math.max(MIN_REQUESTS, Math.min(MAX_REQUESTS, Math.floor(descriptors / 4)));
    const shares = new FetchShares({ bytes: options.memory, requests });
    return new DataPlane({ host, fuse, indexes, lister, disk, shares, planner, meter, memory: options.memory }, owned);
  }

  /** How the kernel is served. */
  get transport(): TransportName {
    return this.fuse === null ? 'native' : 'fuse-native';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}
