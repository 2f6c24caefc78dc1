/**
 * The parts of a dataset, made and wired. What is made is handed to a stack that takes it down in reverse.
 */
import { BlockStore } from '../../cache/blocks/store.ts';
import { Fills } from '../../cache/fetch/fills.ts';
import { FetchScheduler } from '../../cache/fetch/scheduler.ts';
import { Pins } from '../../cache/pins/pins.ts';
import { ReadPath } from '../../fs/read/read-path.ts';
import { SnapshotKeeper } from '../../fs/snapshot/snapshot-keeper.ts';
import { S3Source } from '../../source/s3/s3-source.ts';
import type { ProbeReport } from '../../source/source.ts';
import { DatasetJobs } from '../jobs/dataset-jobs.ts';
import type { DataPlane, DataPlaneDependencies } from '../node/data-plane.ts';
import { TimeoutLog } from '../timeout-log.ts';
import { onVolumeEvent } from './dataset-events.ts';
import { DatasetMounts } from './dataset-mounts.ts';
import type { DatasetOptions } from './dataset-options.ts';
import { DatasetOrigin } from './dataset-origin.ts';
import { DatasetStorage } from './dataset-storage.ts';
import { makeTransport } from './dataset-transport.ts';

/** See the file's header. */
export interface DatasetParts {
  /** What the origin said; null where it was not asked. */
  readonly probe: ProbeReport | null;
  readonly origin: DatasetOrigin;
  readonly storage: DatasetStorage;
  readonly store: BlockStore;
  readonly scheduler: FetchScheduler;
  readonly readPath: ReadPath;
  readonly keeper: SnapshotKeeper;
  readonly mounts: DatasetMounts;
  readonly jobs: DatasetJobs;
}

/**
 * Makes them; nothing is mounted or fetched yet.
 * @param owned takes them down
 * @throws DlfsError where the cache folder or its index is of no use, or a needed origin does not answer
 */
export async function assemble(
  options: DatasetOptions,
  plane: DataPlane,
  deps: DataPlaneDependencies,
  owned: AsyncDisposableStack,
): Promise<DatasetParts> {
  const { clock, log, random, environment } = deps;
  const { host } = plane;
  const { blockSize } = options;
  const origin = owned.use(
    new DatasetOrigin({
      source: options.source,
      host,
      open: (source) =>
        S3Source.open({ source, environment, clock, log: log.child('source.s3'), thread: plane.lister }),
      log: log.child('source'),
    }),
  );
  // Before anything is made on the disk: an origin that is needed and does not answer leaves nothing behind.
  const probe = options.origin === 'needed' ? await origin.probe() : null;
  if (probe !== null) await origin.ready();
  const storage = owned.use(await DatasetStorage.open(options, plane, { clock, log }));
  const { index, folder, volume } = storage;

  // Before the parts that it speaks to, so that it ends after them: what is stored while they end is still committed.
  owned.use(
    host.on(volume, (event) => {
      onVolumeEvent(event, { origin, store, scheduler, fills, readPath });
    }),
  );
  const pins = new Pins({
    index,
    log: log.child('pins'),
    onMarked: () => {
      store.countPinned();
    },
  });
  const store: BlockStore = owned.use(
    new BlockStore({
      host,
      volume,
      index,
      blockSize,
      folder: folder.path,
      name: options.name,
      limits: options.quota,
      budget: plane.disk,
      publish: false,
      clean: index.opening.clean,
      clock,
      log: log.child('cache'),
      busy: (ino) => scheduler.busy(ino),
      readers: (ino) => readPath.readersOf(ino),
      pins,
    }),
  );
  storage.proven = () => store.proven;
  const keyOf = (ino: number): string => options.source.reference.prefix + index.keyOf(ino);
  const scheduler: FetchScheduler = owned.use(
    new FetchScheduler({
      host,
      volume,
      endpoint: () => origin.endpoint,
      source: origin,
      store,
      blockSize,
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
  const fills: Fills = owned.use(new Fills({ host, volume, scheduler, attach: (ino) => store.attach(ino), clock }));
  const readPath: ReadPath = new ReadPath({
    engine: host.engine,
    volume,
    index,
    store,
    scheduler,
    clock,
    blockSize,
    aheadBudget: Math.floor(Math.min(plane.memory / 2, store.space.capacity / 4)),
  });
  const timeouts = new TimeoutLog(clock, log.child('fs'));
  const mounts: DatasetMounts = owned.use(
    new DatasetMounts({
      host,
      dir: options.dir,
      make: () =>
        makeTransport({
          plane,
          volume,
          dir: options.dir,
          index,
          lister: keeper,
          store,
          onUse: (node) => {
            store.used(node);
            keeper.used(node);
          },
          onTimeout: (ino) => {
            timeouts.note(ino, keyOf(ino));
          },
          clock,
          log,
        }),
    }),
  );
  const keeper: SnapshotKeeper = owned.use(
    new SnapshotKeeper({
      index,
      source: origin,
      prefix: options.source.reference.prefix,
      listLimit: options.listLimit,
      refreshMs: options.refreshMs,
      kernel: mounts,
      lanes: plane.lanes.join(),
      store,
      onDirectoryChanged: (dir) => {
        readPath.directoryChanged(dir);
      },
      onChanges: (changes, overflow) => {
        jobs.changed(changes, overflow);
      },
      onComplete: () => {
        jobs.listed();
      },
      clock,
      random,
      log: log.child('snapshot'),
    }),
  );
  const jobs: DatasetJobs = owned.use(
    new DatasetJobs({
      index,
      store,
      keeper,
      fills,
      pins,
      host,
      volume,
      folder: folder.path,
      objects: folder.objects,
      blockSize,
      memory: plane.memory,
      prefetch: options.prefetch,
      clock,
      random,
      log,
    }),
  );
  return { probe, origin, storage, store, scheduler, readPath, keeper, mounts, jobs };
}
