/**
 * One dataset, served: its parts are made here, wired to the process's data plane, and taken down in reverse.
 *
 * Order of the start: the source answers, where it is needed (one LIST, which also samples file sizes) → the cache folder is
 * locked → the index opens → the kernel mounts. An error at any step takes down what stands; nothing is left mounted or locked.
 *
 * Invariants:
 * 1. Parts know each other through constructors only; nothing is global.
 * 2. `start` either returns a dataset that answers, or throws a DlfsError and leaves nothing behind.
 * 3. Taking down: unmount, then no more fetches, then what is stored is committed, then the index is marked clean.
 */
import { isDeepStrictEqual } from 'node:util';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { FetchScheduler } from '../../cache/fetch/scheduler.ts';
import type { CacheIndex } from '../../cache/index/index.ts';
import { Sweep } from '../../cache/blocks/sweep.ts';
import type { KeeperStats } from '../../fs/snapshot/snapshot-keeper.ts';
import type { DatasetJobs } from '../jobs/dataset-jobs.ts';
import type { MountPlace, MountWish, TransportName } from '../../fs/transport/transport.ts';
import type { VolumeStats } from '../../native/binding.ts';
import type { DataPlane, DataPlaneDependencies } from '../node/data-plane.ts';
import type { EffectiveOpen } from '../open-mode.ts';
import { collectStats, type ServingStats } from '../stats.ts';
import type { OriginHealth } from './dataset-origin.ts';
import { checkDatasetOptions, type DatasetOptions, type LiveOptions, type MountOptions } from './dataset-options.ts';
import { assemble, type DatasetParts } from './dataset-parts.ts';
import { chooseOpen } from './dataset-transport.ts';
import { knownOrSampled, knownSizes, sampledSizes, type Sizes } from './dataset-sizes.ts';

/** See the file's header. Disposing it unmounts, commits and lets go of everything. */
export class DatasetServer implements AsyncDisposable {
  readonly #parts: DatasetParts;
  readonly #plane: DataPlane;
  readonly #owned: AsyncDisposableStack;
  #options: DatasetOptions;
  #openMode: EffectiveOpen = 'stateless';
  #isGuessed = false;
  #disposed: Promise<void> | null = null;

  private constructor(options: DatasetOptions, parts: DatasetParts, plane: DataPlane, owned: AsyncDisposableStack) {
    this.#options = options;
    this.#parts = parts;
    this.#plane = plane;
    this.#owned = owned;
  }

  /**
   * Mounts and serves.
   * @param plane outlives the dataset
   * @param place where its mount goes
   * @throws DlfsError for everything that keeps it from serving
   */
  static async start(
    options: DatasetOptions,
    plane: DataPlane,
    deps: DataPlaneDependencies,
    place: MountPlace,
  ): Promise<DatasetServer> {
    checkDatasetOptions(options, plane.memory);
    const owned = new AsyncDisposableStack();
    try {
      const parts = await assemble(options, plane, deps, owned);
      const server = new DatasetServer(options, parts, plane, owned);
      await server.#mount(await server.#sizes(deps), place);
      parts.keeper.start();
      await parts.jobs.start();
      server.#sweep(deps);
      return server;
    } catch (error) {
      await owned.disposeAsync();
      throw error;
    }
  }

  get openMode(): EffectiveOpen {
    return this.#openMode;
  }

  /** How the kernel is served. */
  get transport(): TransportName {
    return this.#plane.transport;
  }

  /** Whether nothing was known of the files when it was mounted: the whole listing may want another way of opening. */
  get isOpenModeGuessed(): boolean {
    return this.#isGuessed;
  }

  /** `major:minor` of the mount that is seen at the directory. */
  get device(): string | null {
    return this.#parts.mounts.device;
  }

  /** The source, for people. */
  get describe(): string {
    return this.#parts.origin.describe;
  }

  /** The source's own folder in the cache directory. */
  get cacheFolder(): string {
    return this.#parts.storage.folder.path;
  }

  /** What it is served with now. */
  get options(): DatasetOptions {
    return this.#options;
  }

  /** Resolves when the kernel has ended the connection: somebody unmounted. */
  get ended(): Promise<void> {
    return this.#parts.mounts.ended;
  }

  /** What is listed and cached. */
  get index(): CacheIndex {
    return this.#parts.storage.index;
  }

  /** Its volume's number in the data plane. */
  get volume(): number {
    return this.#parts.storage.volume;
  }

  /** Its blocks. */
  get store(): BlockStore {
    return this.#parts.store;
  }

  /** Its fetches. */
  get scheduler(): FetchScheduler {
    return this.#parts.scheduler;
  }

  /** What was last heard of its origin. */
  get origin(): OriginHealth {
    return this.#parts.origin.health;
  }

  /** How its listing goes. */
  get listing(): KeeperStats {
    return this.#parts.keeper.stats();
  }

  /** Counters of its volume in the data plane. */
  counters(): VolumeStats {
    return this.#plane.host.engine.volumeStats(this.volume);
  }

  /** Requests that listed something of its source. */
  get listRequests(): number {
    return this.#parts.origin.listRequests;
  }

  /** Counters and gauges as they are now. */
  stats(): ServingStats {
    const { origin, storage, store, scheduler, readPath, keeper } = this.#parts;
    const { host, meter } = this.#plane;
    return collectStats({
      store,
      scheduler,
      readPath,
      keeper,
      openMode: this.#openMode,
      describe: origin.describe,
      engine: host.engine,
      index: storage.index,
      meter,
    });
  }

  /** Lists the source anew and switches to what is found. @throws DlfsError where the listing fails */
  async refresh(): Promise<void> {
    await this.#parts.keeper.refresh();
  }

  /** Jobs, pins and listings of files. */
  get jobs(): DatasetJobs {
    return this.#parts.jobs;
  }

  /**
   * Takes over what can change while it serves; what is beyond a smaller quota leaves before it resolves.
   * @throws DlfsError where blocks cannot be dropped
   */
  async reconfigure(live: LiveOptions): Promise<void> {
    const { quota, refreshMs, ioTimeoutMs, listLimit, prefetch } = live;
    const isOtherQuota = !isDeepStrictEqual(quota, this.#options.quota);
    this.#options = { ...this.#options, quota, refreshMs, ioTimeoutMs, listLimit, prefetch };
    this.#parts.keeper.reconfigure({ refreshMs, listLimit });
    this.#parts.scheduler.ioTimeoutMs = ioTimeoutMs;
    this.#parts.mounts.setIoTimeout(ioTimeoutMs);
    await this.#parts.store.space.relimit(quota);
    this.#parts.jobs.prefetch(prefetch, isOtherQuota);
  }

  /** Goes on with another way to the same bytes: other keys, another region. @throws DlfsError where that leads nowhere */
  async reconnect(source: DatasetOptions['source']): Promise<void> {
    await this.#parts.origin.replace(source);
    this.#options = { ...this.#options, source };
  }

  /** Mounts anew with another owner, other modes, another way of opening. @throws DlfsError where that fails; the mount stays */
  async remount(wish: MountOptions): Promise<void> {
    const { open, uid, gid, fileMode, dirMode } = wish;
    const before = this.#options;
    this.#options = { ...before, open, uid, gid, fileMode, dirMode };
    try {
      await this.#mount(knownSizes(this.index), 'instead');
    } catch (error) {
      this.#options = before;
      throw error;
    }
  }

  /** Chooses the way of opening anew, now that the files are known; mounts anew where it is another. @throws DlfsError */
  async settleOpenMode(): Promise<void> {
    this.#isGuessed = false;
    const mode = chooseOpen(this.#options.open, this.#plane, knownSizes(this.index));
    if (mode !== this.#openMode) await this.#mount(knownSizes(this.index), 'instead');
  }

  /** Whether its mount shows names as they were before a refresh: a transport that cannot tell the kernel. */
  get isBehind(): boolean {
    return this.#parts.mounts.isBehind;
  }

  /** Mounts anew, so that what a refresh has found is seen. @throws DlfsError where that fails; the mount stays */
  async catchUp(): Promise<void> {
    await this.#mount(knownSizes(this.index), 'instead');
  }

  /** Mounts anew what was unmounted while somebody still held something of it. @throws DlfsError where that fails */
  async revive(wish: MountOptions, place: MountPlace): Promise<void> {
    const { open, uid, gid, fileMode, dirMode } = wish;
    this.#options = { ...this.#options, open, uid, gid, fileMode, dirMode };
    await this.#mount(knownSizes(this.index), place);
  }

  /**
   * Takes the mount away; the dataset goes on for those who hold something of it.
   * @param lazy also where it is in use
   * @throws DlfsError `mount-busy` where it is in use
   */
  unmount(lazy: boolean): void {
    this.#parts.mounts.unmount(lazy);
  }

  /** The mount of another generation has taken the place of this one's, which goes on for those who hold something of it. */
  superseded(): void {
    this.#parts.mounts.replaced();
    const { quota } = this.#options;
    this.#parts.store.space.account.relimit({ ...quota, reserve: 0 });
    // Nobody new comes to the old one.
    this.#parts.jobs.prefetch('readahead', false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#disposed ??= this.#owned.disposeAsync());
  }

  async #sizes(deps: DataPlaneDependencies): Promise<Sizes> {
    const { probe, origin, storage } = this.#parts;
    if (probe !== null) return storage.index.snapshot().complete ? knownSizes(storage.index) : sampledSizes(probe);
    return await knownOrSampled(storage.index, origin, deps);
  }

  async #mount(sizes: Sizes, place: MountPlace): Promise<void> {
    const { origin, mounts, store } = this.#parts;
    const { uid, gid, fileMode, dirMode, ioTimeoutMs, open } = this.#options;
    const known = [...sizes];
    const openMode = chooseOpen(open, this.#plane, known);
    const wish: MountWish = {
      source: origin.describe.split(' ')[0] ?? 'dlfs',
      passthrough: openMode === 'passthrough',
      uid,
      gid,
      fileMode,
      dirMode,
      ioTimeoutMs,
      place,
    };
    const { publishes } = store;
    store.publishes = wish.passthrough;
    try {
      await mounts.mount(wish);
    } catch (error) {
      store.publishes = publishes; // the mount before stays
      throw error;
    }
    this.#openMode = openMode;
    this.#isGuessed = openMode !== 'requested' && open === 'auto' && known.every(([, files]) => files === 0);
  }

  /** A new index knows nothing of what an older one may have left. */
  #sweep({ log }: DataPlaneDependencies): void {
    const { storage, store } = this.#parts;
    const { opening } = storage.index;
    if (opening.clean && !opening.emptied && opening.kind === 'existing') return;
    const sweep = this.#owned.use(
      new Sweep({ objects: storage.folder.objects, index: storage.index, store, log: log.child('sweep') }),
    );
    sweep.start();
  }
}
