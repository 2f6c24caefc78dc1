/**
 * A disk that fills up under the index. Needs root, for a file system of its own.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT_INO, type CacheIndex } from '../../../src/cache/index/index.ts';
import { Ext4Image } from '../../support/ext4.ts';
import { inoAt, listAll, listDirectory, openIn, pageOf, tree } from './fixture.ts';

const MEBIBYTE = 1024 * 1024;

/** Commits until the disk is full. */
async function commitUntilFull(index: CacheIndex, ino: number): Promise<number> {
  for (let from = 0; ; from += 2000) {
    const batch = Array.from({ length: 2000 }, (_, offset) => ({ ino, idx: from + offset, hash: 1n }));
    try {
      await index.commitBlocks(batch);
    } catch (thrown) {
      assert.equal((thrown as { code?: string }).code, 'disk-full');
      return from;
    }
  }
}

test('a full disk fails what is written, keeps what was, and is over when there is space again', async () => {
  await using disk = await Ext4Image.create({ bytes: 32 * MEBIBYTE });
  const ballast = join(disk.dir, 'ballast');
  {
    await using index = await openIn(disk.dir);
    await listAll(index, { big: { size: 4096 * 10_000_000 }, 'd/a': {} });
    const big = inoAt(index, 'big');
    await disk.fillTo(MEBIBYTE);
    const committed = await commitUntilFull(index, big);
    assert.deepEqual([index.object(big)?.blocks ?? 0, index.totals().blocks], [committed, committed]);
    assert.equal(index.hashes(big, committed, 1).idx.length, 0, 'nothing of the failed batch is recorded');
    assert.deepEqual(tree(index), ['big', 'd/', 'd/a']);

    // A listing that meets the full disk fails as a whole, and what it has staged is taken back when there is space again.
    rmSync(ballast);
    await disk.fillTo(MEBIBYTE);
    await using listing = await index.beginFull(1_000_000);
    const shard = await listing.shard('subtree', '');
    const name = (number: number) => `d/${String(number).padStart(6, '0')}-${'x'.repeat(200)}`;
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, number) => [name(number), {}]));
    await assert.rejects(shard.add(pageOf(many)), { code: 'disk-full' });
    await assert.rejects(listing.finish(), { code: 'disk-full' });
    assert.deepEqual(tree(index), ['big', 'd/', 'd/a']);
    rmSync(ballast);
    await listing[Symbol.asyncDispose]();

    await index.commitBlocks([{ ino: big, idx: committed, hash: 2n }]);
    assert.equal(index.object(big)?.blocks, committed + 1);
    await listDirectory(index, ROOT_INO, { big: { size: 4096 * 10_000_000 }, more: {} }, ['d/']);
    await listAll(index, { big: { size: 4096 * 10_000_000 }, last: {} });
    assert.deepEqual(tree(index), ['big', 'last']);
  }
  await using index = await openIn(disk.dir);
  assert.deepEqual([index.opening.kind, tree(index)], ['existing', ['big', 'last']]);
});

test('a disk without space for a new index refuses it with the reason', async () => {
  await using disk = await Ext4Image.create({ bytes: 8 * MEBIBYTE });
  await disk.fillTo(0);
  await assert.rejects(openIn(disk.dir), { code: 'disk-full' });
});
