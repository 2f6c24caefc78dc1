/**
 * The cache disk, shared by all datasets of a process: its limits and its floor, and whose blocks leave to keep them.
 *
 * Each dataset joins with its quota and its reserve and gets a `Space` (space.ts), which is asked before each of its runs. The
 * decisions are the ledger's (policy/space-ledger.ts), who leaves is the eviction policy's choice from the coldest of all
 * (policy/coldest.ts); here is what that needs of the outside: the disk's statfs, and the drops.
 *
 * Invariants:
 * 1. The disk is looked at once for all datasets, and again only when the last look is old or something has left since.
 * 2. One eviction for all at a time; whoever needs room meanwhile waits for it.
 * 3. What leaves for another's sake stays within what its dataset has above its reserve. When others than dlfs fill the disk, the
 *    floor goes before the reserves.
 * 4. At the floor, a cache that nobody serves from goes before anything of a dataset's (abandoned-caches.ts).
 * 5. A dataset that fails to drop what it should takes nothing from the others but that room.
 */
import { statfs } from 'node:fs/promises';
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { formatSize } from '../../base/size.ts';
import { mergeColdest } from '../policy/coldest.ts';
import { usedBefore, type EvictionChoice, type EvictionNeed, type EvictionPolicy } from '../policy/eviction.ts';
import type { DiskSpace, QuotaLimits, QuotaReason, QuotaState } from '../policy/quota.ts';
import { SpaceLedger, worstOf, type SpaceAccount, type SpaceVerdict } from '../policy/space-ledger.ts';
import { AbandonedCaches, type Remover } from './abandoned-caches.ts';
import { evict, EvictionTurn } from './eviction-turn.ts';
import { ShortageLog } from './shortage-log.ts';
import { NOBODY, Space, type EvictionCause, type OwnedCandidate, type SharedDisk, type SpaceOptions } from './space.ts';

/** What a budget is made of. */
export interface DiskBudgetOptions {
  /** For all datasets together. */
  readonly limits: QuotaLimits;
  /** A folder of the cache disk, for statfs. */
  readonly folder: string;
  readonly policy: EvictionPolicy;
  /** Removes caches of the folder that nobody serves from, one a call; left out: they stay. */
  readonly removeAbandoned?: Remover;
  readonly clock: Clock;
  readonly log: Logger;
}

/** For stats. */
export interface DiskBudgetStats {
  readonly bytes: number;
  readonly files: number;
  readonly reservedBytes: number;
  readonly state: QuotaState;
  /** Of the disk; null before the first look. */
  readonly availableBytes: number | null;
  readonly totalBytes: number | null;
}

/** How old a statfs may be, in milliseconds: at 1 GB/s the disk moves 100 MB meanwhile, less than the floor's slack. */
const STATFS_AGE = 100;
/** Looks that one request waits for. */
const MAX_LOOKS = 4;
/** How often the disk is looked at although nobody fetches, since others may fill it; in milliseconds. */
const CHECK_EVERY = 2_000;

/** See the file's header. Dispose it after the datasets. */
export class DiskBudget implements SharedDisk, Disposable {
  readonly ledger: SpaceLedger;
  readonly policy: EvictionPolicy;
  readonly #abandoned: AbandonedCaches;
  readonly #limits: QuotaLimits;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #spaces = new Set<Space>();
  readonly #shortage: ShortageLog;
  readonly #timer: Timer;
  #disk: DiskSpace | null = null;
  #diskAt = -Infinity;
  #asking: Promise<void> | null = null;
  /** Counts what has left: a statfs that began before it does not show it. */
  #drops = 0;
  readonly #turn = new EvictionTurn();

  constructor(options: DiskBudgetOptions) {
    this.ledger = new SpaceLedger(options.limits);
    this.policy = options.policy;
    this.#abandoned = new AbandonedCaches(options.removeAbandoned ?? null, options.clock, options.log);
    this.#limits = options.limits;
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#shortage = new ShortageLog(options.clock, options.log, () => this.#held());
    this.#timer = options.clock
      .startInterval(CHECK_EVERY, () => {
        this.check().catch((error: unknown) => {
          this.#log.warn('the cache disk could not be looked after', { err: DlfsError.from(error) });
        });
      })
      .unref();
  }

  /** Takes a dataset in; it leaves when its space is disposed. */
  join(options: SpaceOptions): Space {
    const space = new Space(this, options, () => this.#spaces.delete(space));
    this.#spaces.add(space);
    return space;
  }

  /** Bytes that all can have together at most. */
  get capacity(): number {
    return Math.min(this.#limits.bytes, this.#disk?.totalBytes ?? Infinity);
  }

  /** What one of them could hold at most now, if the others gave up what they can spare. */
  async holdable(account: SpaceAccount): Promise<EvictionNeed> {
    return this.ledger.holdable(account, await this.disk());
  }

  /** Gauges. */
  stats(): DiskBudgetStats {
    const { bytes, files, reservedBytes } = this.ledger.sums;
    return {
      bytes,
      files,
      reservedBytes,
      state: this.ledger.state,
      availableBytes: this.#disk?.availableBytes ?? null,
      totalBytes: this.#disk?.totalBytes ?? null,
    };
  }

  /** Whether an eviction for all is under way. */
  get isEvicting(): boolean {
    return this.#turn.isTaken;
  }

  /** The disk as it was not long ago, and behind the last drop: an old look would evict once more for what has left already. */
  async disk(): Promise<DiskSpace> {
    for (let looks = 0; ; looks += 1) {
      const isFresh = this.#clock.monotonic() - this.#diskAt <= STATFS_AGE;
      // Where something leaves all the time, a look is never behind the last drop.
      if (this.#disk !== null && (isFresh || looks >= MAX_LOOKS)) return this.#disk;
      this.#asking ??= this.#ask().finally(() => (this.#asking = null));
      await this.#asking;
    }
  }

  /** Something has left the disk. */
  left(): void {
    this.#diskAt = -Infinity;
    this.#drops += 1;
  }

  /** Looks at the disk without a request: gives the floor back when others filled the disk. */
  async check(): Promise<void> {
    const disk = await this.disk();
    const { decision } = this.ledger.check(disk);
    const states = [...this.#spaces].map((space) => {
      space.sayRoom();
      return space.account.look(disk);
    });
    this.#shortage.note(worstOf([this.ledger.state, ...states]), decision.kind === 'admit' ? null : decision.reason);
    this.#shortage.sayRoom();
    if (decision.kind === 'admit' || (await this.giveUpAbandoned(decision.reason))) return;
    if (decision.need !== null) await this.evict(null, NOBODY, decision.need);
  }

  /** At the floor, what nobody uses goes first. @returns whether a cache has gone: decide anew */
  async giveUpAbandoned(reason: QuotaReason): Promise<boolean> {
    const isGone = await this.#abandoned.giveUp(reason);
    if (isGone) this.left();
    return isGone;
  }

  /** Logs where all together stand, when a request found it to be worse than before. */
  say({ changed, decision }: SpaceVerdict): void {
    const state = changed.all?.to;
    if (decision.kind === 'admit' || (state !== 'floor' && state !== 'bypass')) return;
    this.#shortage.note(state, decision.reason);
  }

  /**
   * Makes room out of what all have.
   * @param asker for whose sake; null: for the disk's
   * @param cause what it is for
   * @returns whether anything was freed
   */
  evict(asker: Space | null, cause: EvictionCause, need: EvictionNeed): Promise<boolean> {
    return this.#turn.take(() => this.#evictNow(asker, cause, need));
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  async #evictNow(asker: Space | null, { ino, spareSince }: EvictionCause, need: EvictionNeed): Promise<boolean> {
    // A job evicts nothing that was used since it began, least of all what is being stored.
    const giver = spareSince === Infinity ? asker : null;
    const { files, bytes } = await evict(need, {
      choose: (missing) => this.#choose(asker, missing, spareSince),
      drop: (victims) => this.#drop(victims),
      dropOwn: (missing) => (giver === null || ino === 0 ? Promise.resolve(0) : giver.dropOwn(ino, missing)),
      // Its own alone: what others have stored just now is the last that should leave for its sake.
      settle: () => giver?.settle() ?? Promise.resolve(false),
    });
    if (bytes > 0) this.#log.debug('evicted', { files, bytes });
    return bytes > 0 || files > 0;
  }

  async #drop(victims: readonly OwnedCandidate[]): Promise<number> {
    const freed = await Promise.all(
      [...Map.groupBy(victims, ({ owner }) => owner)].map(async ([owner, own]) => {
        try {
          return await owner.drop(own);
        } catch (error) {
          this.#log.warn('a dataset could not give up blocks', { dataset: owner.name, err: DlfsError.from(error) });
          return 0;
        }
      }),
    );
    return freed.reduce((sum, one) => sum + one, 0);
  }

  #choose(asker: Space | null, need: EvictionNeed, spareSince: number): EvictionChoice<OwnedCandidate> {
    const now = this.#clock.wall();
    const choose = (spaces: readonly Space[], lends: (space: Space) => boolean): EvictionChoice<OwnedCandidate> => {
      const sources = spaces.map((space) => space.cold(lends(space)));
      return this.policy.choose(usedBefore(mergeColdest(sources, now), spareSince), need, now);
    };
    const all = [...this.#spaces];
    const lending = all.filter((space) => space === asker || space.account.spare > 0);
    const spared = choose(lending, (space) => space !== asker);
    const isShort = spared.shortfall.bytes > 0 || spared.shortfall.files > 0;
    // Nobody asked: others have filled the disk, and the floor goes before the reserves.
    return asker === null && isShort ? choose(all, () => false) : spared;
  }

  async #ask(): Promise<void> {
    const drops = this.#drops;
    const at = this.#clock.monotonic();
    const fs = await statfs(this.#folder);
    this.#disk = {
      totalBytes: fs.blocks * fs.bsize,
      availableBytes: fs.bavail * fs.bsize,
      availableFiles: fs.files === 0 ? null : fs.ffree,
    };
    if (drops === this.#drops) this.#diskAt = at;
  }

  #held(): string {
    const free = this.#disk === null ? '' : `, ${formatSize(this.#disk.availableBytes)} free on the disk`;
    return `${formatSize(Math.max(0, this.ledger.sums.bytes))} cached${free}`;
  }
}
