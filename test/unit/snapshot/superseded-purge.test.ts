/**
 * Purging what no name stands for any more, over a real index.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { SupersededPurge } from '../../../src/fs/snapshot/superseded-purge.ts';
import { inoAt, IndexFixture, listAll } from '../index/fixture.ts';

/** A purge over the index; `held` are inodes that the kernel holds, `moving` those of which something is fetched. */
function purgeOver(fixture: IndexFixture) {
  const held = new Set<number>();
  const moving = new Set<number>();
  const dropped: number[] = [];
  const clock = new ManualClock();
  const purge = new SupersededPurge({
    index: fixture.index,
    store: {
      inMotion: (ino) => moving.has(ino),
      dropObjects: async (inos) => {
        dropped.push(...inos);
        await fixture.index.dropObjects(inos);
      },
    },
    lookups: (ino) => (held.has(ino) ? 1 : 0),
    clock,
    guard: async (work) => await work,
  });
  return { purge, held, moving, dropped, clock };
}

describe('a superseded version', () => {
  test('goes when the kernel has forgotten it and nothing of it is fetched, with its blocks; a vanished directory goes too', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    const { purge, held, moving, dropped } = purgeOver(fixture);
    await listAll(index, { a: {}, b: {}, c: {}, 'gone/x': {} });
    const [a, b, c, gone, x] = ['a', 'b', 'c', 'gone', 'gone/x'].map((path) => inoAt(index, path));
    await index.commitBlocks([a!, b!].map((ino) => ({ ino, idx: 0, hash: 1n })));
    await listAll(index, { a: { etag: '"2"' }, b: { etag: '"2"' }, c: { etag: '"2"' } });
    held.add(b!);
    moving.add(c!);
    await purge.run();
    assert.deepEqual([a, b, c, x].map((ino) => index.node(ino!) !== null).join(), 'false,true,true,false');
    assert.deepEqual(dropped, [a]);
    assert.equal(purge.held, 2);
    await purge.run(); // behind its children
    assert.equal(index.node(gone!), null);
    held.clear();
    moving.clear();
    await purge.run();
    assert.deepEqual(index.superseded({ died: 0, ino: 0 }, 10), []);
    assert.deepEqual(dropped, [a, b]);
    assert.equal(inoAt(index, 'a') > b!, true, 'what names stand for stays');
  });

  test('goes however many there are, and although nobody told of it; a look has its bounds', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    const { purge } = purgeOver(fixture);
    const many = 20_000;
    const keys = (etag: string) => Object.fromEntries(Array.from({ length: many }, (_, i) => [`d/${i}`, { etag }]));
    await listAll(index, keys('"1"'));
    await listAll(index, keys('"2"')); // the changes of this one are not read
    await purge.run();
    const left = index.superseded({ died: 0, ino: 0 }, many).length;
    assert.ok(left > 0 && left < many, `${left} left`);
    await purge.run();
    assert.equal(index.superseded({ died: 0, ino: 0 }, 1).length, 0);
    assert.equal(index.totals().nodes, many + 2);
  });

  test('is looked for from time to time, and not after the end', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    const { purge, clock } = purgeOver(fixture);
    await listAll(index, { a: {} });
    const a = inoAt(index, 'a');
    await listAll(index, { a: { etag: '"2"' } });
    purge.start();
    await clock.advance(10_000);
    await purge.run();
    assert.equal(index.node(a), null);
    await purge[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  });
});
