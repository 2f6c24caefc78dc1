/**
 * How long the event loop keeps its callers waiting, without the time that the machine kept the thread itself waiting.
 *
 * A timer of known period is late by what the loop was busy with, plus what the thread waited for a processor. The kernel counts
 * the latter (second field of /proc/thread-self/schedstat); it is taken off, because a busy machine is not our doing.
 *
 * Invariants:
 * 1. Bounded memory: a histogram of fixed buckets.
 */
import { readFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import type { Clock, Timer } from '../base/clock.ts';

/** Percentiles in milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly samples: number;
}

/** Milliseconds between samples: short against the 20 ms that matter, long against the cost of one (20 µs). */
const PERIOD = 10;
/** Buckets of half a millisecond up to a second. */
const BUCKET = 0.5;
const BUCKETS = 2000;
const NANOS_PER_MILLI = 1e6;

/** See the file's header. Disposing it stops the sampling. */
export class LoopDelayMeter implements Disposable {
  readonly #clock: Clock;
  readonly #counts = new Uint32Array(BUCKETS + 1);
  readonly #timer: Timer;
  #last: number;
  #lastWait: number;
  #max = 0;
  #samples = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.monotonic();
    this.#lastWait = runQueueWait();
    this.#timer = clock
      .startInterval(PERIOD, () => {
        this.#sample();
      })
      .unref();
  }

  /** What was seen since the start. */
  read(): LoopDelay {
    return { p50: this.#percentile(0.5), p99: this.#percentile(0.99), max: this.#max, samples: this.#samples };
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #sample(): void {
    const now = this.#clock.monotonic();
    const wait = runQueueWait();
    const late = Math.max(0, now - this.#last - PERIOD - (wait - this.#lastWait));
    this.#last = now;
    this.#lastWait = wait;
    this.#max = Math.max(this.#max, late);
    this.#samples += 1;
    const bucket = Math.min(BUCKETS, Math.floor(late / BUCKET));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  #percentile(share: number): number {
    let left = this.#samples * share;
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && this.#samples > 0) return (bucket + 1) * BUCKET;
    }
    return 0;
  }
}

/** Milliseconds that the main thread has waited for a processor; 0 where the kernel does not say. */
function runQueueWait(): number {
  if (threadId !== 0) return 0;
  try {
    const [, wait] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
    return Number(wait) / NANOS_PER_MILLI;
  } catch {
    return 0;
  }
}
