/**
 * The writing half of the index: takes requests, gives results.
 *
 * Small requests are a transaction of their own, at once. Bulk work goes through the scheduler; the lane number that the caller
 * chose for a listing or a shard names it in later requests.
 *
 * Invariants:
 * 1. Results are told after their commit.
 * 2. A listing that has failed once takes no more pages: what it holds in memory no longer fits the database. It can be ended.
 * 3. At most one listing a directory, and one of the whole, at a time.
 */
import type { Clock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import type { ListPage } from '../../../dataset/listing.ts';
import type { CallName, Calls, OutcomeResult, PageResult } from '../protocol.ts';
import { Blocks } from './blocks.ts';
import { DirectoryListing, type ListingParts } from './directory-listing.ts';
import { FullListing, type Shard, type ShardKind } from './full-listing.ts';
import { Nodes } from './nodes.ts';
import { PACE, type Pace } from './pace.ts';
import { Pins } from './pins.ts';
import { LeftoverPurge, purge, type PurgeParts } from './purge.ts';
import { RecentBlocks } from './recent-blocks.ts';
import { once, Scheduler, type Priority, type SchedulerOptions, type Work } from './scheduler.ts';
import { Skips } from './skips.ts';
import { undo } from './staging.ts';
import type { Store } from './store.ts';

/** Lanes below zero are the writer's own; callers' are above. */
const LANE_DROPS = -1;
const LANE_PURGE = -2;
const LANE_UNDO = -3;

/** What the caller's lanes are. */
type Occupant =
  | { readonly kind: 'directory'; readonly listing: DirectoryListing }
  | { readonly kind: 'full'; readonly listing: FullListing }
  | { readonly kind: 'shard'; readonly shard: Shard; readonly full: number };

type Handlers = {
  [Name in CallName]: (args: Calls[Name]['args']) => Promise<Calls[Name]['result']> | Calls[Name]['result'];
};

/** What the writer is made of. */
export interface WriterOptions extends Pick<SchedulerOptions, 'turns' | 'sliceMs'> {
  readonly store: Store;
  readonly clock: Clock;
  /** Sizes of steps; tests take smaller ones. */
  readonly pace?: Pace;
}

/** See the file's header. */
export class Writer {
  readonly #store: Store;
  readonly #scheduler: Scheduler;
  readonly #parts: ListingParts & PurgeParts;
  readonly #blocks: Blocks;
  readonly #recent: RecentBlocks;
  readonly #pins: Pins;
  readonly #leftovers: LeftoverPurge;
  readonly #lanes = new Map<number, Occupant>();
  readonly #failures = new Map<number, DlfsError>();
  #full: FullListing | null = null;

  constructor(options: WriterOptions) {
    const { store, clock, turns, sliceMs, pace = PACE } = options;
    this.#store = store;
    this.#recent = new RecentBlocks(store);
    this.#pins = new Pins(store);
    this.#blocks = new Blocks(store, this.#recent);
    this.#parts = { store, clock, nodes: new Nodes(store), skips: new Skips(store), blocks: this.#blocks, pace };
    this.#leftovers = new LeftoverPurge(this.#parts);
    this.#scheduler = new Scheduler({ store, clock, turns, ...(sliceMs === undefined ? {} : { sliceMs }) });
  }

  /** `cur` as of now: goes with every reply. */
  get cur(): number {
    return this.#store.cur;
  }

  /**
   * Does what a request asks.
   * @throws DlfsError why it could not be done; nothing of it is left then, or the listing it belongs to has failed
   */
  async handle<Name extends CallName>(call: Name, args: Calls[Name]['args']): Promise<Calls[Name]['result']> {
    // The compiler cannot see that the handler of a name takes the arguments of that name.
    const handler = this.#handlers[call] as (
      args: Calls[Name]['args'],
    ) => Promise<Calls[Name]['result']> | Calls[Name]['result'];
    return await handler(args);
  }

  /**
   * Takes back what a listing of the whole left that neither runs nor has ended well. Only the next one waits for it.
   * All undoing is done in one lane: two at a time could outlive the beginning of that listing.
   */
  async undoLeftovers(): Promise<void> {
    if (this.#full === null && this.#store.stagings.size > 0) {
      await this.#scheduler.submit(LANE_UNDO, 'background', () => this.#undoAll());
    }
  }

  readonly #handlers: Handlers = {
    beginDirectory: ({ lane, dir }) => this.#beginDirectory(lane, dir),
    addPage: ({ lane, page }) => this.#listing(lane, 'interactive', () => this.#directory(lane).page(page)),
    finishDirectory: ({ lane }) => this.#listing(lane, 'interactive', () => once(() => this.#finishDirectory(lane))),
    abortDirectory: ({ lane }) => {
      this.#free(lane);
      return null;
    },

    beginFull: async ({ lane, limit, preview }) => {
      if (this.#full !== null) throw new DlfsError('internal', 'the whole source is being listed already');
      await this.undoLeftovers();
      return await this.#listing(lane, 'background', () => once(() => this.#beginFull(lane, limit, preview === true)));
    },
    coverDirectory: ({ full, key }) => this.#listing(full, 'background', () => this.#fullOf(full).cover(key)),
    beginShard: ({ lane, full, kind, key }) => this.#beginShard(lane, full, kind, key),
    addShardPage: ({ lane, page }) => this.#listing(lane, 'background', () => this.#addShardPage(lane, page)),
    stopFull: ({ lane }) => {
      this.#fullOf(lane).stop();
      return null;
    },
    finishFull: async ({ lane }) => {
      const outcome = await this.#listing(lane, 'background', () => once(() => this.#fullOf(lane).finish()));
      this.#endFull(lane, outcome.more);
      if (outcome.stopped !== null) await this.undoLeftovers();
      return outcome;
    },
    previewFull: ({ lane }) => this.#listing(lane, 'background', () => once(() => this.#fullOf(lane).preview())),
    abortFull: async ({ lane }) => {
      this.#endFull(lane, false);
      await this.undoLeftovers();
      return null;
    },
    takeChanges: ({ lane }) => this.#takeChanges(lane),

    commitBlocks: ({ at, ...batch }) => this.#store.transaction(() => ({ rejected: this.#blocks.commit(batch, at) })),
    setState: ({ ino, state }) => this.#write(() => this.#blocks.setState(ino, state)),
    dropBlocks: ({ ino, ranges }) =>
      this.#scheduler.submit(LANE_DROPS, 'interactive', () => this.#blocks.dropRanges(ino, ranges), true),
    dropObjects: ({ inos }) => this.#scheduler.submit(LANE_DROPS, 'interactive', () => this.#dropObjects(inos), true),
    touch: ({ inos, used }) =>
      this.#write(() => {
        for (const [position, ino] of inos.entries()) this.#blocks.touch(ino, used[position] ?? 0);
      }),
    purge: ({ inos }) => this.#scheduler.submit(LANE_PURGE, 'background', () => this.#purge(inos), true),
    purgeLeftovers: () => this.#scheduler.submit(LANE_PURGE, 'background', () => this.#leftovers.step(), true),
    audit: (files) => this.#blocks.audit(files),
    forgetRecent: () => this.#write(() => this.#recent.forget()),
    addPins: ({ pins }) => this.#write(() => this.#pins.add(pins), true),
    removePins: ({ globs }) => this.#write(() => this.#pins.remove(globs), true),
    setPinned: ({ inos, pinned }) => this.#write(() => this.#pins.mark(inos, pinned)),
    saveScrub: ({ mark }) => this.#write(() => this.#pins.saveScrub(mark)),
    markClean: () => this.#write(() => this.#store.database.exec('UPDATE state SET clean = 1 WHERE id = 1'), true),
    close: () => {
      this.#scheduler.close();
      this.#store[Symbol.dispose]();
      return null;
    },
  };

  #write(work: () => unknown, durable = false): null {
    this.#store.transaction(work, durable);
    return null;
  }

  #beginDirectory(lane: number, dir: number): { prefix: string; first: boolean } {
    for (const [at, other] of this.#lanes) {
      if (other.kind !== 'directory' || other.listing.ino !== dir) continue;
      // A finished one is still there if nobody asked for the rest of its changes.
      if (!other.listing.isFinished) throw new DlfsError('internal', `directory ${dir} is being listed already`);
      this.#free(at);
    }
    const listing = new DirectoryListing(this.#parts, dir);
    this.#full?.noteOther(dir, true);
    this.#occupy(lane, { kind: 'directory', listing });
    return { prefix: listing.prefix, first: listing.first };
  }

  #finishDirectory(lane: number): OutcomeResult {
    const listing = this.#directory(lane);
    const outcome = listing.finish();
    if (outcome.stopped === null) this.#full?.noteListed(listing.ino);
    if (!outcome.more) this.#lanes.delete(lane);
    return outcome;
  }

  #beginFull(lane: number, limit: number, preview: boolean): null {
    const listing = new FullListing(this.#parts, limit, preview);
    for (const [at, other] of this.#lanes) {
      if (other.kind === 'directory') listing.noteOther(other.listing.ino, false);
      else if (other.kind === 'full') this.#free(at);
    }
    this.#occupy(lane, { kind: 'full', listing });
    this.#full = listing;
    return null;
  }

  #beginShard(lane: number, full: number, kind: ShardKind, key: string): null {
    this.#occupy(lane, { kind: 'shard', shard: this.#fullOf(full).shard(kind, key), full });
    return null;
  }

  *#addShardPage(lane: number, page: ListPage): Work<PageResult> {
    const result = yield* this.#shard(lane).page(page);
    if (page.last) this.#lanes.delete(lane);
    return result;
  }

  *#dropObjects(inos: readonly number[]): Work<null> {
    for (const ino of inos) {
      yield* this.#blocks.dropObject(ino);
      yield;
    }
    return null;
  }

  *#purge(inos: readonly number[]): Work<{ dropped: number[] }> {
    return { dropped: yield* purge(this.#parts, inos) };
  }

  #takeChanges(lane: number): { changes: PageResult['changes']; more: boolean } {
    const occupant = this.#occupant(lane);
    if (occupant.kind === 'shard') throw wrongLane(lane);
    const taken = occupant.listing.takeChanges();
    if (!taken.more && occupant.listing.isFinished) this.#free(lane);
    return taken;
  }

  /** Work of a listing: a failure makes the whole listing fail. */
  async #listing<T>(lane: number, priority: Priority, start: () => Work<T>): Promise<T> {
    try {
      return await this.#scheduler.submit(lane, priority, () => {
        const failure = this.#failures.get(this.#rootLane(lane));
        if (failure !== undefined) throw failure;
        return start();
      });
    } catch (thrown) {
      const error = DlfsError.from(thrown);
      if (this.#lanes.has(lane)) this.#failures.set(this.#rootLane(lane), error);
      throw error;
    }
  }

  /** The lane of the listing that a lane belongs to. */
  #rootLane(lane: number): number {
    const occupant = this.#lanes.get(lane);
    return occupant?.kind === 'shard' ? occupant.full : lane;
  }

  *#undoAll(): Work<void> {
    // A listing may have begun since this was queued: what is staged is its own then.
    if (this.#full !== null) return;
    for (const seq of [...this.#store.stagings.keys()]) yield* undo(this.#parts, seq);
  }

  /** Frees the listing's lanes: pages that are still being applied end where they are. */
  #endFull(lane: number, keepForChanges: boolean): void {
    for (const [other, occupant] of this.#lanes)
      if (occupant.kind === 'shard' && occupant.full === lane) this.#free(other);
    if (!keepForChanges) this.#free(lane);
    this.#full = null;
  }

  #occupy(lane: number, occupant: Occupant): void {
    if (this.#lanes.has(lane)) throw wrongLane(lane);
    this.#lanes.set(lane, occupant);
  }

  #free(lane: number): void {
    this.#scheduler.cancel(lane);
    this.#lanes.delete(lane);
    this.#failures.delete(lane);
  }

  #occupant(lane: number): Occupant {
    const occupant = this.#lanes.get(lane);
    if (occupant === undefined) throw wrongLane(lane);
    return occupant;
  }

  #directory(lane: number): DirectoryListing {
    const occupant = this.#occupant(lane);
    if (occupant.kind !== 'directory') throw wrongLane(lane);
    return occupant.listing;
  }

  #fullOf(lane: number): FullListing {
    const occupant = this.#occupant(lane);
    if (occupant.kind !== 'full') throw wrongLane(lane);
    return occupant.listing;
  }

  #shard(lane: number): Shard {
    const occupant = this.#occupant(lane);
    if (occupant.kind !== 'shard') throw wrongLane(lane);
    return occupant.shard;
  }
}

function wrongLane(lane: number): DlfsError {
  return new DlfsError('interrupted', `the listing has ended (lane ${lane})`);
}
