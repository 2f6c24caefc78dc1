/**
 * How long to wait before a request is tried again: exponential, with full jitter, and never shorter than the origin asked.
 *
 * Pure: randomness comes in as a number. (Full jitter spreads a herd of nodes best: AWS architecture blog, "Exponential
 * Backoff And Jitter".)
 */

/** The first ceiling, milliseconds: a little more than a round trip across a continent. */
const BASE_MS = 100;

/** The first ceiling after a request to slow down: S3 answers 503 while it splits a partition, which takes longer. */
const THROTTLED_BASE_MS = 500;

/** The highest ceiling, milliseconds. */
const MAX_MS = 20_000;

/**
 * Milliseconds to wait.
 * @param failures how many tries have failed: ≥ 1
 * @param random 0 ≤ x < 1
 * @param throttled whether the origin asked to slow down
 * @param retryAfterMs what it asked for, or null
 */
export function backoffMs(failures: number, random: number, throttled: boolean, retryAfterMs: number | null): number {
  const ceiling = Math.min((throttled ? THROTTLED_BASE_MS : BASE_MS) * 2 ** Math.min(failures - 1, 16), MAX_MS);
  return Math.max(random * ceiling, retryAfterMs ?? 0);
}
