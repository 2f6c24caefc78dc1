import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { planRuns, type Run, type RunLimits, type WantedBlocks } from '../../../src/cache/policy/runs.ts';

const MIB = 1024 * 1024;
const LIMITS: RunLimits = { blockSize: MIB, maxRunBlocks: 16 };

function plan(wanted: Partial<WantedBlocks>, limits: Partial<RunLimits> = {}): Run[] {
  const all: WantedBlocks = {
    demand: [],
    readahead: [],
    resident: () => false,
    inFlight: () => false,
    blocks: 10_000,
    ...wanted,
  };
  return planRuns(all, { ...LIMITS, ...limits });
}

describe('planned runs', () => {
  test('hold one block for one demanded block', () => {
    assert.deepEqual(plan({ demand: [7] }), [{ first: 7, count: 1, priority: 'demand' }]);
  });

  test('let readahead ride behind the demanded block', () => {
    assert.deepEqual(plan({ demand: [7], readahead: [{ first: 8, count: 3 }] }), [
      { first: 7, count: 4, priority: 'demand' },
    ]);
  });

  test('cut a demanded block out of a long readahead run, and fetch it first', () => {
    assert.deepEqual(plan({ demand: [10], readahead: [{ first: 0, count: 16 }] }), [
      { first: 10, count: 6, priority: 'demand' },
      { first: 0, count: 10, priority: 'readahead' },
    ]);
  });

  test('put a demanded block that would wait behind more than 4 MiB into a run of its own', () => {
    const runs = plan({ demand: [0, 1, 2, 3, 4, 5, 6, 7] });
    assert.deepEqual(runs, [
      { first: 0, count: 5, priority: 'demand' },
      { first: 5, count: 3, priority: 'demand' },
    ]);
  });

  test('leave out what is resident or in flight', () => {
    const runs = plan({
      demand: [0, 1, 2],
      readahead: [{ first: 3, count: 5 }],
      resident: (block) => block === 1,
      inFlight: (block) => block === 5,
    });
    assert.deepEqual(runs, [
      { first: 0, count: 1, priority: 'demand' },
      { first: 2, count: 3, priority: 'demand' },
      { first: 6, count: 2, priority: 'readahead' },
    ]);
  });

  test('are no longer than the longest run, and stay within the object', () => {
    const runs = plan({ readahead: [{ first: 90, count: 20 }], blocks: 100 }, { maxRunBlocks: 4 });
    assert.deepEqual(
      runs.map(({ first, count }) => [first, count]),
      [
        [90, 4],
        [94, 4],
        [98, 2],
      ],
    );
  });

  test('bridge a gap of one block when three wanted ones pay for it, and no other gap', () => {
    const ranges = (blocks: number[]): { first: number; count: number }[] =>
      blocks.map((first) => ({ first, count: 1 }));
    assert.deepEqual(plan({ readahead: ranges([0, 1, 3, 4]) }), [{ first: 0, count: 5, priority: 'readahead' }]);
    assert.equal(plan({ readahead: ranges([0, 2, 4, 6]) }).length, 4);
    assert.equal(plan({ readahead: ranges([0, 1, 2, 5]) }).length, 2);
    assert.equal(plan({ readahead: ranges([0, 1, 3]), resident: (block) => block === 2 }).length, 2);
    assert.equal(plan({ readahead: ranges([0, 1, 3]) }, { blockSize: 16 * MIB }).length, 2);
  });

  test('keep the order of the readahead, nearest to a reader first, backwards too', () => {
    const runs = plan({
      readahead: [
        { first: 96, count: 4 },
        { first: 92, count: 4 },
      ],
    });
    assert.deepEqual(
      runs.map(({ first }) => first),
      [96, 92],
    );
  });

  test('hold each wanted block once, whatever is wanted, resident and in flight', () => {
    const blocks = fc.array(fc.nat(60), { maxLength: 30 });
    const ranges = fc.array(fc.record({ first: fc.integer({ min: -5, max: 70 }), count: fc.nat(20) }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        blocks,
        ranges,
        blocks,
        blocks,
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom(4096, MIB, 4 * MIB),
        fc.nat(8 * MIB),
        (demand, readahead, resident, inFlight, maxRunBlocks, blockSize, maxWait) => {
          const size = 64;
          const runs = planRuns(
            {
              demand,
              readahead,
              resident: (block) => resident.includes(block),
              inFlight: (block) => inFlight.includes(block),
              blocks: size,
            },
            { blockSize, maxRunBlocks, maxWait },
          );
          const usable = (block: number): boolean =>
            block >= 0 && block < size && !resident.includes(block) && !inFlight.includes(block);
          const urgent = new Set(demand.filter(usable));
          const wanted = new Set(urgent);
          for (const { first, count } of readahead) {
            for (let block = first; block < first + count; block++) if (usable(block)) wanted.add(block);
          }
          const fetched = runs.flatMap(({ first, count }) =>
            Array.from({ length: count }, (_, index) => first + index),
          );
          assert.equal(new Set(fetched).size, fetched.length, 'a block is in two runs');
          assert.ok(fetched.every(usable));
          for (const block of wanted) assert.ok(fetched.includes(block), `${block} is missing`);
          const kinds = runs.map((run) => run.priority);
          assert.deepEqual(kinds, [...kinds].sort(), 'demand comes first');
          for (const { first, count, priority } of runs) {
            assert.ok(count >= 1 && count <= maxRunBlocks);
            const members = Array.from({ length: count }, (_, index) => first + index);
            const gaps = members.filter((block) => !wanted.has(block));
            assert.ok(gaps.length * 4 <= count);
            for (const gap of gaps) assert.ok(members.includes(gap - 1) && members.includes(gap + 1));
            if (priority === 'readahead') assert.ok(members.every((block) => !urgent.has(block)));
            else {
              assert.ok(urgent.has(first));
              for (const block of members.filter((one) => urgent.has(one))) {
                assert.ok((block - first) * blockSize <= maxWait);
              }
            }
          }
        },
      ),
    );
  });
});
