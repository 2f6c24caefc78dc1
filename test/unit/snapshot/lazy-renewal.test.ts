/**
 * Renewal of directories in use, over directories of plain numbers.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DlfsError } from '../../../src/base/errors.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { LazyRenewal } from '../../../src/fs/snapshot/lazy-renewal.ts';

const HOUR = 3_600_000;

interface World {
  /** Directories listed, all at the start of the clock. */
  dirs: number;
  held?: (dir: number) => boolean;
  renew?: (dir: number) => Promise<void>;
  interval?: number;
}

function renewalIn({ dirs, held = () => true, renew = () => Promise.resolve(), interval = HOUR }: World) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const renewed: number[] = [];
  let now = 0;
  let most = 0;
  const listed = clock.wall();
  const renewal = new LazyRenewal({
    index: {
      listedAfter: (after, limit) =>
        Array.from({ length: Math.max(0, Math.min(limit, dirs - after)) }, (_, at) => after + 1 + at),
      listedAt: (dir) => (dir <= dirs ? listed : null),
    },
    lookups: (dir) => (held(dir) ? 1 : 0),
    renew: async (dir) => {
      now += 1;
      most = Math.max(most, now);
      renewed.push(dir);
      await new Promise((resolve) => setImmediate(resolve));
      try {
        await renew(dir);
      } finally {
        now -= 1;
      }
    },
    interval: () => interval,
    clock,
    signal: stop.signal,
  });
  /** Lets pages of the pass follow each other. */
  const run = async () => {
    const pass = renewal.pass();
    const over = new AbortController();
    void pass.finally(() => over.abort());
    while (!over.signal.aborted) {
      await clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await pass;
  };
  return { renewal, run, clock, stop, renewed, most: () => most };
}

describe('a pass', () => {
  test('renews each directory that the kernel holds, and the root, once, a few at a time', async () => {
    const world = renewalIn({ dirs: 1000, held: (dir) => dir % 10 === 0 });
    assert.deepEqual(await world.run(), { renewed: 101, failed: 0, failure: null });
    assert.deepEqual(
      world.renewed.toSorted((a, b) => a - b),
      [1, ...Array.from({ length: 100 }, (_, at) => (at + 1) * 10)],
    );
    assert.equal(world.most(), 4);
  });

  test('goes on past directories that cannot be listed, and tells of the first; one that is gone is none', async () => {
    const gone = new DlfsError('not-found', 'gone');
    const denied = new DlfsError('access-denied', 'no');
    const world = renewalIn({
      dirs: 6,
      renew: (dir) => (dir === 3 ? Promise.reject(gone) : dir === 4 ? Promise.reject(denied) : Promise.resolve()),
    });
    assert.deepEqual(await world.run(), { renewed: 4, failed: 1, failure: denied });
  });

  test('ends when it is told to', async () => {
    const world = renewalIn({ dirs: 100_000, held: () => false });
    world.stop.abort();
    assert.equal((await world.run()).renewed, 0);
  });
});

describe('a directory that is looked up', () => {
  test('is renewed where its listing is older than the interval, and no second time meanwhile', async () => {
    const gate = Promise.withResolvers<undefined>();
    const world = renewalIn({ dirs: 3, renew: () => gate.promise });
    world.renewal.used(2);
    assert.deepEqual(world.renewed, []);
    await world.clock.advance(HOUR);
    world.renewal.used(2);
    world.renewal.used(2);
    world.renewal.used(4); // not listed
    assert.deepEqual(world.renewed, [2]);
    gate.resolve(undefined);
  });

  test('is left to the next pass where too many wait already', async () => {
    const gate = Promise.withResolvers<undefined>();
    const world = renewalIn({ dirs: 1000, renew: () => gate.promise });
    await world.clock.advance(HOUR);
    for (let dir = 1; dir <= 1000; dir++) world.renewal.used(dir);
    assert.equal(world.renewed.length, 64);
    gate.resolve(undefined);
  });

  test('is never renewed with --refresh never', async () => {
    const world = renewalIn({ dirs: 3, interval: Infinity });
    await world.clock.advance(1000 * HOUR);
    world.renewal.used(2);
    assert.deepEqual(world.renewed, []);
  });
});
