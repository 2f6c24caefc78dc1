/**
 * The little statistics that a benchmark on a noisy machine needs: medians, and how far samples lie apart.
 */

/** What a row says of its samples. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Half the distance between low and high as a share of the median; 0 for a single sample or a median of 0. */
  readonly spread: number;
}

/**
 * The value at a share of the sorted samples, between two of them by their distance.
 * @param share from 0 to 1
 * @throws RangeError without samples or outside of 0..1
 */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('no samples');
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a share lies from 0 to 1, not at ${share}`);
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** The middle sample, or the mean of the middle two. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** @throws RangeError without samples */
export function summarise(samples: readonly number[]): Summary {
  const middle = median(samples);
  const low = Math.min(...samples);
  const high = Math.max(...samples);
  const spread = middle === 0 ? 0 : (high - low) / 2 / Math.abs(middle);
  return { count: samples.length, median: middle, low, high, spread };
}
