/**
 * The block store's books over an index of plain objects.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlockLedger } from '../../../src/cache/blocks/block-ledger.ts';
import type { NodeRow, ObjectMap } from '../../../src/cache/index/rows.ts';

const BLOCK = 4096;

/** A ledger over files of `size` bytes of which the index knows `resident`. */
function ledgerOver(options: { size: number; capacity?: number; resident?: readonly number[] }) {
  const { size, capacity = 1 << 30, resident = [] } = options;
  const space = { bytes: 0, files: 0 };
  const bits = new Uint8Array(Math.ceil(size / BLOCK / 8));
  for (const block of resident) bits[block >> 3]! |= 1 << (block & 7);
  const object: ObjectMap = {
    ino: 7,
    blocks: resident.length,
    bytes: resident.length * BLOCK,
    usedMs: 0,
    state: 0,
    resident: bits,
  };
  const node = { ino: 7, size, dir: false } as NodeRow;
  const ledger = new BlockLedger({
    index: { node: (ino) => (ino === 7 ? node : null), object: () => (resident.length > 0 ? object : null) },
    blockSize: BLOCK,
    space: {
      capacity,
      stored: (bytes, newFile) => {
        space.bytes += bytes;
        space.files += newFile ? 1 : 0;
      },
      dropped: (bytes, files) => {
        space.bytes -= bytes;
        space.files -= files;
      },
    },
  });
  return { ledger, space };
}

const block = (idx: number) => ({ ino: 7, idx, hash: BigInt(idx) });

describe('the books of the block store', () => {
  test('count a stored block as pending, on the disk, and in the space, its tail by the unit of allocation', () => {
    const { ledger, space } = ledgerOver({ size: 2 * BLOCK + 1 });
    for (const idx of [0, 1, 2]) ledger.count(block(idx));
    assert.deepEqual(space, { bytes: 3 * BLOCK, files: 1 });
    assert.equal(ledger.blocksOf(7), 3);
    assert.deepEqual(
      ledger.pendingOf(7).map(({ idx }) => idx),
      [0, 1, 2],
    );
  });

  test('take a committed block out of what is pending, and keep it there when the index refuses', async () => {
    const { ledger } = ledgerOver({ size: 8 * BLOCK });
    ledger.count(block(1));
    await assert.rejects(
      ledger.commit(ledger.pending, () => Promise.reject(new Error('full'))),
      /full/,
    );
    assert.equal(ledger.pending.length, 1);
    await ledger.commit(ledger.pending, () => Promise.resolve());
    assert.equal(ledger.pending.length, 0);
    assert.equal(ledger.get(7)?.uncommitted, 0);
  });

  test('tell whether the index knows a forgotten block: not one that is only pending, but one that it is being told of', async () => {
    const { ledger } = ledgerOver({ size: 64 * BLOCK, capacity: 16 * BLOCK, resident: [3] });
    for (const idx of [10, 11, 20]) ledger.count(block(idx));
    assert.equal(ledger.forget(7, { first: 10, count: 2 }).known, false);
    assert.equal(ledger.forget(7, { first: 3, count: 1 }).known, true);
    const gate = Promise.withResolvers<undefined>();
    const commit = ledger.commit(ledger.pending, () => gate.promise);
    assert.equal(ledger.forget(7, { first: 20, count: 1 }).known, true, 'it is on its way to the index');
    gate.resolve(undefined);
    await commit;
    assert.equal(ledger.blocksOf(7), 0);
  });

  test('book what could not be forgotten as it was', () => {
    const { ledger, space } = ledgerOver({ size: 64 * BLOCK, capacity: 16 * BLOCK, resident: [3, 4] });
    space.bytes = 2 * BLOCK;
    ledger.count(block(5));
    const forgotten = ledger.forget(7, { first: 3, count: 3 });
    assert.deepEqual([space.bytes, ledger.blocksOf(7), ledger.pending.length], [0, 0, 0]);
    forgotten.restore();
    assert.deepEqual([space.bytes, ledger.blocksOf(7), ledger.pending.length], [3 * BLOCK, 3, 1]);
    assert.deepEqual([...(ledger.get(7)?.order ?? [])], [3, 4, 5]);
  });

  test('keep the order in which blocks came only of an object that may not fit', () => {
    assert.equal(ledgerOver({ size: 8 * BLOCK, capacity: 16 * BLOCK }).ledger.hold(7).order, null);
    const { ledger } = ledgerOver({ size: 9 * BLOCK, capacity: 16 * BLOCK, resident: [8, 2] });
    assert.deepEqual([...(ledger.hold(7).order ?? [])], [2, 8]);
  });
});
