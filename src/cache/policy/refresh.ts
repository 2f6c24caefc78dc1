/**
 * When the listing is refreshed next.
 *
 * A listing costs the origin requests and ourselves time, so it may take at most 2 % of the time: the pause after one is at
 * least 50 times its own duration. Jitter of ±10 % keeps the nodes of a cluster, started together, from listing together.
 * After failures the pause starts short and doubles: an origin that was away for a minute is noticed soon, one that is away
 * for a day is not hammered.
 *
 * Invariants:
 * 1. Jitter included, a pause is at least 50 times the duration of the listing before it, a failed one included.
 * 2. `never` means never: no pause is named.
 * 3. Without failures a pause lies within ±10 % of the larger of the interval and 1/0.9 of invariant 1's bound.
 */

/** Options of the schedule. */
export interface RefreshOptions {
  /** Milliseconds from the end of a listing to the start of the next, as configured (`--refresh`). */
  readonly interval: number | 'never';
}

/** How the last listing went. */
export interface ListingOutcome {
  /** Milliseconds that it took, complete or not. */
  readonly duration: number;
  /** Failures in a row up to now; 0 after a success. */
  readonly failures: number;
}

/** Pause ÷ duration: 1 / (1 + 50) < 2 % of the time. */
export const PAUSE_FACTOR = 50;

const JITTER = 0.1;

// 30 s: long enough for a restarting origin, short enough that a new object is not missed for the outage's sake. An hour at
// most, or the interval where that is longer.
const FIRST_BACKOFF = 30_000;
const MAX_BACKOFF = 3_600_000;

/**
 * @param random uniform in [0, 1)
 * @returns milliseconds from the end of the last listing to the start of the next; null for never
 */
export function nextRefresh(options: RefreshOptions, last: ListingOutcome, random: () => number): number | null {
  if (options.interval === 'never') return null;
  // The bound is widened by what jitter may take away, so that jitter stays symmetric there too.
  const bound = (last.duration * PAUSE_FACTOR) / (1 - JITTER);
  const wanted = last.failures > 0 ? backoff(last.failures, options.interval) : options.interval;
  const pause = Math.max(wanted, bound) * (1 + JITTER * (2 * random() - 1));
  return Math.max(pause, last.duration * PAUSE_FACTOR);
}

/** @returns the pause after `failures` failures in a row: doubling, between 30 s (or the interval) and an hour (or the interval) */
function backoff(failures: number, interval: number): number {
  const most = Math.max(interval, MAX_BACKOFF);
  return Math.min(most, Math.min(FIRST_BACKOFF, interval) * 2 ** Math.min(failures - 1, 30));
}
