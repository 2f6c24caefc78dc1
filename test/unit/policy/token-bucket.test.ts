import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from '../../../src/cache/policy/token-bucket.ts';

/** Milliseconds' worth of the rate that may come at once. */
const BURST = 250;

describe('a token bucket', () => {
  test('lets its burst through at once, then what is larger makes the next one wait its worth', () => {
    const bucket = new TokenBucket(1000, 0);
    assert.equal(bucket.wait(0), 0);
    bucket.take(1250, 0); // a second's worth more than there is
    assert.equal(bucket.wait(0), 1000);
    assert.equal(bucket.wait(400), 600);
    assert.equal(bucket.wait(1000), 0);
  });

  test('saves no more than its burst, however long nobody comes', () => {
    const bucket = new TokenBucket(1000, 0);
    bucket.take(250, 3_600_000);
    bucket.take(100, 3_600_000);
    assert.equal(bucket.wait(3_600_000), 100);
  });

  test('of a clock that stands still or goes back gives nothing twice', () => {
    const bucket = new TokenBucket(1000, 5000);
    bucket.take(750, 5000);
    assert.equal(bucket.wait(4000), 500);
    assert.equal(bucket.wait(5000), 500);
    assert.equal(bucket.wait(5500), 0);
  });

  test('keeps its limit over every stretch of time, and uses it up', () => {
    const takes = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 5000 }), idle: fc.nat(2000) }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), takes, (rate, requests) => {
        const bucket = new TokenBucket(rate, 0);
        const log: { at: number; bytes: number }[] = [];
        let now = 0;
        for (const { bytes, idle } of requests) {
          now += idle;
          const wait = bucket.wait(now);
          // Whoever waits as long as it says may go on: no longer wait is asked for.
          now += wait;
          assert.ok(bucket.wait(now) < 1e-6 * (1 + now), `${bucket.wait(now)} ms more`);
          bucket.take(bytes, now);
          log.push({ at: now, bytes });
        }
        for (let from = 0; from < log.length; from++) {
          let sum = 0;
          for (const { at, bytes } of log.slice(from)) {
            // What came before the last request of the stretch is within rate × time + burst.
            const allowed = (rate / 1000) * (at - log[from]!.at + BURST);
            assert.ok(sum <= allowed * (1 + 1e-9) + 1e-6, `${sum} of ${allowed} within ${at - log[from]!.at} ms`);
            sum += bytes;
          }
        }
      }),
    );
  });
});
