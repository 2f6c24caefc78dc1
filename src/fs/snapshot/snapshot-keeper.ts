/**
 * The snapshot of a dataset: listed directory by directory as it is used, completed in the background, renewed from time to
 * time, and the kernel told what changed.
 *
 * Invariants:
 * 1. A directory stays as it was first listed until a complete listing switches, or the origin proves it wrong (404, 412).
 * 2. Complete listings take at most 2 % of the time (policy/refresh.ts).
 * 3. The kernel hears of a change after it is in effect here, never before.
 * 4. A superseded version goes when the kernel holds it no more.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { formatDuration } from '../../base/duration.ts';
import type { Logger } from '../../base/log.ts';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { CacheIndex, ListingOutcome, NameChange } from '../../cache/index/index.ts';
import { nextRefresh } from '../../cache/policy/refresh.ts';
import type { Source } from '../../source/source.ts';
import { DirectoryListings } from './directory-listings.ts';
import { listAll } from './full-listing.ts';
import type { KernelNames } from './kernel-names.ts';

/** What the keeper is made of. */
export interface SnapshotKeeperOptions {
  readonly index: CacheIndex;
  readonly source: Source;
  readonly prefix: string;
  /** At first. */
  readonly listLimit: number;
  readonly refreshMs: number | 'never';
  readonly kernel: KernelNames;
  readonly store: BlockStore;
  /** Names in this directory have changed. */
  readonly onDirectoryChanged: (dir: number) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** For stats. */
export interface KeeperStats {
  readonly directoriesListed: number;
  readonly fullListings: number;
  readonly failures: number;
  readonly running: boolean;
  /** Milliseconds of the last complete listing; 0 before the first. */
  readonly lastDurationMs: number;
  /** Superseded versions that the kernel still holds. */
  readonly superseded: number;
}

/** Names that are told to the kernel one by one at most; beyond it forgets what it can at once. */
const MAX_TOLD = 10_000;
/** Milliseconds between looks at superseded versions. */
const PURGE_EVERY = 10_000;
/** Milliseconds within which a directory is listed anew once at most because files in it had changed. */
const RENEW_PAUSE = 5_000;
const MAX_RENEWED = 10_000;
/** The pause to a second try of a first listing, for a dataset that is otherwise never listed again. */
const FIRST_LISTING_INTERVAL = 300_000;
/** Versions purged at a time. */
const PURGE_BATCH = 512;

/** See the file's header. */
export class SnapshotKeeper implements AsyncDisposable {
  readonly #o: SnapshotKeeperOptions;
  readonly #directories: DirectoryListings;
  readonly #stop = new AbortController();
  readonly #superseded = new Set<number>();
  /** When a directory was last listed anew because the origin had changed. */
  readonly #renewed = new Map<number, number>();
  #refreshMs: number | 'never';
  #listLimit: number;
  #purgeTimer: Timer | null = null;
  #refreshTimer: Timer | null = null;
  #full: Promise<void> | null = null;
  #fullListings = 0;
  #failures = 0;
  #failuresInRow = 0;
  #lastDuration = 0;
  #saidLimit = false;
  #saidSkipped = false;

  constructor(options: SnapshotKeeperOptions) {
    this.#o = options;
    this.#refreshMs = options.refreshMs;
    this.#listLimit = options.listLimit;
    this.#directories = new DirectoryListings({
      index: options.index,
      source: options.source,
      onListed: async (_, outcome) => {
        await this.#tell(outcome);
      },
      onChanges: (changes) => {
        this.#told(changes, false);
      },
    });
  }

  /** Starts what runs in the background. */
  start(): void {
    this.#purgeTimer = this.#o.clock.startInterval(PURGE_EVERY, () => void this.#guard(this.#purge())).unref();
    void this.#guard(this.#purgeLeftovers());
    if (this.#o.index.snapshot().complete) this.#schedule();
    else void this.#guard(this.refresh());
  }

  /** Another rhythm, another limit, from now on. */
  reconfigure({ refreshMs, listLimit }: Pick<SnapshotKeeperOptions, 'refreshMs' | 'listLimit'>): void {
    const isOther = refreshMs !== this.#refreshMs;
    this.#refreshMs = refreshMs;
    this.#listLimit = listLimit;
    if (isOther && this.#full === null) this.#schedule();
  }

  /** Counters for stats. */
  stats(): KeeperStats {
    return {
      directoriesListed: this.#directories.count,
      fullListings: this.#fullListings,
      failures: this.#failures,
      running: this.#full !== null,
      lastDurationMs: this.#lastDuration,
      superseded: this.#superseded.size,
    };
  }

  /** See `DirectoryListings.progress`. */
  progress(dir: number): Promise<void> {
    return this.#directories.progress(dir);
  }

  /** The origin no longer has this version: its directory is listed anew at once. */
  changedAtOrigin(ino: number): void {
    const node = this.#o.index.node(ino);
    if (node === null || node.superseded) return;
    // An origin that lists one etag and serves another must not make us list for ever.
    const now = this.#o.clock.monotonic();
    const before = this.#renewed.get(node.parent);
    if (before !== undefined && now - before < RENEW_PAUSE) return;
    if (this.#renewed.size >= MAX_RENEWED) this.#renewed.clear();
    this.#renewed.set(node.parent, now);
    void this.#guard(this.#directories.renew(node.parent));
  }

  /** See `DirectoryListings.decided`. */
  decided(dir: number, name: string): boolean {
    return this.#directories.decided(dir, name);
  }

  /**
   * Lists everything anew and switches; joins a listing that is under way.
   * @throws DlfsError when the listing failed; what was visible stays
   */
  refresh(): Promise<void> {
    this.#full ??= this.#listAll().finally(() => {
      this.#full = null;
      if (!this.#stop.signal.aborted) this.#schedule();
    });
    return this.#full;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#purgeTimer?.[Symbol.dispose]();
    this.#refreshTimer?.[Symbol.dispose]();
    await Promise.allSettled([this.#full, this.#directories[Symbol.asyncDispose]()]);
  }

  async #listAll(): Promise<void> {
    const { clock, log, index, source, prefix } = this.#o;
    const limit = this.#listLimit;
    this.#refreshTimer?.[Symbol.dispose]();
    const begun = clock.monotonic();
    try {
      const outcome = await listAll({ index, source, prefix, limit, signal: this.#stop.signal });
      this.#fullListings += 1;
      this.#failuresInRow = 0;
      this.#lastDuration = clock.monotonic() - begun;
      if (outcome.stopped === 'list-limit') this.#sayLimit();
      else {
        log.info('the listing is complete', {
          added: outcome.added,
          changed: outcome.changed,
          removed: outcome.removed,
          skipped: this.#skipped(),
          seconds: Math.round(this.#lastDuration / 1000),
        });
      }
      await this.#tell(outcome);
    } catch (error) {
      this.#lastDuration = clock.monotonic() - begun;
      this.#failures += 1;
      this.#failuresInRow += 1;
      throw error;
    }
  }

  /** Keys that POSIX cannot name: said once here, counted by reason in the statistics. */
  #skipped(): number {
    const { skipped } = this.#o.index.snapshot();
    const count = skipped.reduce((sum, one) => sum + one.count, 0);
    if (count > 0 && !this.#saidSkipped) {
      this.#saidSkipped = true;
      this.#o.log.warn(`${count} keys cannot be named as files and are left out`, {
        reasons: Object.fromEntries(skipped.map(({ reason, count: keys, sample }) => [reason, { keys, sample }])),
      });
    }
    return count;
  }

  #schedule(): void {
    this.#refreshTimer?.[Symbol.dispose]();
    const last = { duration: this.#lastDuration, failures: this.#failuresInRow };
    // `never` means that a complete listing is kept for ever, not that there is none.
    const incomplete = !this.#o.index.snapshot().complete && !this.#saidLimit;
    const interval = this.#refreshMs === 'never' && incomplete ? FIRST_LISTING_INTERVAL : this.#refreshMs;
    const pause = nextRefresh({ interval }, last, this.#o.random);
    if (pause === null) return;
    this.#o.log.debug(`the next listing is in ${formatDuration(pause)}`);
    this.#refreshTimer = this.#o.clock.startTimer(pause, () => void this.#guard(this.refresh())).unref();
  }

  #sayLimit(): void {
    if (this.#saidLimit) return;
    this.#saidLimit = true;
    const listLimit = this.#listLimit;
    this.#o.log.warn(
      `the dataset has more than ${listLimit} entries (--list-limit): directories are listed as they are used`,
    );
  }

  async #tell(outcome: ListingOutcome): Promise<void> {
    for await (const batch of outcome.changes) this.#told(batch, false);
    if (outcome.overflow) this.#told([], true);
  }

  /** Tells the kernel, and remembers which versions are superseded. */
  #told(changes: readonly NameChange[], overflow: boolean): void {
    // A name that is new replaces at most a negative entry; one that is the same replaces nothing.
    const real = changes.filter((change) => change.oldIno !== null || change.newIno !== null);
    if (real.length === 0 && !overflow) return;
    for (const { oldIno, newIno, dir } of real)
      if (oldIno !== null && oldIno !== newIno && !dir) this.#superseded.add(oldIno);
    const directories = new Set(real.map((change) => change.parent));
    const everything = overflow || real.length > MAX_TOLD;
    for (const dir of directories) this.#o.onDirectoryChanged(dir);
    void this.#guard(this.#o.kernel.forget(real.slice(0, MAX_TOLD), [...directories], everything));
  }

  async #purge(): Promise<void> {
    const free: number[] = [];
    for (const ino of this.#superseded) {
      if (free.length >= PURGE_BATCH) break;
      if (this.#o.kernel.lookups(ino) === 0 && !this.#o.store.inMotion(ino)) free.push(ino);
    }
    if (free.length === 0) return;
    const cached = free.filter((ino) => this.#o.index.object(ino) !== null);
    if (cached.length > 0) await this.#o.store.dropObjects(cached);
    await this.#o.index.purgeSuperseded(free);
    for (const ino of free) this.#superseded.delete(ino);
  }

  /** What an earlier process left superseded: no kernel holds it any more. */
  async #purgeLeftovers(): Promise<void> {
    for await (const dropped of this.#o.index.purgeLeftovers()) {
      await this.#o.store.dropForgotten(dropped);
      if (this.#stop.signal.aborted) return;
    }
  }

  async #guard(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const known = DlfsError.from(error);
      if (this.#stop.signal.aborted || known.code === 'interrupted') return;
      this.#o.log.warn(`the listing could not be renewed: ${known.message}`, { err: known });
    }
  }
}
