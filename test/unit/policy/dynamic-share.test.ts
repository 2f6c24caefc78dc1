/**
 * Sharing by a dynamic threshold: who holds on to what he has must leave something for the next.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FetchShares } from '../../../src/cache/fetch/fetch-shares.ts';
import { DynamicSupply } from '../../../src/cache/policy/dynamic-share.ts';

describe('a shared supply', () => {
  test('gives half to one alone, and a fair part to each of many that hold on to what they have', () => {
    for (const holders of [1, 2, 3, 10, 200]) {
      const supply = new DynamicSupply(1_000_000);
      const shares = Array.from({ length: holders }, () => supply.join(1));
      // In turns, a little at a time, as runs come; until nobody gets more.
      for (let more = true; more;) {
        more = false;
        for (const share of shares) {
          const amount = Math.min(100, share.room(1));
          share.take(amount);
          more ||= amount > 0;
        }
      }
      for (const { own } of shares) assert.ok(Math.abs(own - 1_000_000 / (holders + 1)) < 500, `${holders}: ${own}`);
      const next = supply.join(1);
      assert.ok(next.room(1) >= 1_000_000 / (holders + 1) / 2 - 500);
    }
  });

  test('leaves room for demand where readahead has taken all that it may', () => {
    const share = new DynamicSupply(1000).join(1);
    share.take(share.room(7 / 9));
    assert.equal(share.own, 437);
    assert.equal(share.room(7 / 9), 0);
    assert.equal(share.room(1), 63);
  });

  test('keeps its invariants whatever is taken and given back', () => {
    const step = fc.record({
      who: fc.nat(7),
      alpha: fc.constantFrom(1, 7 / 9, 0.5),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      give: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(2000), fc.array(step), (capacity, least, steps) => {
        const supply = new DynamicSupply(capacity);
        const shares = Array.from({ length: 8 }, () => supply.join(least));
        for (const { who, alpha, part, give } of steps) {
          const share = shares[who]!;
          if (give) share.give(Math.floor(share.own * part));
          else {
            const room = share.room(alpha);
            if (share.own < least) assert.ok(room >= Math.min(least - share.own, supply.free));
            share.take(Math.ceil(room * part));
            assert.ok(share.own <= Math.max(alpha * supply.free, least) || room * part === 0);
          }
          const taken = shares.reduce((sum, { own }) => sum + own, 0);
          assert.ok(taken <= capacity);
          assert.equal(supply.free, capacity - taken);
        }
        for (const share of shares) share[Symbol.dispose]();
        assert.equal(supply.free, capacity);
      }),
    );
  });
});

describe('schedulers that share', () => {
  test('are told when something was given back, once, the one who waits longest first', async () => {
    const shares = new FetchShares({ bytes: 100, requests: 10 });
    const told: string[] = [];
    const [holder, first, second] = ['holder', 'first', 'second'].map((name) =>
      shares.join(10, () => void told.push(name)),
    ) as [ReturnType<FetchShares['join']>, ReturnType<FetchShares['join']>, ReturnType<FetchShares['join']>];
    holder.take(50);
    first.refused();
    second.refused();
    first.refused();
    holder.give(20);
    holder.give(30);
    assert.deepEqual(told, []);
    await Promise.resolve();
    assert.deepEqual(told, ['first', 'second']);
    holder.take(10);
    holder.give(10);
    await Promise.resolve();
    assert.deepEqual(told, ['first', 'second']);
  });

  test('get no room for bytes where there is none for a request', () => {
    const shares = new FetchShares({ bytes: 1000, requests: 4 });
    const one = shares.join(10, () => undefined);
    const other = shares.join(10, () => undefined);
    one.take(1);
    one.take(1);
    assert.equal(one.room('demand'), 0);
    other.take(1);
    assert.equal(other.room('demand'), 0);
    one.give(1);
    one.give(1);
    assert.ok(one.room('demand') > 0, 'one request is always allowed while there is room for it');
    other[Symbol.dispose]();
    assert.deepEqual(shares.free, { bytes: 1000, requests: 4 });
  });
});
