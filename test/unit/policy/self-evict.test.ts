import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BlockRange } from '../../../src/cache/policy/geometry.ts';
import { selfEvict, type ReaderPosition } from '../../../src/cache/policy/self-evict.ts';

const idle = (): boolean => false;

function blocksOf(ranges: readonly BlockRange[]): number[] {
  return ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => first + index));
}

describe('an object larger than the cache', () => {
  test('drops what is furthest behind its reader', () => {
    const readers = [{ block: 50, direction: 1 as const }];
    const victims = selfEvict({ resident: [{ first: 10, count: 45 }], readers, busy: idle, need: 4 });
    assert.deepEqual(victims, [{ first: 10, count: 4 }]);
  });

  test('keeps what the slower of two readers still needs', () => {
    const readers: ReaderPosition[] = [
      { block: 20, direction: 1 },
      { block: 50, direction: 1 },
    ];
    const victims = selfEvict({ resident: [{ first: 10, count: 45 }], readers, busy: idle, need: 12 });
    assert.deepEqual(blocksOf(victims).slice(0, 10), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    // Then what is reached last: just before the reader in front, and what lies furthest ahead of it.
    assert.deepEqual(blocksOf(victims).slice(10).sort(), [48, 49]);
  });

  test('drops the highest blocks behind a reader that goes backwards', () => {
    const readers = [{ block: 20, direction: -1 as const }];
    const victims = selfEvict({ resident: [{ first: 10, count: 45 }], readers, busy: idle, need: 3 });
    assert.deepEqual(
      blocksOf(victims).toSorted((a, b) => a - b),
      [52, 53, 54],
    );
  });

  test('drops the lowest blocks when nobody reads', () => {
    const victims = selfEvict({ resident: [{ first: 3, count: 9 }], readers: [], busy: idle, need: 2 });
    assert.deepEqual(victims, [{ first: 3, count: 2 }]);
  });

  test('keeps a margin behind the reader until nothing else is left', () => {
    const readers = [{ block: 10, direction: 1 as const }];
    const resident = [{ first: 0, count: 11 }];
    const victims = blocksOf(selfEvict({ resident, readers, busy: idle, need: 8, margin: 4 }));
    assert.deepEqual(victims.slice(0, 6), [0, 1, 2, 3, 4, 5]);
    assert.equal(victims.length, 8);
  });

  test('frees room ahead of need where the reader has passed, and nowhere else', () => {
    const readers = [{ block: 14, direction: 1 as const }];
    const input = { resident: [{ first: 10, count: 20 }], readers, busy: idle };
    assert.deepEqual(selfEvict({ ...input, need: 1, headroom: 2 }), [{ first: 10, count: 3 }]);
    assert.deepEqual(selfEvict({ ...input, need: 1, headroom: 100 }), [{ first: 10, count: 4 }]);
    const beyond = blocksOf(selfEvict({ ...input, need: 6, headroom: 100 }));
    assert.deepEqual(beyond, [10, 11, 12, 13, 28, 29], 'what is ahead leaves for a need alone');
  });

  test('never drops a block in flight, or one that is planned', () => {
    const victims = selfEvict({
      resident: [{ first: 0, count: 10 }],
      readers: [{ block: 20, direction: 1 }],
      busy: (block) => block === 0,
      keep: [{ first: 2, count: 3 }],
      need: 100,
    });
    assert.deepEqual(blocksOf(victims), [1, 5, 6, 7, 8, 9]);
  });

  test('keeps its invariants for any residency and any readers', () => {
    const range = fc.record({ first: fc.nat(60), count: fc.integer({ min: 1, max: 10 }) });
    const reader = fc.record({ block: fc.nat(80), direction: fc.constantFrom(1 as const, -1 as const) });
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 8 }),
        fc.array(reader, { maxLength: 4 }),
        fc.array(fc.nat(80), { maxLength: 10 }),
        fc.nat(40),
        fc.nat(20),
        (ranges, readers, busy, need, headroom) => {
          const present = new Set(blocksOf(ranges));
          const resident = [...present].sort((a, b) => a - b).map((first) => ({ first, count: 1 }));
          const isBusy = (block: number): boolean => busy.includes(block);
          const taken = blocksOf(selfEvict({ resident, readers, busy: isBusy, need, headroom }));
          const movable = [...present].filter((block) => !isBusy(block));
          const isAhead = (block: number): boolean => readers.some((one) => (block - one.block) * one.direction >= 0);
          const passed = movable.filter((block) => !isAhead(block)).length;
          assert.equal(taken.length, Math.max(Math.min(need, movable.length), Math.min(need + headroom, passed)));
          assert.equal(new Set(taken).size, taken.length);
          for (const block of taken) assert.ok(movable.includes(block));
          const behind = (block: number): number => Math.min(...readers.map((one) => Math.abs(block - one.block)));
          const spared = movable.filter((block) => !taken.includes(block));
          for (const block of taken) {
            for (const other of spared.filter((one) => !isAhead(one))) {
              assert.ok(!isAhead(block), `${block} is ahead of a reader, ${other} is not`);
              if (readers.length > 0) assert.ok(behind(block) >= behind(other));
            }
          }
        },
      ),
    );
  });
});
