import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { nextRefresh, PAUSE_FACTOR } from '../../../src/cache/policy/refresh.ts';

const MINUTE = 60_000;
const middle = (): number => 0.5;

describe('the next refresh', () => {
  test('comes after the interval, give or take a tenth', () => {
    const options = { interval: 5 * MINUTE };
    const last = { duration: 200, failures: 0 };
    assert.equal(nextRefresh(options, last, middle), 5 * MINUTE);
    assert.ok(Math.abs((nextRefresh(options, last, () => 0) ?? 0) - 4.5 * MINUTE) < 1);
    assert.ok(Math.abs((nextRefresh(options, last, () => 0.999999) ?? 0) - 5.5 * MINUTE) < 1);
  });

  test('waits longer when a listing takes long', () => {
    const pause = nextRefresh({ interval: MINUTE }, { duration: 60_000, failures: 0 }, middle) ?? 0;
    assert.ok(pause >= 50 * MINUTE && pause <= 56 * MINUTE);
  });

  test('never comes when there shall be none', () => {
    assert.equal(nextRefresh({ interval: 'never' }, { duration: 1, failures: 3 }, middle), null);
  });

  test('comes early after a first failure, and later with each further one', () => {
    const pauses = [1, 2, 3, 4, 5, 20].map((failures) =>
      nextRefresh({ interval: 5 * MINUTE }, { duration: 10, failures }, middle),
    );
    assert.deepEqual(pauses, [30_000, 60_000, 120_000, 240_000, 480_000, 60 * MINUTE]);
  });

  test('does not come sooner after a failure than a short interval says', () => {
    assert.equal(nextRefresh({ interval: 5000 }, { duration: 10, failures: 1 }, middle), 5000);
  });

  test('takes at most 2 % of the time, whatever the jitter', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.nat(10_000_000),
        fc.nat(50),
        fc.double({ min: 0, max: 0.9999, noNaN: true }),
        (interval, duration, failures, random) => {
          const pause = nextRefresh({ interval }, { duration, failures }, () => random) ?? -1;
          assert.ok(pause >= PAUSE_FACTOR * duration);
          assert.ok(duration / (duration + pause) <= 0.02 || duration === 0);
          if (failures > 0) return;
          const wanted = Math.max(interval, (PAUSE_FACTOR * duration) / 0.9);
          assert.ok(pause >= 0.9 * wanted - 1 && pause <= 1.1 * wanted + 1);
        },
      ),
    );
  });
});
