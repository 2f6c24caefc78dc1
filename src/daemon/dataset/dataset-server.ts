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
import { LruByObject } from '../../cache/policy/eviction.ts';
import { ReadPath } from '../../fs/read/read-path.ts';
import { SnapshotKeeper } from '../../fs/snapshot/snapshot-keeper.ts';
import type { Transport } from '../../fs/transport/transport.ts';
import type { NativeHost } from '../../native/host.ts';
import { S3Source } from '../../source/s3/s3-source.ts';
import type { ProbeReport, Source } from '../../source/source.ts';
import type { DataPlane, DataPlaneDependencies } from '../node/data-plane.ts';
import type { EffectiveOpen } from '../open-mode.ts';
import { StatsFile } from '../stats-file.ts';
import { collectStats, type ServingStats } from '../stats.ts';
import { TimeoutLog } from '../timeout-log.ts';
import { onVolumeEvent } from './dataset-events.ts';
import { checkDatasetOptions, type DatasetOptions } from './dataset-options.ts';
import { DatasetStorage } from './dataset-storage.ts';
import { TransportPlan } from './dataset-transport.ts';

/** The parts of a dataset that others ask. */
interface DatasetParts {
  readonly options: DatasetOptions;
  readonly plane: DataPlane;
  readonly openMode: EffectiveOpen;
  readonly source: Source;
  readonly storage: DatasetStorage;
  readonly store: BlockStore;
  readonly scheduler: FetchScheduler;
  readonly readPath: ReadPath;
  readonly keeper: SnapshotKeeper;
  readonly transport: Transport;
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

  get openMode(): EffectiveOpen {
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
    return this.#parts.transport.ended;
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
  const { host } = plane;
  const source = owned.use(
    await S3Source.open({ source: options.source, environment: deps.environment, clock, log: log.child('source.s3') }),
  );
  const probe = await source.probe();
  await source.ready();

  const storage = owned.use(await DatasetStorage.open(options, plane, { clock, log }));
  const { index, folder, volume } = storage;
  const plan = new TransportPlan(options, plane, sizesOf(index, probe));
  const { openMode } = plan;
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
      memory: plane.memory,
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
    aheadBudget: Math.floor(Math.min(plane.memory / 2, options.cacheBytes / 4)),
  });
  const timeouts = new TimeoutLog(clock, log.child('fs'));
  const transport = owned.use(
    plan.make({
      volume,
      index,
      lister: {
        progress: (dir) => keeper.progress(dir),
        decided: (dir, name) => keeper.decided(dir, name),
      },
      store,
      onTimeout: (ino) => {
        timeouts.note(ino, keyOf(ino));
      },
      clock,
      log: log.child('mount'),
    }),
  );
  const keeper: SnapshotKeeper = owned.use(
    new SnapshotKeeper({
      index,
      source,
      prefix: options.source.reference.prefix,
      listLimit: options.listLimit,
      refreshMs: options.refreshMs,
      kernel: transport,
      store,
      onDirectoryChanged: (dir) => {
        readPath.directoryChanged(dir);
      },
      clock,
      random,
      log: log.child('snapshot'),
    }),
  );
  owned.use(
    host.onBatchEnd(() => {
      scheduler.plan();
    }),
  );
  await transport.mount({
    source: source.describe.split(' ')[0] ?? 'dlfs',
    passthrough: openMode === 'passthrough',
    uid: options.uid,
    gid: options.gid,
    fileMode: options.fileMode,
    dirMode: options.dirMode,
    ioTimeoutMs: options.ioTimeoutMs,
  });
  keeper.start();
  // A new index knows nothing of what an older one may have left.
  if (!index.opening.clean || index.opening.emptied || index.opening.kind !== 'existing') {
    const sweep = owned.use(new Sweep({ objects: folder.objects, index, store, log: log.child('sweep') }));
    sweep.start();
  }
  const parts = { options, plane, openMode, source, storage, store, scheduler, readPath, keeper, transport };
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
