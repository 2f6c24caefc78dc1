/**
 * Renewal of a dataset that is too large to be listed as a whole (`--list-limit`): the directories in use are listed anew, one
 * by one.
 *
 * In use is what the kernel holds: a pass goes through the listed directories and renews those. A directory that the kernel
 * does not hold must be looked up before anybody can read it, and is renewed then, where its listing is older than the interval;
 * the lookup itself is answered at once, from what is known.
 *
 * Invariants:
 * 1. Nobody waits for a renewal.
 * 2. At most `AT_ONCE` renewals of a pass run side by side, and `MAX_STALE` of those that lookups ask for wait: listings that
 *    somebody waits for find room, and a walk over a million old directories does not queue a million.
 * 3. A directory that cannot be renewed stays as it is; the others are renewed all the same.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { ROOT_INO } from '../../cache/index/rows.ts';

/** What it asks of the index. */
export interface RenewalIndex {
  listedAfter(afterIno: number, limit: number): readonly number[];
  /** When a directory was listed, milliseconds since 1970; null where it is not. */
  listedAt(dir: number): number | null;
}

/** What it is made of. */
export interface LazyRenewalOptions {
  readonly index: RenewalIndex;
  /** References that the kernel holds to an inode. */
  readonly lookups: (ino: number) => number;
  /** Lists one directory anew. */
  readonly renew: (dir: number) => Promise<void>;
  /** Milliseconds after which a listing is old, as of now; Infinity: never. */
  readonly interval: () => number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How a pass went. */
export interface RenewalPass {
  readonly renewed: number;
  /** Directories that could not be listed. */
  readonly failed: number;
  /** Why the first of them could not. */
  readonly failure: DlfsError | null;
}

/** Directories looked at in one turn of the event loop: half a millisecond. */
const PAGE = 256;
const AT_ONCE = 4;
const MAX_STALE = 64;

/** See the file's header. */
export class LazyRenewal {
  readonly #o: LazyRenewalOptions;
  readonly #stale = new Set<number>();

  constructor(options: LazyRenewalOptions) {
    this.#o = options;
  }

  /** Lists the directories in use anew. */
  async pass(): Promise<RenewalPass> {
    const done = { renewed: 0, failed: 0, failure: null as DlfsError | null };
    const pages = this.#inUse();
    const lane = async (): Promise<void> => {
      for await (const dir of pages) await this.#renew(dir, done);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    return done;
  }

  /** The kernel is given this directory: it may be read from now on. */
  used(dir: number): void {
    const { index, interval, clock, signal } = this.#o;
    if (this.#stale.has(dir) || this.#stale.size >= MAX_STALE || signal.aborted) return;
    const at = index.listedAt(dir);
    if (at === null || clock.wall() - at < interval()) return;
    this.#stale.add(dir);
    void this.#renew(dir, { renewed: 0, failed: 0, failure: null }).finally(() => this.#stale.delete(dir));
  }

  /** One generator for all lanes: each directory is handed out once. */
  async *#inUse(): AsyncGenerator<number, void, undefined> {
    const { index, lookups, clock, signal } = this.#o;
    for (let after = 0; !signal.aborted;) {
      const page = index.listedAfter(after, PAGE);
      for (const dir of page) if (dir === ROOT_INO || lookups(dir) > 0) yield dir;
      after = page.at(-1) ?? 0;
      if (page.length < PAGE) return;
      await clock.sleep(0);
    }
  }

  async #renew(dir: number, done: { renewed: number; failed: number; failure: DlfsError | null }): Promise<void> {
    try {
      await this.#o.renew(dir);
      done.renewed += 1;
    } catch (thrown) {
      const error = DlfsError.from(thrown);
      // Gone meanwhile, or we are ending: nothing to tell.
      if (error.code === 'not-found' || error.code === 'interrupted') return;
      done.failed += 1;
      done.failure ??= error;
    }
  }
}
