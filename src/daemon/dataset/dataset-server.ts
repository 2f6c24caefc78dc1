/**
 * One dataset, served: its parts are made here, wired to the process's data plane, and taken down in reverse.
 *
 * Order of the start: the source answers (one LIST, which also samples file sizes) → the cache folder is locked → the index
 * opens → the kernel mounts. An error at any step takes down what stands; nothing is left mounted or locked.
 *
 * Invariants:
 * 1. Parts know each other through constructors only; nothing is global.
 * 2. `start` either returns a dataset that answers, or throws a DlfsError and leaves nothing behind.
 * 3. Taking down: unmount, then no more fetches, then what is stored is committed, then the index is marked clean.
 */
import { BlockStore } from '../../cache/blocks/store.ts';
import { Sweep } from '../../cache/blocks/sweep.ts';
import { FetchScheduler } from '../../cache/fetch/scheduler.ts';
import type { CacheIndex } from '../../cache/index/index.ts';
import { NameService } from '../../fs/names/name-service.ts';
import { ReadPath } from '../../fs/read/read-path.ts';
import { SnapshotKeeper } from '../../fs/snapshot/snapshot-keeper.ts';
import { EVENT } from '../../native/events.ts';
import type { NativeHost } from '../../native/host.ts';
import { S3Source } from '../../source/s3/s3-source.ts';
import type { ProbeReport, Source } from '../../source/source.ts';
import { MountedSession } from '../mounted-session.ts';
import type { DataPlane, DataPlaneDependencies } from '../node/data-plane.ts';
import { chooseOpenMode, type OpenMode } from '../open-mode.ts';
import { StatsFile } from '../stats-file.ts';
import { collectStats, type ServingStats } from '../stats.ts';
import { TimeoutLog } from '../timeout-log.ts';
import { onNameEvent, onVolumeEvent } from './dataset-events.ts';
import { checkDatasetOptions, type DatasetOptions } from './dataset-options.ts';
import { DatasetStorage } from './dataset-storage.ts';

/** The parts of a dataset that others ask. */
interface DatasetParts {
  readonly options: DatasetOptions;
  readonly plane: DataPlane;
  readonly openMode: OpenMode;
  readonly source: Source;
  readonly storage: DatasetStorage;
  readonly store: BlockStore;
  readonly scheduler: FetchScheduler;
  readonly readPath: ReadPath;
  readonly keeper: SnapshotKeeper;
  readonly session: MountedSession;
}

/** See the file's header. Disposing it unmounts, commits and lets go of everything. */
export class DatasetServer implements AsyncDisposable {
  readonly #parts: DatasetParts;
  readonly #owned: AsyncDisposableStack;
  #disposed: Promise<void> | null = null;

  private constructor(parts: DatasetParts, owned: AsyncDisposableStack) {
    this.#parts = parts;
    this.#owned = owned;
  }

  /**
   * Mounts and serves.
   * @param plane outlives the dataset
   * @throws DlfsError for everything that keeps it from serving
   */
  static async start(options: DatasetOptions, plane: DataPlane, deps: DataPlaneDependencies): Promise<DatasetServer> {
    checkDatasetOptions(options, plane.memory);
    await using owned = new AsyncDisposableStack();
    const parts = await assemble(options, plane, deps, owned);
    return new DatasetServer(parts, owned.move());
  }

  get openMode(): OpenMode {
    return this.#parts.openMode;
  }

  /** The source, for people. */
  get describe(): string {
    return this.#parts.source.describe;
  }

  /** The source's own folder in the cache directory. */
  get cacheFolder(): string {
    return this.#parts.storage.folder.path;
  }

  /** Resolves when the kernel has ended the connection: somebody unmounted. */
  get ended(): Promise<void> {
    return this.#parts.session.ended;
  }

  /** What is listed and cached. */
  get index(): CacheIndex {
    return this.#parts.storage.index;
  }

  /** Its blocks. */
  get store(): BlockStore {
    return this.#parts.store;
  }

  /** Its fetches. */
  get scheduler(): FetchScheduler {
    return this.#parts.scheduler;
  }

  /** Counters and gauges as they are now. */
  stats(): ServingStats {
    return statsOf(this.#parts);
  }

  /** Lists the source anew and switches to what is found. @throws DlfsError where the listing fails */
  refresh(): Promise<void> {
    return this.#parts.keeper.refresh();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#disposed ??= this.#owned.disposeAsync());
  }
}

async function assemble(
  options: DatasetOptions,
  plane: DataPlane,
  deps: DataPlaneDependencies,
  owned: AsyncDisposableStack,
): Promise<DatasetParts> {
  const { clock, log, random } = deps;
  const { host, kernel } = plane;
  const source = owned.use(
    await S3Source.open({
      source: options.source,
      environment: deps.environment,
      clock,
      log: log.child('source.s3'),
      thread: plane.lister,
    }),
  );
  const probe = await source.probe();
  await source.ready();

  const storage = owned.use(await DatasetStorage.open(options, plane, { clock, log }));
  const { index, folder, volume } = storage;
  const openMode = chooseOpenMode(options.open, kernel, sizesOf(index, probe));
  const endpoint = addEndpoint(host, source);
  owned.defer(() => {
    host.engine.removeEndpoint(endpoint);
  });
  owned.use(
    source.onAddresses(() => {
      host.engine.updateAddresses(endpoint, source.addresses());
    }),
  );

  // Before the parts that it speaks to, so that it ends after them: what is stored while they end is still committed.
  owned.use(
    host.on(volume, (event) => {
      onVolumeEvent(event, { store, scheduler, readPath });
    }),
  );
  const store: BlockStore = owned.use(
    new BlockStore({
      host,
      volume,
      index,
      blockSize: options.blockSize,
      folder: folder.path,
      name: options.name,
      limits: options.quota,
      budget: plane.disk,
      publish: openMode === 'passthrough',
      clean: index.opening.clean,
      clock,
      log: log.child('cache'),
      busy: (ino) => scheduler.busy(ino),
      readers: (ino) => readPath.readersOf(ino),
    }),
  );
  storage.proven = () => store.proven;
  const keyOf = (ino: number): string => options.source.reference.prefix + index.keyOf(ino);
  const scheduler: FetchScheduler = owned.use(
    new FetchScheduler({
      host,
      volume,
      endpoint,
      source,
      store,
      blockSize: options.blockSize,
      shares: plane.shares,
      planner: plane.planner,
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
  const readPath: ReadPath = new ReadPath({
    engine: host.engine,
    volume,
    index,
    store,
    scheduler,
    clock,
    blockSize: options.blockSize,
    aheadBudget: Math.floor(Math.min(plane.memory / 2, store.space.capacity / 4)),
  });
  const session: MountedSession = owned.use(
    new MountedSession({ host, volume, dir: options.dir, incEpoch: kernel.incEpoch, log: log.child('mount') }),
  );
  const keeper: SnapshotKeeper = owned.use(
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
    const sweep = owned.use(new Sweep({ objects: folder.objects, index, store, log: log.child('sweep') }));
    sweep.start();
  }
  const parts = { options, plane, openMode, source, storage, store, scheduler, readPath, keeper, session };
  owned.use(new StatsFile(folder.stats, () => statsOf(parts), clock, log));
  return parts;
}

function statsOf({ plane, storage, source, ...parts }: DatasetParts): ServingStats {
  const { host, meter } = plane;
  return collectStats({ ...parts, describe: source.describe, engine: host.engine, index: storage.index, meter });
}

/** File sizes with their numbers: of the snapshot where it is complete, else of the probe's sample. */
function sizesOf(index: CacheIndex, probe: ProbeReport): Iterable<readonly [number, number]> {
  const { complete, histogram } = index.snapshot();
  return complete
    ? histogram.map((files, bit) => [bit === 0 ? 0 : 2 ** (bit - 1), files] as const)
    : probe.sample.map((object) => [object.size, 1] as const);
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
