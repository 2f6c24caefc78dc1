/**
 * How much page cache each of a thread's open databases may have.
 *
 * SQLite bounds the cache of one connection, not of a process: five hundred open databases would be five hundred times the bound.
 * Here the connections of a thread share a total. Each that is in use gets an equal part; one that was not used for a while gives
 * back what it holds and keeps only the least, until its next use.
 *
 * Invariants:
 * 1. The parts of those in use sum up to the total at most, except that each has the least.
 * 2. A use costs one comparison; parts change when the number in use has doubled or halved, not with each database.
 */
import type { Database } from 'better-sqlite3';
import type { Clock, Timer } from '../../base/clock.ts';

/** Bounds, in KiB. */
export interface PageCacheBounds {
  /** Of all connections together. */
  readonly total: number;
  /** Of one, at most. */
  readonly most: number;
  /** Of one, at least; also of one that rests. */
  readonly least: number;
}

/** Milliseconds without a use after which a connection rests. */
const REST_AFTER = 15_000;

/** A connection's part. */
export class PageCachePart implements Disposable {
  readonly #database: Database;
  readonly #shares: PageCacheShares;
  #isUsed = true;
  #isResting = false;

  /** Made by `PageCacheShares.join`. */
  constructor(database: Database, shares: PageCacheShares) {
    this.#database = database;
    this.#shares = shares;
  }

  /** The connection is about to be used. */
  use(): void {
    this.#isUsed = true;
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#shares.woken(this);
  }

  /** @param kib the part from now on */
  set(kib: number): void {
    this.#database.pragma(`cache_size = -${kib}`);
  }

  /** Gives back what is held where nobody has used it since the last call. @returns whether it rests from now on */
  rest(least: number): boolean {
    const isIdle = !this.#isUsed;
    this.#isUsed = false;
    if (!isIdle) return false;
    this.#isResting = true;
    this.set(least);
    this.#database.pragma('shrink_memory');
    return true;
  }

  [Symbol.dispose](): void {
    this.#shares.leave(this);
  }
}

/** See the file's header. Disposing it stops its timer. */
export class PageCacheShares implements Disposable {
  readonly #bounds: PageCacheBounds;
  readonly #active = new Set<PageCachePart>();
  readonly #timer: Timer;
  #part: number;

  constructor(bounds: PageCacheBounds, clock: Pick<Clock, 'startInterval'>) {
    this.#bounds = bounds;
    this.#part = bounds.most;
    this.#timer = clock.startInterval(REST_AFTER, () => this.#look()).unref();
  }

  /** What a connection in use may have now, KiB. */
  get part(): number {
    return this.#part;
  }

  /** Takes a connection in. Dispose the part before the connection is closed. */
  join(database: Database): PageCachePart {
    const part = new PageCachePart(database, this);
    this.#active.add(part);
    this.#divide();
    part.set(this.#part);
    return part;
  }

  /** The part is in use again. */
  woken(part: PageCachePart): void {
    this.#active.add(part);
    this.#divide();
    part.set(this.#part);
  }

  /** The connection is about to be closed. */
  leave(part: PageCachePart): void {
    this.#active.delete(part);
    this.#divide();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #look(): void {
    for (const part of [...this.#active]) if (part.rest(this.#bounds.least)) this.#active.delete(part);
    this.#divide();
  }

  #divide(): void {
    const { total, most, least } = this.#bounds;
    // By powers of two: the part of n connections is that of the next power, so a change of parts is rare.
    const steps = 2 ** Math.ceil(Math.log2(Math.max(1, this.#active.size)));
    const part = Math.max(least, Math.min(most, Math.floor(total / steps)));
    if (part === this.#part) return;
    this.#part = part;
    for (const one of this.#active) one.set(part);
  }
}
