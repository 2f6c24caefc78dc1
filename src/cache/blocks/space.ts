/**
 * A dataset's space on the cache disk: whether there is room for what is about to be fetched, and who leaves to make it.
 *
 * Asked before every run. First the dataset's own quota counts, and its own coldest objects leave; then what all datasets have
 * together (disk-budget.ts), and the coldest of all leave. A run starts when the room is there; where it cannot be had, the run
 * is served without caching.
 *
 * Invariants:
 * 1. `bytes` + `reserved` never exceeds the quota by more than what is being dropped right now.
 * 2. What is unlinked but still open counts until the kernel lets go of it.
 * 3. No space is never an error for a reader.
 * 4. One eviction of the dataset's own at a time; whoever needs room meanwhile waits for it.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { formatSize } from '../../base/size.ts';
import type { ColdBound, ColdSource } from '../policy/coldest.ts';
import { usedBefore, type EvictionCandidate, type EvictionNeed, type EvictionPolicy } from '../policy/eviction.ts';
import type { DiskSpace, QuotaReason, QuotaState } from '../policy/quota.ts';
import type { AccountLimits, SpaceAccount, SpaceLedger, SpaceVerdict } from '../policy/space-ledger.ts';
import { evict, EvictionTurn } from './eviction-turn.ts';
import { ShortageLog } from './shortage-log.ts';

/** What Space asks of the blocks' owner. */
export interface SpaceHost {
  /**
   * Coldest first, lazily; what must not leave is marked open or pinned.
   * @param page how many are likely to be looked at
   */
  candidates(page: number): Iterator<EvictionCandidate>;
  /** Drops whole objects; resolves when they are gone from index and disk. */
  dropObjects(inos: readonly number[]): Promise<void>;
  /** Commits what is stored and not committed yet, which cannot leave. @returns whether there was any */
  settle(): Promise<boolean>;
  /** Drops some of the object's own blocks, oldest first; returns the bytes freed. */
  dropOwn(ino: number, bytes: number): Promise<number>;
}

/** What a dataset joins the budget with. */
export interface SpaceOptions {
  /** The dataset, for logs. */
  readonly name: string;
  readonly limits: AccountLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: SpaceHost;
  /** What the index says is there. */
  readonly initial: { readonly bytes: number; readonly files: number };
  /** When its coldest object was last used, milliseconds since 1970: a lower bound; 0 where nothing is known. */
  readonly coldSince?: number;
}

/** Whom an eviction makes room for. */
export interface EvictionCause {
  /** The object, which may have to give up blocks of its own; 0 for none. */
  readonly ino: number;
  /** Nothing that was used since then, on the wall clock, leaves; Infinity: whatever is coldest. */
  readonly spareSince: number;
}

/** An eviction for the disk's sake. */
export const NOBODY: EvictionCause = { ino: 0, spareSince: Infinity };

/** A candidate with the dataset that it belongs to. */
export interface OwnedCandidate extends EvictionCandidate {
  readonly owner: Space;
}

/** What a dataset's space asks of the disk that it shares with others (disk-budget.ts). */
export interface SharedDisk {
  readonly ledger: SpaceLedger;
  readonly policy: EvictionPolicy;
  /** Bytes that all can have together at most. */
  readonly capacity: number;
  /** Whether an eviction for all is under way. */
  readonly isEvicting: boolean;
  /** What one of them could hold at most now, if the others gave up what they can spare. */
  holdable(account: SpaceAccount): Promise<EvictionNeed>;
  /** The disk as it was not long ago, and behind the last drop. */
  disk(): Promise<DiskSpace>;
  /** Something has left the disk. */
  left(): void;
  /** Logs where all together stand, when a request found it to be worse than before. */
  say(verdict: SpaceVerdict): void;
  /** At the floor, what nobody uses goes first. @returns whether a cache has gone: decide anew */
  giveUpAbandoned(reason: QuotaReason): Promise<boolean>;
  /** Makes room at the cost of all. @returns whether anything was freed */
  evict(asker: Space | null, cause: EvictionCause, need: EvictionNeed): Promise<boolean>;
}

/** Numbers for stats. */
export interface SpaceStats {
  readonly bytes: number;
  readonly files: number;
  readonly reservedBytes: number;
  readonly state: QuotaState;
  readonly evictedFiles: number;
  readonly evictedBytes: number;
  readonly bypassedRuns: number;
}

/** Candidates likely to be looked at when only the dataset's own are; the index gives so many in a quarter of a millisecond. */
const OWN_PAGE = 256;
/** And when those of others are, too: most datasets give up a few. */
const SHARED_PAGE = 16;

/** Evictions of one's own cause that a request waits for. */
const ROUNDS = 4;

/** See the file's header. Made by `DiskBudget.join`; disposing it leaves the budget. */
export class Space implements Disposable {
  readonly name: string;
  /** The books. */
  readonly account: SpaceAccount;
  readonly #budget: SharedDisk;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #host: SpaceHost;
  readonly #shortage: ShortageLog;
  readonly #onLeave: () => void;
  readonly #cold: ColdBound;
  readonly #turn = new EvictionTurn();
  #evictedFiles = 0;
  #evictedBytes = 0;
  #bypassed = 0;

  /** @param onLeave told when it is disposed */
  constructor(budget: SharedDisk, options: SpaceOptions, onLeave: () => void) {
    this.name = options.name;
    this.account = budget.ledger.open(options.limits, options.initial);
    this.#budget = budget;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#host = options.host;
    this.#onLeave = onLeave;
    this.#cold = { at: options.coldSince ?? 0 };
    this.#shortage = new ShortageLog(
      options.clock,
      options.log,
      () => `${formatSize(Math.max(0, this.account.bytes))} cached`,
    );
  }

  /** Bytes that the dataset can have at most, whoever else leaves. */
  get capacity(): number {
    return Math.min(this.account.limits.bytes, this.#budget.capacity);
  }

  /** What the dataset could hold at most now, all else evicted that may be: its quota, the limits of all, the disk above its floor. */
  holdable(): Promise<{ readonly bytes: number; readonly files: number }> {
    return this.#budget.holdable(this.account);
  }

  /** What the dataset could take now without anything leaving. */
  async free(): Promise<EvictionNeed> {
    return this.#budget.ledger.free(this.account, await this.#budget.disk());
  }

  /** Counters for stats. */
  stats(): SpaceStats {
    const { bytes, files, reservedBytes, state } = this.account;
    return {
      bytes,
      files,
      reservedBytes,
      state,
      evictedFiles: this.#evictedFiles,
      evictedBytes: this.#evictedBytes,
      bypassedRuns: this.#bypassed,
    };
  }

  /**
   * Makes room for a run of object `ino` and reserves it.
   * @param need allocated bytes, and 1 file where the object has no cache file yet
   * @param spareSince nothing that was used since then, on the wall clock, leaves for its sake
   * @returns true: reserved, hand back with `release`; false: serve without caching
   */
  async admit(ino: number, need: EvictionNeed, spareSince = Infinity): Promise<boolean> {
    try {
      if (await this.#admit({ ino, spareSince }, need)) return true;
    } catch (error) {
      this.#log.warn('room in the cache could not be made: serving without caching', { err: error });
    }
    this.#bypassed += 1;
    return false;
  }

  async #admit(cause: EvictionCause, need: EvictionNeed): Promise<boolean> {
    // An eviction frees more than it must; a few rounds suffice unless others take the room meanwhile. What others evict is
    // not counted: each of them ends.
    for (let round = 0; round < ROUNDS;) {
      const disk = await this.#budget.disk();
      const verdict = this.account.decide(disk, need);
      this.#say(verdict);
      const { decision, scope } = verdict;
      if (decision.kind === 'admit') {
        this.account.reserve(need);
        return true;
      }
      if (scope === 'all' && (await this.#budget.giveUpAbandoned(decision.reason))) continue;
      if (decision.need === null) return false;
      const isOthers = scope === 'own' ? this.#turn.isTaken : this.#budget.isEvicting;
      if (!isOthers) round += 1;
      const work = scope === 'own' ? this.#evict(cause, decision.need) : this.#budget.evict(this, cause, decision.need);
      if (!(await work)) return false;
    }
    return false;
  }

  /** Takes over a count of what is there, unlinked but open files left out. */
  recount(bytes: number, files: number): void {
    this.account.recount(bytes, files);
  }

  /** Gives a reservation back: what was stored of it is counted by `stored`. */
  release(need: EvictionNeed): void {
    this.account.release(need);
  }

  /** A block is on disk now. */
  stored(bytes: number, newFile: boolean): void {
    this.account.stored(bytes, newFile ? 1 : 0);
  }

  /** Blocks or files have left. `open`: the kernel still holds the file, its space is taken until `freed`. */
  dropped(bytes: number, files: number, open: boolean): void {
    this.account.dropped(bytes, files, open);
    if (!open) this.#budget.left();
  }

  /** A dropped file that was open is closed. */
  freed(bytes: number, files: number): void {
    this.account.freed(bytes, files);
    this.#budget.left();
  }

  /** Sets other limits; what is above them leaves before it resolves. */
  async relimit(limits: AccountLimits): Promise<void> {
    this.account.relimit(limits);
    const { decision } = this.account.check(await this.#budget.disk());
    if (decision.kind !== 'admit' && decision.need !== null) await this.#evict(NOBODY, decision.need);
  }

  /** Tells that there is room again, once there is. Called from time to time. */
  sayRoom(): void {
    this.#shortage.sayRoom();
  }

  /** Its candidates for a merge with others'. @param lends whether they leave for another's sake, within what it can spare */
  cold(lends: boolean): ColdSource<OwnedCandidate> {
    return { bound: this.#cold, candidates: () => this.#owned(lends) };
  }

  /** Drops objects that were chosen. @returns bytes */
  async drop(victims: readonly EvictionCandidate[]): Promise<number> {
    await this.#host.dropObjects(victims.map(({ id }) => id));
    const bytes = victims.reduce((sum, victim) => sum + victim.bytes, 0);
    this.#evictedFiles += victims.length;
    this.#evictedBytes += bytes;
    return bytes;
  }

  /** See `SpaceHost.settle`. */
  settle(): Promise<boolean> {
    return this.#host.settle();
  }

  /** Of what is there, so much is pinned and does not leave. */
  pinned(bytes: number, files: number): void {
    this.account.pinned(bytes, files);
  }

  /** Drops some of an object's own blocks. @returns bytes */
  async dropOwn(ino: number, bytes: number): Promise<number> {
    const freed = await this.#host.dropOwn(ino, bytes);
    this.#evictedBytes += freed;
    return freed;
  }

  [Symbol.dispose](): void {
    this.#onLeave();
    this.account[Symbol.dispose]();
  }

  *#owned(lends: boolean): Generator<OwnedCandidate> {
    const stream = { [Symbol.iterator]: () => this.#host.candidates(SHARED_PAGE) };
    for (const candidate of stream) {
      yield { ...candidate, owner: this, ...(lends ? { lender: this.account } : {}) };
    }
  }

  /** @returns whether anything was freed */
  #evict(cause: EvictionCause, need: EvictionNeed): Promise<boolean> {
    return this.#turn.take(() => this.#evictNow(cause, need));
  }

  async #evictNow({ ino, spareSince }: EvictionCause, need: EvictionNeed): Promise<boolean> {
    const candidates = { [Symbol.iterator]: () => this.#host.candidates(OWN_PAGE) };
    const { files, bytes } = await evict(need, {
      choose: (missing) => this.#budget.policy.choose(usedBefore(candidates, spareSince), missing, this.#clock.wall()),
      drop: (victims) => this.drop(victims),
      dropOwn: (missing) => (ino !== 0 && spareSince === Infinity ? this.dropOwn(ino, missing) : Promise.resolve(0)),
      // What was stored just now was used just now.
      settle: () => (spareSince === Infinity ? this.settle() : Promise.resolve(false)),
    });
    if (bytes > 0) this.#log.debug('evicted', { files, bytes });
    return bytes > 0 || files > 0;
  }

  #say(verdict: SpaceVerdict): void {
    const { own } = verdict.changed;
    if (own !== null) this.#shortage.note(own.to, own.reason);
    this.#budget.say(verdict);
  }
}
