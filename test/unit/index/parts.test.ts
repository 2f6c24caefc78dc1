/**
 * The small parts of the index: bit maps, tallies, cached paths, the log of changes.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { allocatedBytes, blockCount, clearBit, fullBitmap, hasBit, setBit } from '../../../src/cache/index/bitmap.ts';
import { PathCache } from '../../../src/cache/index/path-cache.ts';
import { fromSqlite } from '../../../src/cache/index/sqlite-error.ts';
import { ChangeLog } from '../../../src/cache/index/worker/change-log.ts';
import { bucketOf, histogramOf, Tally } from '../../../src/cache/index/worker/tally.ts';

describe('a bit map', () => {
  test('holds what was set and not cleared', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(99), fc.boolean())), (changes) => {
        const bits = new Uint8Array(13);
        const model = new Set<number>();
        for (const [index, on] of changes) {
          if (on) setBit(bits, index);
          else clearBit(bits, index);
          if (on) model.add(index);
          else model.delete(index);
        }
        for (let index = 0; index < 120; index += 1) assert.equal(hasBit(bits, index), model.has(index));
      }),
    );
  });

  for (const blocks of [0, 1, 7, 8, 9, 64, 65]) {
    test(`of ${blocks} blocks is full up to the last and empty beyond`, () => {
      const bits = fullBitmap(blocks);
      assert.equal(bits.length, Math.ceil(blocks / 8));
      for (let index = 0; index < bits.length * 8; index += 1) assert.equal(hasBit(bits, index), index < blocks);
    });
  }
});

test('a block takes what it holds of its object, in whole units of the file system', () => {
  assert.equal(blockCount(0, 4096), 0);
  assert.equal(blockCount(4097, 4096), 2);
  assert.equal(allocatedBytes(1, 1 << 20, 0), 4096);
  assert.equal(allocatedBytes(1 << 20, 1 << 20, 0), 1 << 20);
  assert.equal(allocatedBytes((1 << 20) + 4097, 1 << 20, 1), 8192);
  assert.equal(allocatedBytes((1 << 20) + 4097, 1 << 20, 0), 1 << 20);
});

describe('a tally', () => {
  test('puts each size into the bucket of its power of two', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4, 7, 8, 2 ** 40 - 1, 2 ** 40, Number.MAX_SAFE_INTEGER].map(bucketOf),
      [0, 1, 2, 2, 3, 3, 4, 40, 41, 53],
    );
    fc.assert(
      fc.property(fc.maxSafeNat(), (size) => {
        const bucket = bucketOf(size);
        assert.ok(size === 0 ? bucket === 0 : 2 ** (bucket - 1) <= size && size < 2 ** bucket);
      }),
    );
  });

  test('survives its columns, and takes a BLOB of another length for none', () => {
    const tally = new Tally();
    tally.file(100, 3);
    tally.file(0, -1);
    tally.dirs = 7;
    const { files, dirs, bytes } = tally;
    assert.deepEqual(Tally.from({ files, dirs, bytes, histogram: tally.toBlob() }), tally);
    assert.equal(histogramOf(new Uint8Array(7)).length, 0);
    const sum = new Tally();
    sum.add(tally);
    sum.add(tally);
    assert.deepEqual([sum.files, sum.bytes, sum.dirs, sum.histogram[7], sum.histogram[0]], [4, 600, 14, 6, -2]);
  });
});

describe('cached paths', () => {
  test('keep the ones used last, within their bound', () => {
    const paths = new PathCache(10);
    paths.set(1, 'aaaa');
    paths.set(2, 'bbbb');
    assert.equal(paths.get(1), 'aaaa');
    paths.set(3, 'cccc');
    assert.deepEqual([paths.get(1), paths.get(2), paths.get(3)], ['aaaa', undefined, 'cccc']);
    paths.set(4, 'd'.repeat(11));
    assert.equal(paths.get(4), undefined);
    paths.set(3, 'c');
    paths.set(5, 'eeeee');
    assert.equal(paths.size, 3);
  });
});

test('a log of changes hands out each name once, in bounded parts, and says when there were too many', () => {
  const log = new ChangeLog(2500);
  for (let ino = 0; ino < 2501; ino += 1)
    log.name({ parent: 1, name: `${ino}`, oldIno: null, newIno: ino, dir: false });
  const parts = [log.take(), log.take(), log.take()];
  assert.deepEqual(
    parts.map(({ changes, more }) => [changes.length, more]),
    [
      [1000, true],
      [1000, true],
      [500, false],
    ],
  );
  assert.equal(log.overflow, true);
  assert.deepEqual(log.take(), { changes: [], more: false });
});

test('errors of SQLite keep their meaning', () => {
  const codeOf = (code: string) => fromSqlite(Object.assign(new Error('x'), { code })).code;
  assert.equal(codeOf('SQLITE_FULL'), 'disk-full');
  assert.equal(codeOf('SQLITE_IOERR_SHMSIZE'), 'disk-full');
  assert.equal(codeOf('SQLITE_IOERR_READ'), 'io');
  assert.equal(codeOf('SQLITE_CORRUPT_INDEX'), 'corrupt');
  assert.equal(codeOf('SQLITE_NOTADB'), 'corrupt');
  assert.equal(codeOf('SQLITE_CANTOPEN'), 'cache-unusable');
  assert.equal(codeOf('SQLITE_READONLY_DIRECTORY'), 'cache-unusable');
  assert.equal(codeOf('SQLITE_BUSY_SNAPSHOT'), 'cache-busy');
  assert.equal(codeOf('SQLITE_CONSTRAINT_PRIMARYKEY'), 'internal');
  assert.equal(codeOf('ENOSPC'), 'disk-full');
});
