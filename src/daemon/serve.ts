/**
 * The composition root of one mount: every part is made here, wired, and taken down in reverse.
 *
 * Order of the start: the source answers (one LIST, which also samples file sizes) → the cache folder is locked → the index
 * opens → the data plane starts → the kernel mounts. An error at any step takes down what stands; nothing is left mounted or
 * locked.
 *
 * Invariants:
 * 1. Parts know each other through constructors only; nothing is global.
 * 2. `serve` either returns a mount that answers, or throws a DlfsError and leaves nothing behind.
 * 3. Taking down: unmount, then no more fetches, then what is stored is committed, then the index is marked clean.
 */
import { availableParallelism } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { DlfsError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { SizeOrShare } from '../base/size.ts';
import { BlockStore } from '../cache/blocks/store.ts';
import { decodeRunEnd } from '../cache/fetch/run-end.ts';
import { Sweep } from '../cache/blocks/sweep.ts';
import { FetchScheduler } from '../cache/fetch/scheduler.ts';
import { CacheFolder } from '../cache/folder/cache-folder.ts';
import { identityOf } from '../cache/folder/fingerprint.ts';
import { CacheIndex, type Opening } from '../cache/index/index.ts';
import { LruByObject } from '../cache/policy/eviction.ts';
import { checkBlockSize } from '../cache/policy/geometry.ts';
import type { SourceOptions } from '../dataset/source-options.ts';
import { NameService } from '../fs/names/name-service.ts';
import { ReadPath } from '../fs/read/read-path.ts';
import { SnapshotKeeper } from '../fs/snapshot/snapshot-keeper.ts';
import { loadNative } from '../native/binding.ts';
import { EVENT, type NativeEvent } from '../native/events.ts';
import { NativeHost } from '../native/host.ts';
import { S3Source } from '../source/s3/s3-source.ts';
import type { Source } from '../source/source.ts';
import { kernelFeatures } from './kernel.ts';
import { LoopDelayMeter } from './loop-delay.ts';
import { MountedSession } from './mounted-session.ts';
import { chooseOpenMode, type OpenMode } from './open-mode.ts';
import { StatsFile } from './stats-file.ts';
import { TimeoutLog } from './timeout-log.ts';
import { collectStats, type ServingStats } from './stats.ts';

/** How to serve a source at a directory. */
export interface ServeOptions {
  readonly source: SourceOptions;
  /** The mount point: an existing empty directory, absolute. */
  readonly dir: string;
  /** The root of caches; the source's own folder is made below it. */
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly cacheFiles: number;
  /** Free space of the disk to keep. */
  readonly cacheFloor: SizeOrShare;
  readonly blockSize: number;
  /** Bytes of block buffers. */
  readonly memory: number;
  /** Entries of a complete listing at most. */
  readonly listLimit: number;
  readonly open: OpenMode | 'auto';
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly fileMode: number;
  readonly dirMode: number;
  readonly refreshMs: number | 'never';
  /** 0: wait for ever. */
  readonly ioTimeoutMs: number;
  /** Where the process logs to; null in the foreground. */
  readonly logPath: string | null;
}

/** What the process brings along. */
export interface ServeDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The process environment: credentials, region and proxies by their usual variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A mount that serves. Disposing it unmounts, commits and lets go of everything. */
export interface Serving extends AsyncDisposable {
  readonly openMode: OpenMode;
  /** The source, for people. */
  readonly describe: string;
  readonly cacheFolder: string;
  /** Resolves when the kernel has ended the connection: somebody unmounted. */
  readonly ended: Promise<void>;
  stats(): ServingStats;
  /** Lists the source anew and switches to what is found. */
  refresh(): Promise<void>;
}

/** Descriptors left to everything but cache files: sockets, index, logs. */
const RESERVED_DESCRIPTORS = 512;
const MAX_OPEN_CACHE_FILES = 65_536;
/** File states in memory: some 300 bytes each. */
const MAX_FILE_STATES = 262_144;
/** Reads that may wait for the disk at once; each costs a thread and a megabyte of buffer. */
const SESSION_THREADS = 16;
/** A run holds a whole block at least, and several streams want to run. */
const MIN_BLOCKS_OF_CACHE = 8;
const MIN_BLOCKS_OF_MEMORY = 8;

/**
 * Mounts and serves; see the file's header.
 * @throws DlfsError for everything that keeps it from serving
 */
export async function serve(options: ServeOptions, deps: ServeDependencies): Promise<Serving> {
  checkOptions(options);
  const { clock, log, random } = deps;
  await using stack = new AsyncDisposableStack();

  const source = stack.use(
    await S3Source.open({ source: options.source, environment: deps.environment, clock, log: log.child('source.s3') }),
  );
  const probe = await source.probe();
  await source.ready();

  const binding = loadNative();
  const owner = { pid: process.pid, dir: options.dir, log: options.logPath };
  const folder = stack.use(await CacheFolder.open(options.cacheDir, identityOf(options.source), owner, binding));
  const index = stack.use(
    await CacheIndex.open({
      file: folder.index,
      blockSize: options.blockSize,
      prefix: options.source.reference.prefix,
      clock,
    }),
  );
  sayOpening(index.opening, log);
  // Runs after the store has committed and before the index closes.
  let proven = (): boolean => index.opening.clean;
  stack.defer(async () => {
    if (proven()) await index.markClean();
  });

  const kernel = kernelFeatures();
  const snapshot = index.snapshot();
  const sizes = snapshot.complete
    ? snapshot.histogram.map((files, bit) => [bit === 0 ? 0 : 2 ** (bit - 1), files] as const)
    : probe.sample.map((object) => [object.size, 1] as const);
  const openMode = chooseOpenMode(options.open, kernel, sizes);

  const cores = availableParallelism();
  const host = stack.use(
    new NativeHost(
      binding,
      {
        sessionThreads: Math.max(SESSION_THREADS, cores),
        diskThreads: Math.min(16, Math.max(4, cores)),
        fetchThreads: Math.min(8, Math.max(1, Math.ceil(cores / 4))),
        memory: options.memory,
      },
      clock,
      log.child('native'),
    ),
  );
  const descriptors = binding.raiseDescriptorLimit();
  const volume = host.engine.addVolume({
    objectsDir: folder.objects,
    blockSize: options.blockSize,
    maxOpenFiles: Math.max(64, Math.min(MAX_OPEN_CACHE_FILES, Math.floor((descriptors - RESERVED_DESCRIPTORS) / 2))),
    maxFiles: MAX_FILE_STATES,
    maxVolatile: Math.floor(options.memory / 4),
  });
  const endpoint = addEndpoint(host, source);
  stack.use(
    source.onAddresses(() => {
      host.engine.updateAddresses(endpoint, source.addresses());
    }),
  );

  // Before the parts that it speaks to, so that it ends after them: what is stored while they end is still committed.
  stack.use(
    host.on(volume, (event) => {
      onVolumeEvent(event, { store, scheduler, readPath });
    }),
  );
  const store: BlockStore = stack.use(
    new BlockStore({
      host,
      volume,
      index,
      blockSize: options.blockSize,
      folder: folder.path,
      limits: { bytes: options.cacheBytes, files: options.cacheFiles, floor: options.cacheFloor },
      policy: new LruByObject(),
      publish: openMode === 'passthrough',
      clean: index.opening.clean,
      clock,
      log: log.child('cache'),
      busy: (ino) => scheduler.busy(ino),
      readers: (ino) => readPath.readersOf(ino),
    }),
  );
  proven = () => store.proven;
  const keyOf = (ino: number): string => options.source.reference.prefix + index.keyOf(ino);
  const scheduler: FetchScheduler = stack.use(
    new FetchScheduler({
      host,
      volume,
      endpoint,
      source,
      store,
      blockSize: options.blockSize,
      memory: options.memory,
      ioTimeoutMs: options.ioTimeoutMs,
      node: (ino) => index.node(ino),
      keyOf,
      onChanged: (ino) => {
        keeper.changedAtOrigin(ino);
      },
      clock,
      random,
      log: log.child('fetch'),
    }),
  );
  const aheadBudget = Math.floor(Math.min(options.memory / 2, options.cacheBytes / 4));
  const readPath: ReadPath = new ReadPath({
    engine: host.engine,
    volume,
    index,
    store,
    scheduler,
    clock,
    blockSize: options.blockSize,
    aheadBudget,
  });
  const session: MountedSession = stack.use(
    new MountedSession({ host, volume, dir: options.dir, incEpoch: kernel.incEpoch, log: log.child('mount') }),
  );
  const keeper: SnapshotKeeper = stack.use(
    new SnapshotKeeper({
      index,
      source,
      prefix: options.source.reference.prefix,
      listLimit: options.listLimit,
      refreshMs: options.refreshMs,
      kernel: session,
      store,
      onDirectoryChanged: (dir) => {
        readPath.directoryChanged(dir);
      },
      clock,
      random,
      log: log.child('snapshot'),
    }),
  );
  const names = new NameService({
    engine: host.engine,
    index,
    lister: keeper,
    log: log.child('names'),
    residentShare: (ino) => store.residentShare(ino),
    onLookup: (node) => {
      store.used(node);
    },
  });

  stack.use(
    host.onBatchEnd(() => {
      scheduler.plan();
    }),
  );
  const timeouts = new TimeoutLog(clock, log.child('fs'));
  session.onRequest((event) => {
    if (event.type === EVENT.timeout) timeouts.note(event.b, keyOf(event.b));
    else onNameEvent(event, names);
  });
  await session.mount(
    {
      source: source.describe.split(' ')[0] ?? 'dlfs',
      passthrough: openMode === 'passthrough',
      uid: options.uid,
      gid: options.gid,
      fileMode: options.fileMode,
      dirMode: options.dirMode,
      ioTimeoutMs: options.ioTimeoutMs,
    },
    (number) => {
      names.session = number;
    },
  );
  keeper.start();
  // A new index knows nothing of what an older one may have left.
  if (!index.opening.clean || index.opening.emptied || index.opening.kind !== 'existing') {
    const sweep = stack.use(new Sweep({ objects: folder.objects, index, store, log: log.child('sweep') }));
    sweep.start();
  }

  const meter = stack.use(new LoopDelayMeter(clock));
  const stats = (): ServingStats =>
    collectStats({
      openMode,
      describe: source.describe,
      engine: host.engine,
      store,
      scheduler,
      readPath,
      index,
      keeper,
      meter,
    });
  stack.use(new StatsFile(folder.stats, stats, clock, log));

  const held = stack.move();
  let disposed: Promise<void> | null = null;
  return {
    openMode,
    describe: source.describe,
    cacheFolder: folder.path,
    ended: session.ended,
    stats,
    refresh: () => keeper.refresh(),
    [Symbol.asyncDispose]: () => (disposed ??= held.disposeAsync()),
  };
}

function checkOptions(options: ServeOptions): void {
  checkBlockSize(options.blockSize);
  const refuse = (what: string): never => {
    throw new DlfsError('invalid-argument', what);
  };
  if (options.cacheBytes < options.blockSize * MIN_BLOCKS_OF_CACHE) {
    refuse(
      `--cache-size must hold at least ${MIN_BLOCKS_OF_CACHE} blocks of --block-size: give a larger cache or smaller blocks`,
    );
  }
  if (options.memory < options.blockSize * MIN_BLOCKS_OF_MEMORY) {
    refuse(
      `--memory must hold at least ${MIN_BLOCKS_OF_MEMORY} blocks of --block-size: give more memory or smaller blocks`,
    );
  }
}

function sayOpening(opening: Opening, log: Logger): void {
  if (opening.kind === 'rebuilt') {
    log.warn('the index of the cache could not be read: it is set aside and the cache starts empty', {
      setAside: opening.setAside,
      reason: opening.reason,
    });
  }
  if (opening.emptied) log.warn('the block size has changed: the cache starts empty');
}

function addEndpoint(host: NativeHost, source: Source): number {
  const { tls, serverName, caPem, proxy } = source.transport;
  return host.engine.addEndpoint({
    addresses: source.addresses().map(({ address, port }) => ({ address, port })),
    tls: tls ? { serverName, caPems: caPem === null ? [] : [caPem] } : null,
    tunnel:
      proxy === null ? null : { authority: `${proxy.host}:${proxy.port}`, authorization: proxy.authorization ?? '' },
  });
}

function onVolumeEvent(
  event: NativeEvent,
  parts: { store: BlockStore; scheduler: FetchScheduler; readPath: ReadPath },
): void {
  switch (event.type) {
    case EVENT.resolve:
      parts.store.resolve(event.a);
      break;
    case EVENT.want:
      parts.readPath.onWant(event);
      break;
    case EVENT.mark:
      parts.readPath.onMark(event);
      break;
    case EVENT.stored:
      parts.store.onStored(event);
      parts.scheduler.arrived(event.a, event.c);
      break;
    case EVENT.storeFailed:
      parts.store.onStoreFailed(event);
      break;
    case EVENT.lost:
      parts.store.onLost(event);
      break;
    case EVENT.freed:
      parts.store.onFreed(event);
      break;
    case EVENT.runEnd:
      parts.scheduler.ended(decodeRunEnd(event));
      break;
  }
}

function onNameEvent(event: NativeEvent, names: NameService): void {
  switch (event.type) {
    case EVENT.lookup:
      names.onLookup(event);
      break;
    case EVENT.getattr:
      names.onGetattr(event);
      break;
    case EVENT.readdir:
      names.onReaddir(event);
      break;
    case EVENT.getxattr:
      names.onGetxattr(event);
      break;
    case EVENT.listxattr:
      names.onListxattr(event);
      break;
    case EVENT.statfs:
      names.onStatfs(event);
      break;
  }
}
