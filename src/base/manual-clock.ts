/**
 * A clock that stands still until it is told to move: for tests and simulations.
 *
 * `advance` moves time from one due timer to the next, runs each at its own moment, and lets promise reactions settle
 * between them, so that code under test sees the same order as on a real clock.
 *
 * Invariants:
 * 1. Time moves only in `advance`, and never back on the monotonic scale.
 * 2. Due timers run in order of their due time; equal ones in the order they were started.
 * 3. `pending` counts the timers that are neither fired nor disposed: a test ends with 0.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { millis, unixMillis, type Millis, type UnixMillis } from './brand.ts';
import { sleepOn, type Clock, type Timer } from './clock.ts';

interface Entry {
  due: number;
  readonly order: number;
  readonly interval: number | null;
  readonly callback: () => void;
}

/** A clock moved by hand; see the file's header. */
export class ManualClock implements Clock {
  readonly #entries = new Set<Entry>();
  #now = 0;
  #wall: number;
  #order = 0;

  /** @param wall where the wall clock stands first, in milliseconds since 1970 */
  constructor(wall = Date.UTC(2025, 0, 1)) {
    this.#wall = wall;
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#entries.size;
  }

  monotonic(): Millis {
    return millis(this.#now);
  }

  wall(): UnixMillis {
    return unixMillis(this.#wall);
  }

  /** Sets the wall clock alone, as an administrator or NTP would. */
  setWall(wall: number): void {
    this.#wall = wall;
  }

  startTimer(delay: number, callback: () => void): Timer {
    return this.#start(delay, null, callback);
  }

  startInterval(interval: number, callback: () => void): Timer {
    return this.#start(interval, Math.max(interval, Number.MIN_VALUE), callback);
  }

  sleep(delay: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delay, signal);
  }

  /**
   * Moves time forward, running what falls due on the way.
   * @param span milliseconds, ≥ 0
   * @returns when all of it has run and pending promise reactions have settled
   */
  async advance(span: number): Promise<void> {
    const end = this.#now + millis(span);
    await nextTurn();
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#moveTo(Math.max(next.due, this.#now));
      if (next.interval === null) this.#entries.delete(next);
      try {
        next.callback();
      } finally {
        if (next.interval !== null) next.due = this.#now + next.interval;
      }
      await nextTurn();
    }
    this.#moveTo(end);
  }

  #start(delay: number, interval: number | null, callback: () => void): Timer {
    const entry: Entry = { due: this.#now + Math.max(delay, 0), order: this.#order++, interval, callback };
    this.#entries.add(entry);
    const timer: Timer = {
      unref: () => timer,
      [Symbol.dispose]: () => {
        this.#entries.delete(entry);
      },
    };
    return timer;
  }

  #next(end: number): Entry | null {
    let first: Entry | null = null;
    for (const entry of this.#entries) {
      if (entry.due > end) continue;
      if (first === null || entry.due < first.due || (entry.due === first.due && entry.order < first.order)) {
        first = entry;
      }
    }
    return first;
  }

  #moveTo(time: number): void {
    this.#wall += time - this.#now;
    this.#now = time;
  }
}
