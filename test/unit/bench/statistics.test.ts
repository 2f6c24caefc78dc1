import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { median, quantile, summarise } from '../../../bench/measure/statistics.ts';

describe('the statistics of a benchmark', () => {
  test('the median is the middle sample, or the mean of the middle two', () => {
    assert.equal(median([3]), 3);
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  test('a quantile lies between the two samples that it falls between', () => {
    assert.equal(quantile([10, 20, 30, 40, 50], 0), 10);
    assert.equal(quantile([10, 20, 30, 40, 50], 1), 50);
    assert.equal(quantile([10, 20, 30, 40, 50], 0.9), 46);
  });

  test('no samples, and shares outside of 0 to 1, are refused', () => {
    assert.throws(() => median([]), RangeError);
    assert.throws(() => quantile([1], 1.1), RangeError);
    assert.throws(() => quantile([1], NaN), RangeError);
  });

  test('the spread is half the range as a share of the median', () => {
    assert.deepEqual(summarise([90, 100, 120]), { count: 3, median: 100, low: 90, high: 120, spread: 0.15 });
    assert.equal(summarise([5]).spread, 0);
    assert.equal(summarise([0, 0, 0]).spread, 0);
  });

  test('for any samples: the median lies within them, whatever their order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 }), (samples) => {
        const { low, high, median: middle } = summarise(samples);
        assert.ok(low <= middle && middle <= high);
        assert.equal(median(samples.toReversed()), middle);
      }),
    );
  });
});
