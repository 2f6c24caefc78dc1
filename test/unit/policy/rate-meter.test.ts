import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RateMeter } from '../../../src/cache/policy/rate-meter.ts';

/** Milliseconds of a slot, and of the window. */
const SLOT = 500;
const WINDOW = 10_000;

describe('a rate', () => {
  test('is nothing before anything came, and finite in the first moment', () => {
    const meter = new RateMeter(1000);
    assert.equal(meter.rate(1000), 0);
    meter.add(100, 1000);
    assert.equal(meter.rate(1000), 200, 'a slot is the shortest time it is held against');
  });

  test('of a steady stream is that stream, from the first seconds on', () => {
    const meter = new RateMeter(0);
    for (let now = 0; now < 60_000; now += 10) {
      meter.add(100, now);
      if (now > 2000) assert.ok(Math.abs(meter.rate(now + 10) - 10_000) < 600, `${meter.rate(now)} at ${now} ms`);
    }
  });

  test('forgets a burst with the window, and a pause longer than it at once', () => {
    const meter = new RateMeter(0);
    meter.add(1e6, 0);
    assert.ok(meter.rate(WINDOW - SLOT) > 0);
    assert.equal(meter.rate(WINDOW + SLOT), 0);
    meter.add(1e6, 20_000);
    assert.equal(meter.rate(3_600_000), 0);
  });

  test('is what came within the window over the time that it covers, whatever comes when', () => {
    const steps = fc.array(fc.record({ pause: fc.nat(4000), amount: fc.nat(1e6) }), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(fc.nat(1e6), steps, (begun, all) => {
        const meter = new RateMeter(begun);
        const log: { at: number; amount: number }[] = [];
        let now = begun;
        for (const { pause, amount } of all) {
          now += pause;
          meter.add(amount, now);
          log.push({ at: now, amount });
          const slot = Math.floor(now / SLOT);
          const began = (slot - WINDOW / SLOT + 1) * SLOT;
          const sum = log.filter(({ at }) => at >= began).reduce((total, one) => total + one.amount, 0);
          const expected = (sum * 1000) / Math.max(SLOT, now - Math.max(begun, began));
          assert.ok(
            Math.abs(meter.rate(now) - expected) <= 1e-9 * (1 + expected),
            `${meter.rate(now)}, not ${expected}`,
          );
        }
      }),
    );
  });
});
