/**
 * The snapshot of a dataset: listed directory by directory as it is used, completed in the background, renewed from time to
 * time, and the kernel told what changed.
 *
 * Invariants:
 * 1. A directory stays as it was first listed until a complete listing switches, or the origin proves it wrong (404, 412). Of a
 *    dataset that is too large for a complete listing (`--list-limit`), each directory in use is renewed by itself instead; and
 *    so is, until there is a complete listing, an older one that is looked up.
 * 2. Listings of all, and renewals of what is in use, take at most 2 % of the time (policy/refresh.ts).
 * 3. The kernel hears of a change after it is in effect here, never before.
 * 4. A superseded version goes when the kernel holds it no more.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { requireGoingOn } from '../../base/abort.ts';
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
import type { Lanes } from './listing-lanes.ts';
import { LazyRenewal } from './lazy-renewal.ts';
import { ChangeSample, NOTHING_KNOWN, type RefreshSummary } from './refresh-summary.ts';
import { SupersededPurge } from './superseded-purge.ts';

/** What the keeper is made of. */
export interface SnapshotKeeperOptions {
  readonly index: CacheIndex;
  readonly source: Source;
  readonly prefix: string;
  /** At first. */
  readonly listLimit: number;
  readonly refreshMs: number | 'never';
  readonly kernel: KernelNames;
  /** For listings that nobody waits for. */
  readonly lanes: Lanes;
  readonly store: BlockStore;
  /** Names in this directory have changed. */
  readonly onDirectoryChanged: (dir: number) => void;
  /** Names mean something else than before, in effect; `overflow`: and more than are told. */
  readonly onChanges: (changes: readonly NameChange[], overflow: boolean) => void;
  /** A complete listing is in effect, the first one or one that has brought something new. */
  readonly onComplete: () => void;
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
  /** Superseded versions and vanished directories that had to stay when they were last looked at. */
  readonly superseded: number;
}

/** Names that are told to the kernel one by one at most; beyond it forgets what it can at once. */
const MAX_TOLD = 10_000;
/** Milliseconds within which a directory is listed anew once at most because files in it had changed. */
const RENEW_PAUSE = 5_000;
const MAX_RENEWED = 10_000;
/** The pause to a second try of a first listing, for a dataset that is otherwise never listed again. */
const FIRST_LISTING_INTERVAL = 300_000;
/** Milliseconds until a dataset that was too large is tried to be listed as a whole again. */
const FULL_AGAIN = 86_400_000;

/** See the file's header. */
export class SnapshotKeeper implements AsyncDisposable {
  readonly #o: SnapshotKeeperOptions;
  readonly #directories: DirectoryListings;
  readonly #stop = new AbortController();
  readonly #purge: SupersededPurge;
  readonly #lazy: LazyRenewal;
  /** When a directory was last listed anew because the origin had changed. */
  readonly #renewed = new Map<number, number>();
  #refreshMs: number | 'never';
  #listLimit: number;
  #refreshTimer: Timer | null = null;
  #full: Promise<RefreshSummary> | null = null;
  #preview: Promise<RefreshSummary> | null = null;
  #fullListings = 0;
  #failures = 0;
  #failuresInRow = 0;
  #lastDuration = 0;
  /** When the listing of all had grown too long, monotonic milliseconds; null where it has not. */
  #limitedAt: number | null = null;
  /** Whether a listing of all is in effect. */
  #complete: boolean;
  #saidLimit = false;
  #saidSkipped = false;

  constructor(options: SnapshotKeeperOptions) {
    this.#o = options;
    this.#refreshMs = options.refreshMs;
    this.#listLimit = options.listLimit;
    this.#directories = new DirectoryListings({
      index: options.index,
      source: options.source,
      clock: options.clock,
      onListed: async (_, outcome) => {
        await this.#tell(outcome);
      },
      onChanges: (changes) => {
        this.#told(changes, false);
      },
    });
    this.#complete = options.index.snapshot().complete;
    const lookups = (ino: number): number => options.kernel.lookups(ino);
    this.#purge = new SupersededPurge({ ...options, lookups, guard: (work) => this.#guard(work) });
    this.#lazy = new LazyRenewal({
      ...options,
      lookups,
      renew: (dir) => this.#directories.renew(dir),
      interval: () => (this.#refreshMs === 'never' ? Infinity : this.#refreshMs),
      signal: this.#stop.signal,
    });
  }

  /** Starts what runs in the background. */
  start(): void {
    this.#purge.start();
    void this.#guard(this.#purgeLeftovers());
    if (this.#complete) this.#schedule();
    else void this.#guard(this.refresh());
  }

  /** Another rhythm, another limit, from now on. */
  reconfigure({ refreshMs, listLimit }: Pick<SnapshotKeeperOptions, 'refreshMs' | 'listLimit'>): void {
    const isOther = refreshMs !== this.#refreshMs;
    this.#refreshMs = refreshMs;
    if (listLimit !== this.#listLimit) {
      this.#listLimit = listLimit;
      this.#limitedAt = null; // the next refresh tries to list all again
      this.#saidLimit = false;
    }
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
      superseded: this.#purge.held,
    };
  }

  /** See `DirectoryListings.progress`. */
  progress(dir: number): Promise<void> {
    return this.#directories.progress(dir);
  }

  /** The kernel is given this file or directory: what is read of it next should not be older than a refresh. */
  used(node: { readonly ino: number; readonly dir: boolean }): void {
    if (node.dir && (this.#limitedAt !== null || !this.#complete)) this.#lazy.used(node.ino);
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
   * Lists everything anew and switches, or, of a dataset that is too large for that, what is in use; joins a refresh that is
   * under way.
   * @returns what has changed
   * @throws DlfsError when the listing failed; what was visible stays
   */
  refresh(): Promise<RefreshSummary> {
    this.#full ??= this.#renewAll().finally(() => {
      this.#full = null;
      if (!this.#stop.signal.aborted) this.#schedule();
    });
    return this.#full;
  }

  /**
   * Lists everything anew and switches nothing.
   * @param signal gives it up
   * @returns what a refresh would change now
   * @throws DlfsError when the listing failed; `interrupted`
   */
  async preview(signal: AbortSignal): Promise<RefreshSummary> {
    // One listing of the whole at a time; a refresh that is asked for meanwhile comes after this one.
    while (this.#full !== null || this.#preview !== null) await Promise.allSettled([this.#full, this.#preview]);
    const either = AbortSignal.any([signal, this.#stop.signal]);
    requireGoingOn(either);
    this.#preview = this.#listPreview(either).finally(() => {
      this.#preview = null;
    });
    return await this.#preview;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#refreshTimer?.[Symbol.dispose]();
    await Promise.allSettled([
      this.#full,
      this.#preview,
      this.#directories[Symbol.asyncDispose](),
      this.#purge[Symbol.asyncDispose](),
    ]);
  }

  async #renewAll(): Promise<RefreshSummary> {
    const { clock } = this.#o;
    this.#refreshTimer?.[Symbol.dispose]();
    await Promise.allSettled([this.#preview]);
    const begun = clock.monotonic();
    try {
      const wasLimited = this.#limitedAt !== null && begun - this.#limitedAt < FULL_AGAIN;
      const summary = wasLimited ? NOTHING_KNOWN : await this.#listAll();
      // The first time there is nothing old: directories were listed while the listing of all was under way.
      if (this.#limitedAt !== null && (wasLimited || this.#complete)) await this.#renewInUse();
      this.#failuresInRow = 0;
      return summary;
    } catch (error) {
      this.#failures += 1;
      this.#failuresInRow += 1;
      throw error;
    } finally {
      this.#lastDuration = clock.monotonic() - begun;
    }
  }

  async #listPreview(signal: AbortSignal): Promise<RefreshSummary> {
    const { index, source, prefix, lanes } = this.#o;
    const whole = { index, source, directories: this.#directories, prefix, limit: this.#listLimit, lanes, signal };
    return await listAll({ ...whole, purpose: 'preview' }, async (full) => {
      const { outcome, names } = await full.preview();
      // Names of directories that are only staged can be told no more once the listing is given up.
      const sample = new ChangeSample(index);
      sample.note(names);
      return sample.summary(outcome);
    });
  }

  async #listAll(): Promise<RefreshSummary> {
    const { clock, log, index, source, prefix, lanes } = this.#o;
    const limit = this.#listLimit;
    const begun = clock.monotonic();
    const whole = { index, source, directories: this.#directories, prefix, limit, lanes, signal: this.#stop.signal };
    const outcome = await listAll(whole, (full) => full.finish());
    this.#fullListings += 1;
    const isNews = !this.#complete || outcome.overflow || outcome.added + outcome.changed > 0;
    if (outcome.stopped === 'list-limit') {
      this.#limitedAt = clock.monotonic();
      this.#sayLimit();
    } else {
      this.#complete = true;
      this.#limitedAt = null;
      this.#saidLimit = false;
      log.info('the listing is complete', {
        added: outcome.added,
        changed: outcome.changed,
        removed: outcome.removed,
        files: index.snapshot().files,
        skipped: this.#skipped(),
        seconds: Math.round((clock.monotonic() - begun) / 1000),
      });
    }
    const sample = new ChangeSample(index);
    await this.#tell(outcome, sample);
    if (outcome.stopped !== 'list-limit' && isNews) this.#o.onComplete();
    return sample.summary(outcome);
  }

  async #renewInUse(): Promise<void> {
    const { renewed, failed, failure } = await this.#lazy.pass();
    this.#o.log.debug('the directories in use are renewed', { renewed, failed });
    if (failure === null) return;
    // Where none could be renewed the origin is away: that is told as a failed listing, and tried again as one.
    if (renewed === 0) throw failure;
    this.#o.log.warn(`${failed} directories could not be renewed: ${failure.message}`, { err: failure });
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
    const incomplete = !this.#complete && !this.#saidLimit;
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

  async #tell(outcome: ListingOutcome, sample?: ChangeSample): Promise<void> {
    for await (const batch of outcome.changes) {
      sample?.note(batch);
      this.#told(batch, false);
    }
    if (outcome.overflow) this.#told([], true);
  }

  /** Tells the kernel. */
  #told(changes: readonly NameChange[], overflow: boolean): void {
    // A name that is new replaces at most a negative entry; one that is the same replaces nothing.
    const real = changes.filter((change) => change.oldIno !== null || change.newIno !== null);
    if (real.length === 0 && !overflow) return;
    const directories = new Set(real.map((change) => change.parent));
    const everything = overflow || real.length > MAX_TOLD;
    for (const dir of directories) this.#o.onDirectoryChanged(dir);
    this.#o.onChanges(real, overflow);
    void this.#guard(this.#o.kernel.forget(real.slice(0, MAX_TOLD), [...directories], everything));
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
