/**
 * A limit of bytes a second, as a token bucket that lends: whoever takes more than there is goes on at once and makes the next
 * one wait. So a request larger than the bucket needs no special case, and over any stretch of time the limit holds but for one bucket
 * and the last request.
 *
 * Invariants:
 * 1. Over a time t at most rate × t + burst + the last request's bytes are let through.
 * 2. Time comes in with each call; nothing here waits.
 */

/** Milliseconds' worth of the rate that may be taken at once: what timers and pages make uneven. */
const BURST_MS = 250;

/** See the file's header. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  /**
   * @param rate bytes a second, > 0
   * @param now monotonic milliseconds, as in every call
   */
  constructor(rate: number, now: number) {
    this.#perMs = rate / 1000;
    this.#burst = this.#perMs * BURST_MS;
    this.#tokens = this.#burst;
    this.#at = now;
  }

  /** @returns milliseconds until the next bytes may be taken; 0: now */
  wait(now: number): number {
    this.#fill(now);
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  /** Takes bytes, more than there are if need be. */
  take(bytes: number, now: number): void {
    this.#fill(now);
    this.#tokens -= bytes;
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = Math.max(this.#at, now);
  }
}
