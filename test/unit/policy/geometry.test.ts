import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../src/base/errors.ts';
import { allocatedBytes, BlockGeometry, checkBlockSize } from '../../../src/cache/policy/geometry.ts';

const MIB = 1024 * 1024;
const TIB = 1024 ** 4;

const blockSizes = fc.integer({ min: 12, max: 24 }).map((power) => 2 ** power);
const objectSizes = fc.oneof(fc.integer({ min: 0, max: 64 * MIB }), fc.integer({ min: 0, max: 5 * TIB }));

test('a block size is a power of two from 4 KiB to 16 MiB', () => {
  for (const size of [4096, 8192, MIB, 16 * MIB]) assert.equal(checkBlockSize(size), size);
  for (const size of [0, 1, 2048, 4095, 4097, 3 * MIB, 32 * MIB, -4096, 4096.5, Number.NaN, 2 ** 40]) {
    assert.throws(
      () => checkBlockSize(size),
      (error) => error instanceof DlfsError && error.code === 'invalid-argument' && error.message.includes('4.00 KiB'),
    );
  }
});

test('an object size that is no count of bytes is refused', () => {
  for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => new BlockGeometry(MIB, size), DlfsError);
});

test('the last block is short, and rounded up to 4 KiB on the disk', () => {
  const geometry = new BlockGeometry(MIB, 2 * MIB + 5000);
  assert.equal(geometry.blocks, 3);
  assert.deepEqual(geometry.bytesOf(2), { offset: 2 * MIB, length: 5000 });
  assert.equal(geometry.allocatedOf(2), 8192);
  assert.equal(geometry.allocatedOf(1), MIB);
  assert.equal(geometry.allocated, 2 * MIB + 8192);
  assert.equal(geometry.lengthOf(3), 0);
});

test('an empty object has no block', () => {
  const geometry = new BlockGeometry(MIB, 0);
  assert.equal(geometry.blocks, 0);
  assert.equal(geometry.allocated, 0);
  assert.deepEqual(geometry.blocksOf({ offset: 0, length: 100 }), { first: 0, count: 0 });
});

test('a read behind the end touches no block', () => {
  const geometry = new BlockGeometry(4096, 5000);
  assert.equal(geometry.blocksOf({ offset: 5000, length: 10 }).count, 0);
  assert.equal(geometry.blocksOf({ offset: 9000, length: 10 }).count, 0);
  assert.deepEqual(geometry.blocksOf({ offset: 4999, length: 10 }), { first: 1, count: 1 });
});

test('an object of 5 TiB in blocks of 4 KiB keeps exact offsets', () => {
  const geometry = new BlockGeometry(4096, 5 * TIB);
  assert.equal(geometry.blocks, 1_342_177_280);
  assert.equal(geometry.blockAt(5 * TIB - 1), geometry.blocks - 1);
  assert.deepEqual(geometry.bytesOf(geometry.blocks - 1), { offset: 5 * TIB - 4096, length: 4096 });
});

test('an object that no origin can have, or of more blocks than can be counted, is refused', () => {
  const code = (blockSize: number, size: number): string => {
    try {
      return String(new BlockGeometry(blockSize, size).blocks);
    } catch (error) {
      return DlfsError.from(error).code;
    }
  };
  assert.equal(code(MIB, 64 * TIB), String(2 ** 26));
  assert.equal(code(MIB, 64 * TIB + 1), 'unsupported');
  assert.equal(code(4096, 8 * TIB), String(2 ** 31));
  assert.equal(code(4096, 8 * TIB + 1), 'unsupported');
  assert.equal(code(16 * MIB, 2 ** 53 - 1), 'unsupported');
});

test('blocks tile the object', () => {
  fc.assert(
    fc.property(blockSizes, fc.integer({ min: 0, max: 8 * MIB }), (blockSize, objectSize) => {
      const geometry = new BlockGeometry(blockSize, objectSize);
      let [end, allocated] = [0, 0];
      for (let block = 0; block < geometry.blocks; block++) {
        const { offset, length } = geometry.bytesOf(block);
        assert.equal(offset, end);
        assert.ok(length > 0 && length <= blockSize);
        end += length;
        allocated += geometry.allocatedOf(block);
      }
      assert.equal(end, objectSize);
      assert.equal(allocated, geometry.allocated);
    }),
  );
});

test('the blocks of a byte range are exactly those that hold one of its bytes', () => {
  fc.assert(
    fc.property(
      blockSizes,
      objectSizes,
      fc.nat(),
      fc.integer({ min: 1, max: 64 * MIB }),
      (blockSize, size, at, length) => {
        const geometry = new BlockGeometry(blockSize, size);
        const offset = size === 0 ? at : at % (size + blockSize);
        const { first, count } = geometry.blocksOf({ offset, length });
        const end = Math.min(offset + length, size);
        if (offset >= size) assert.equal(count, 0);
        else {
          assert.equal(first, geometry.blockAt(offset));
          assert.equal(first + count - 1, geometry.blockAt(end - 1));
          const bytes = geometry.bytesOfRange({ first, count });
          assert.ok(bytes.offset <= offset && bytes.offset + bytes.length >= end);
          assert.equal(geometry.allocatedOfRange({ first, count }), allocatedBytes(bytes.length));
        }
      },
    ),
  );
});

test('a clipped range lies within the object and within the range', () => {
  fc.assert(
    fc.property(fc.nat(40 * 4096), fc.integer({ min: -50, max: 50 }), fc.nat(100), (size, first, count) => {
      const geometry = new BlockGeometry(4096, size);
      const clipped = geometry.clip({ first, count });
      const expected = Array.from({ length: count }, (_, index) => first + index).filter(
        (block) => block >= 0 && block < geometry.blocks,
      );
      assert.equal(clipped.count, expected.length);
      if (expected.length > 0) assert.equal(clipped.first, expected[0]);
    }),
  );
});
