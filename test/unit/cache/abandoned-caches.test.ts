import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { AbandonedCaches, type Remover } from '../../../src/cache/blocks/abandoned-caches.ts';

function caches(remove: Remover | null): { readonly abandoned: AbandonedCaches; readonly clock: ManualClock } {
  const clock = new ManualClock();
  return { abandoned: new AbandonedCaches(remove, clock, SILENT_LOGGER), clock };
}

describe('a cache that nobody serves from', () => {
  test('is given up at the floor, and where inodes are short, but never for a quota', async () => {
    let removed = 0;
    const { abandoned } = caches(() => Promise.resolve((removed += 1) > 0));
    for (const reason of ['quota-bytes', 'quota-files', 'too-large'] as const)
      assert.equal(await abandoned.giveUp(reason), false);
    assert.equal(removed, 0);
    assert.deepEqual([await abandoned.giveUp('floor'), await abandoned.giveUp('inodes')], [true, true]);
    assert.equal(removed, 2);
  });

  test('stays where nobody removes them', async () => {
    assert.equal(await caches(null).abandoned.giveUp('floor'), false);
  });

  test('is removed once for all who ask meanwhile', async () => {
    let calls = 0;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { abandoned } = caches(() => {
      calls += 1;
      return promise;
    });
    const asked = [abandoned.giveUp('floor'), abandoned.giveUp('floor')];
    resolve(true);
    assert.deepEqual(await Promise.all(asked), [true, true]);
    assert.equal(calls, 1);
  });

  test('is not waited for without end', async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { abandoned, clock } = caches(() => promise);
    const asked = abandoned.giveUp('floor');
    await clock.advance(2_000);
    assert.equal(await asked, false);
    resolve(true);
  });

  test('is not looked for again at once where there was none, or none that could be removed', async () => {
    for (const none of [() => Promise.resolve(false), () => Promise.reject(new Error('the disk refuses'))]) {
      let looks = 0;
      const { abandoned, clock } = caches(() => {
        looks += 1;
        return none();
      });
      for (let i = 0; i < 3; i++) assert.equal(await abandoned.giveUp('floor'), false);
      assert.equal(looks, 1);
      await clock.advance(30_000);
      assert.equal(await abandoned.giveUp('floor'), false);
      assert.equal(looks, 2);
    }
  });
});
