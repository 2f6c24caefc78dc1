/**
 * The blocks of one dataset: what is on the disk, kept true in three places — the data plane, the disk and the index.
 *
 * A block arrives in the data plane, is hashed and written to its cache file (`stored`). Stored blocks are gathered; a
 * group is made durable by one sync and then committed to the index in one transaction. A file whose blocks are all
 * committed is verified once and published for passthrough, where the mount wants that. Eviction goes the other way: the
 * data plane forgets, the file is unlinked, the index follows.
 *
 * Invariants:
 * 1. The index never names a block whose data was not synced first. (Stored → sync → commit.)
 * 2. A block dropped between stored and committed is not committed.
 * 3. After an unclean stop a recently committed block is read back before its file is first served.
 * 4. Only a whole, verified file is published; once published it leaves by unlink alone.
 * 5. What is counted as used is what the disk allocates.
 */
import type { Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { NativeEvent } from '../../native/events.ts';
import type { BlockGeometry } from '../policy/geometry.ts';
import { Attachments } from './attachments.ts';
import { absentRanges } from './block-set.ts';
import { candidates } from './candidates.ts';
import { BLOCK_STATE } from '../../native/binding.ts';
import { BlockLedger } from './block-ledger.ts';
import { OwnRoom } from './own-room.ts';
import { Publisher } from './publisher.ts';
import { RecencyFeed } from './recency-feed.ts';
import type { Space } from './space.ts';
import { sumOf, type BlockStoreOptions, type DropReport } from './store-options.ts';

/** A group is committed when it has this many blocks … */
const GROUP_BLOCKS = 512;
/** … or when its first block is this old, in milliseconds: what a crash may cost to fetch again. */
const GROUP_AGE = 500;
/** A group that the index could not take, its disk being full, is tried again after this, in milliseconds. */
const COMMIT_AGAIN = 5_000;
/** How often reads are told to the index, in milliseconds. */
const TOUCH_EVERY = 5_000;
/** Milliseconds to wait, when stopping, for blocks on their way to the disk. */
const SETTLE = 2_000;
/** Blocks committed at once at most. */
const MAX_GROUP = 4096;
/** Milliseconds between looks at blocks on their way to the disk when stopping; `SETTLE` is the limit. */
const SETTLE_STEP = 10;

/** See the file's header. Disposing it commits what is stored. */
export class BlockStore implements AsyncDisposable {
  /** Whether whole files are published for passthrough from now on. */
  publishes: boolean;
  readonly space: Space;
  readonly #o: BlockStoreOptions;
  readonly #ledger: BlockLedger;
  #committing: Promise<void> | null = null;
  #groupTimer: Timer | null = null;
  readonly #touchTimer: Timer;
  readonly #publisher: Publisher;
  readonly #recency: RecencyFeed;
  readonly #attachments: Attachments;
  readonly #ownRoom: OwnRoom;
  readonly #zombies = new Map<number, number>();
  /** Freed by the kernel before the drop's own answer was handled. */
  readonly #freedEarly = new Set<number>();
  readonly #dropping = new Map<number, Promise<unknown>>();
  /** Objects of which the index is being told to forget blocks: what it says of them is not true yet. */
  readonly #forgetting = new Map<number, Promise<unknown>>();
  #commitFailed = false;
  readonly #storeFailures = new Set<number>();
  #lost = 0;
  readonly #lostListeners = new Set<(ino: number, block: number) => void>();
  /** The index could not be written for want of space; said once, until it can. */
  #indexFull = false;
  #closing = false;

  constructor(options: BlockStoreOptions) {
    this.#o = options;
    const totals = options.index.totals();
    this.space = options.budget.join({
      name: options.name,
      limits: options.limits,
      clock: options.clock,
      log: options.log,
      initial: { bytes: totals.bytes, files: totals.files },
      coldSince: options.index.coldest(1)[0]?.usedMs ?? 0,
      host: {
        candidates: (page) => candidates(options, page, (ino) => this.isInUse(ino)),
        dropObjects: async (inos) => {
          await this.dropObjects(inos);
        },
        settle: () => this.#settle(),
        dropOwn: (ino, bytes) => this.#dropOwn(ino, bytes),
      },
    });
    this.countPinned();
    this.#ledger = new BlockLedger({ ...options, space: this.space });
    const guard = (work: Promise<void>): Promise<void> => this.#guard(work);
    this.publishes = options.publish;
    this.#publisher = new Publisher({
      ...options,
      geometryOf: (ino) => this.geometryOf(ino),
      isWhole: (ino) => this.isWhole(ino),
      guard,
    });
    this.#recency = new RecencyFeed(options);
    this.#attachments = new Attachments({
      ...options,
      geometryOf: (ino) => this.geometryOf(ino),
      uncommitted: (ino) => this.#ledger.pendingOf(ino),
      publish: () => this.publishes,
      onWhole: (ino) => this.#publish(ino),
    });
    this.#ownRoom = new OwnRoom({
      ...options,
      capacity: () => this.space.capacity,
      forget: (ino, range) => this.#ledger.forget(ino, range),
      attach: (ino) => this.resolve(ino),
    });
    this.#touchTimer = options.clock
      .startInterval(TOUCH_EVERY, () => {
        void this.#guard(this.#recency.flush());
      })
      .unref();
  }

  /** Blocks that could not be read back or did not match their hash, since the start. */
  get lostBlocks(): number {
    return this.#lost;
  }

  /** Tells of each block that is not as it should be, until disposed. */
  onLostBlock(listener: (ino: number, block: number) => void): Disposable {
    this.#lostListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#lostListeners.delete(listener) };
  }

  /** Whether nothing of an unclean stop is left to be verified, and the index knows all that is stored. */
  get proven(): boolean {
    return this.#attachments.proven && this.#ledger.pending.length === 0;
  }

  /** Verifies what an unclean stop left and nobody has read since, a file at a time. */
  async proveRest(): Promise<void> {
    await this.#attachments.proveRest(() => this.#closing);
  }

  /** Answers the data plane's question for a file's state, always. */
  resolve(ino: number): void {
    this.#attachments.resolve(ino);
  }

  /** Whether something of the object is being fetched, written or not committed yet. */
  inMotion(ino: number): boolean {
    return this.#ledger.has(ino) || this.#o.busy(ino);
  }

  /** Whether the object must not leave now: something of it is being fetched, committed, dropped or read back. */
  isInUse(ino: number): boolean {
    if (this.#o.busy(ino) || this.#dropping.has(ino) || this.#attachments.isChecking(ino)) return true;
    return (this.#ledger.get(ino)?.uncommitted ?? 0) > 0;
  }

  /** Makes the data plane know the file; what an unclean stop left of it is verified first. */
  async attach(ino: number): Promise<void> {
    await this.#attachments.prove(ino);
    this.resolve(ino);
  }

  /** Gives back space of the object's cache file that no known block uses. */
  async trim(ino: number): Promise<void> {
    if (this.inMotion(ino)) return;
    await this.#attachments.prove(ino);
    const object = this.#o.index.object(ino);
    if (this.inMotion(ino) || object === null || object.state === 2) return;
    this.resolve(ino);
    for (const { first, count } of absentRanges(object.resident, this.geometryOf(ino).blocks)) {
      // What came meanwhile must not be punched: decided in the same turn as the drop.
      if (this.inMotion(ino) || this.#o.index.object(ino)?.blocks !== object.blocks) return;
      await this.#o.host.task((task) => {
        this.#o.host.engine.dropBlocks(this.#o.volume, task, ino, first, count);
      });
    }
  }

  /** Tells the books of the disk what pinned objects take: it does not leave. */
  countPinned(): void {
    const { pinnedBytes, pinnedFiles } = this.#o.index.totals();
    this.space.pinned(pinnedBytes, pinnedFiles);
  }

  /** Geometry of a file. @throws DlfsError `not-found` for an unknown inode */
  geometryOf(ino: number): BlockGeometry {
    return this.#ledger.geometryOf(ino);
  }

  /** The file was looked up: whoever opens it may read the kernel's pages, of which nothing is heard here. */
  used(node: { readonly ino: number; readonly dir: boolean }): void {
    if (!node.dir) this.#recency.note(node.ino);
  }

  /** Whether all blocks of the object are on the disk or about to be committed. */
  isWhole(ino: number): boolean {
    const blocks = this.#ledger.blocksOf(ino);
    return blocks > 0 && blocks >= this.geometryOf(ino).blocks;
  }

  /** Share of the object's blocks that are on the disk, 0 to 1; 1 for an empty object. */
  residentShare(ino: number): number {
    const geometry = this.geometryOf(ino);
    return geometry.blocks === 0 ? 1 : Math.min(1, this.#ledger.blocksOf(ino) / geometry.blocks);
  }

  /** What the object's blocks take on the disk, committed or not. */
  allocatedOf(ino: number): number {
    return this.#ledger.get(ino)?.bytes ?? this.#o.index.object(ino)?.bytes ?? 0;
  }

  /** What a run of these blocks will take of the disk. */
  needOf(ino: number, first: number, count: number): { bytes: number; files: number } {
    const bytes = this.geometryOf(ino).allocatedOfRange({ first, count });
    return { bytes, files: this.#ledger.hold(ino).file ? 0 : 1 };
  }

  /** A block was written to its cache file. */
  onStored(event: NativeEvent): void {
    const { a: ino, b: idx } = event;
    this.#ledger.count({ ino, idx, hash: (BigInt(event.d) << 32n) | BigInt(event.e) });
    if (this.#ledger.pending.length >= GROUP_BLOCKS) void this.#guard(this.#commit());
    else this.#arm();
  }

  /** A block could not be written; it is served from memory. */
  onStoreFailed(event: NativeEvent): void {
    if (this.#storeFailures.has(event.c)) return;
    this.#storeFailures.add(event.c);
    const error = new DlfsError(
      'disk-full',
      `cannot write to the cache in ${this.#o.folder} (errno ${event.c}): serving without caching`,
    );
    this.#o.log.error(error.message, { err: error, errno: event.c });
  }

  /** A block that the index knows is not on the disk as it should be. */
  onLost(event: NativeEvent): void {
    const { a: ino, b: idx } = event;
    // Of an object that is leaving or has left there was nothing to lose.
    if (this.#dropping.has(ino) || (!this.#ledger.has(ino) && this.#o.index.object(ino) === null)) return;
    if (this.#ledger.hold(ino).order?.has(idx) === false) return;
    this.#lost += 1;
    for (const listener of this.#lostListeners) listener(ino, idx);
    this.#o.log.warn('a cached block is damaged and will be fetched again', { ino, block: idx, errno: event.c });
    const range = { first: idx, count: 1 };
    this.#ledger.forget(ino, range);
    void this.#guard(this.#whileForgetting(ino, this.#o.index.dropBlocks(ino, [range])));
  }

  /** A dropped file that was open in passthrough is closed. */
  onFreed(event: NativeEvent): void {
    const bytes = this.#zombies.get(event.a);
    this.#zombies.delete(event.a);
    // The answer to the drop may still be on its way to whoever waits for it.
    if (bytes === undefined) this.#freedEarly.add(event.a);
    else this.space.freed(bytes, 1);
  }

  /**
   * Drops whole objects from index, data plane and disk. One drop of an object at a time.
   * @returns what they took, and of that what the kernel still has open: its space comes back with the last close
   */
  async dropObjects(inos: readonly number[]): Promise<DropReport> {
    const { index } = this.#o;
    for (const ino of inos) await this.#dropping.get(ino);
    const rows = new Map(inos.map((ino) => [ino, index.object(ino)]));
    // What is neither known nor held may still lie on the disk (an orphan): it is unlinked without being counted.
    const work = index
      .dropObjects(inos)
      .then(() => Promise.all(inos.map((ino) => this.#dropOne(ino, rows.get(ino) ?? null))));
    for (const ino of inos) this.#dropping.set(ino, work);
    try {
      const report = sumOf(await work);
      this.countPinned();
      return report;
    } finally {
      for (const ino of inos) if (this.#dropping.get(ino) === work) this.#dropping.delete(ino);
    }
  }

  /** Deletes cache files whose objects the index has forgotten already, then counts anew. */
  async dropForgotten(inos: readonly number[]): Promise<void> {
    await this.#deleteForgotten(inos);
    await this.#committing;
    this.#recount();
  }

  async #deleteForgotten(inos: readonly number[]): Promise<void> {
    await Promise.all(inos.map((ino) => this.#dropOne(ino, null)));
  }

  /** Takes over what the index says; between two commits. */
  #recount(): void {
    const totals = this.#o.index.totals();
    const pending = this.#ledger.pending.reduce((sum, { ino, idx }) => sum + this.geometryOf(ino).allocatedOf(idx), 0);
    const written = new Set(this.#ledger.pending.map(({ ino }) => ino));
    const fresh = new Set([...written].filter((ino) => this.#o.index.object(ino) === null));
    this.space.recount(totals.bytes + pending, totals.files + fresh.size);
    this.countPinned();
  }

  async #dropOne(ino: number, row: { readonly bytes: number } | null): Promise<DropReport> {
    const { host, volume } = this.#o;
    const done = await host.task((task) => {
      host.engine.dropFile(volume, task, ino);
    });
    if (done.errno !== 0) this.#o.log.warn('a cache file could not be removed', { ino, errno: done.errno });
    const held = this.#ledger.get(ino);
    this.#ledger.close(ino);
    this.#attachments.forget(ino);
    const bytes = held?.bytes ?? row?.bytes ?? 0;
    const files = held?.file === true || row !== null ? 1 : 0;
    const open = done.value === 1 && !this.#freedEarly.delete(ino);
    if (files > 0) this.space.dropped(bytes, files, open);
    if (open) this.#zombies.set(ino, bytes);
    // A block that was stored while the file left lives in its successor: it is counted anew. The others went with it.
    const own = this.#ledger.takePending(ino);
    const state = new Uint8Array(1);
    for (const block of own) {
      host.engine.states(volume, ino, block.idx, state);
      if (state[0] === BLOCK_STATE.resident) this.#ledger.count(block);
    }
    return { bytes, files, openBytes: open ? bytes : 0, openFiles: open ? files : 0 };
  }

  /** Syncs and commits everything that is stored; what cannot be committed stays, and the stop is not clean. */
  async flush(): Promise<void> {
    try {
      await Promise.all(this.#dropping.values());
      while (this.#ledger.pending.length > 0 || this.#committing !== null) await this.#commit();
    } catch (error) {
      this.#o.log.warn('not everything could be committed: the next start verifies the cache', { err: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#touchTimer[Symbol.dispose]();
    // From here on no other dataset's need reaches these blocks.
    this.space[Symbol.dispose]();
    await this.#publisher[Symbol.asyncDispose]();
    await this.#settleWrites();
    await this.flush();
    this.#groupTimer?.[Symbol.dispose]();
    await this.#guard(this.#recency.flush());
  }

  /** Waits, with a limit, until blocks that have been received are on the disk. */
  async #settleWrites(): Promise<void> {
    for (
      let waited = 0;
      waited < SETTLE && this.#o.host.engine.volumeStats(this.#o.volume).memoryUsed > 0;
      waited += SETTLE_STEP
    ) {
      await this.#o.clock.sleep(SETTLE_STEP);
    }
  }

  #arm(delay = GROUP_AGE): void {
    this.#groupTimer ??= this.#o.clock
      .startTimer(delay, () => {
        this.#groupTimer = null;
        void this.#guard(this.#commit());
      })
      .unref();
  }

  async #whileForgetting<T>(ino: number, work: Promise<T>): Promise<T> {
    const all = Promise.allSettled([this.#forgetting.get(ino), work]);
    this.#forgetting.set(ino, all);
    try {
      return await work;
    } finally {
      if (this.#forgetting.get(ino) === all) this.#forgetting.delete(ino);
    }
  }

  /** One group: sync, commit, then see what became whole. Groups do not overlap. */
  #commit(): Promise<void> {
    this.#committing ??= this.#commitGroup().finally(() => {
      this.#committing = null;
      const { length } = this.#ledger.pending;
      if (this.#closing || length === 0) return;
      if (length >= GROUP_BLOCKS && !this.#commitFailed) void this.#guard(this.#commit());
      else this.#arm(this.#commitFailed ? COMMIT_AGAIN : GROUP_AGE);
    });
    return this.#committing;
  }

  async #commitGroup(): Promise<void> {
    this.#groupTimer?.[Symbol.dispose]();
    this.#groupTimer = null;
    const group = new Set(this.#ledger.pending.slice(0, MAX_GROUP));
    if (group.size === 0) return;
    const inos = new Set([...group].map((block) => block.ino));
    this.#commitFailed = true;
    const synced = await this.#o.host.task((task) => {
      this.#o.host.engine.sync(this.#o.volume, task, Float64Array.from(inos));
    });
    if (synced.errno !== 0) {
      // Data of unknown state: forget it rather than promise it.
      const { errno } = synced;
      this.#o.log.error('the cache disk failed to sync: blocks are dropped and will be fetched again', { errno });
      await this.dropObjects([...inos]);
      return;
    }
    // A block that was lost and came again must not be committed before the index has forgotten it.
    await Promise.allSettled(this.#forgetting.values());
    // What was dropped meanwhile has left `pending`; what is being dropped must not be committed.
    const still = this.#ledger.pending.filter((block) => group.has(block) && !this.#dropping.has(block.ino));
    const unknown = await this.#ledger.commit(still, (blocks) => this.#o.index.commitBlocks(blocks));
    this.#commitFailed = false;
    this.#indexFull = false;
    if (unknown.length > 0) {
      await this.#deleteForgotten(unknown);
      this.#recount();
    }
    // The blocks are committed, whether or not the marks can be set.
    await this.#guard(this.#o.pins.mark([...inos]));
    this.countPinned();
    for (const ino of inos) this.#settled(ino);
  }

  /** The index knows all of the object's blocks: what is held here can be read from there again. */
  #settled(ino: number): void {
    const held = this.#ledger.get(ino);
    if (held === undefined || held.uncommitted > 0 || this.#forgetting.has(ino)) return;
    // The order in which blocks came is lost with it, so it is kept while more of them come.
    if (held.order === null || !this.#o.busy(ino)) this.#ledger.close(ino);
    if (held.blocks >= held.geometry.blocks) this.#publish(ino);
  }

  #publish(ino: number): void {
    if (this.publishes) this.#publisher.publish(ino);
  }

  /** What is stored leaves with its object only once it is committed: that is not waited for half a second where room is short. */
  async #settle(): Promise<boolean> {
    if (this.#closing || this.#ledger.pending.length === 0) return false;
    // One that is under way counts as failed until it is over: it is waited for.
    if (this.#commitFailed && this.#committing === null) return false;
    await this.#guard(this.#commit());
    return !this.#commitFailed;
  }

  async #dropOwn(ino: number, bytes: number): Promise<number> {
    await this.#attachments.prove(ino);
    const { order } = this.#ledger.hold(ino);
    // A published file leaves whole or not at all; a pinned one stays.
    const whole = this.#publisher.holds(ino) || this.#o.index.object(ino)?.state === 2;
    if (order === null || whole || this.#dropping.has(ino) || this.#o.pins.isPinned(ino)) return 0;
    return await this.#whileForgetting(ino, this.#ownRoom.free(ino, order, bytes));
  }

  async #guard(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const known = DlfsError.from(error);
      if (known.code === 'disk-full') {
        if (!this.#indexFull) this.#o.log.warn(`the cache's index cannot be written: ${known.message}`, { err: known });
        this.#indexFull = true;
      } else if (known.code !== 'interrupted') this.#o.log.error('the block store failed', { err: known });
    }
  }
}
