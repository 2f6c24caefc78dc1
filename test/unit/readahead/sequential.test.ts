import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { planRuns } from '../../../src/cache/policy/runs.ts';
import { SequentialReadahead } from '../../../src/fs/readahead/sequential.ts';
import { seeded } from '../policy/seeded.ts';
import { MIB, readFile, sequence, type Access } from './simulated-file.ts';

const BLOCKS = 2048;

function readahead(options: Partial<ConstructorParameters<typeof SequentialReadahead>[0]> = {}): SequentialReadahead {
  return new SequentialReadahead({ blockSize: MIB, ...options });
}

describe('a sequential reader', () => {
  test('misses only the first block of a file, and nothing is fetched that it does not read', () => {
    const result = readFile(sequence(0, BLOCKS), BLOCKS);
    assert.equal(result.misses, 1);
    assert.equal(result.wasted, 0);
  });

  test('has its window doubled from one block up to 64 MiB, in runs of at most a quarter', () => {
    const { steps } = readFile(sequence(0, 600), BLOCKS);
    const sizes = steps.map((step) => step.fetch.reduce((sum, range) => sum + range.count, 0));
    assert.deepEqual(sizes.slice(0, 4), [2, 2, 3, 6]);
    assert.ok(Math.max(...sizes) <= 64);
    assert.deepEqual(
      steps.slice(-2).map((step) => step.maxRunBlocks),
      [16, 16],
    );
  });

  test('never finds less than half a window ahead once it is under way', () => {
    assert.ok(readFile(sequence(0, BLOCKS), BLOCKS).leastAhead >= 31);
  });

  test('is recognised in the middle of a file after two blocks', () => {
    const result = readFile(sequence(700, 1000), BLOCKS);
    assert.equal(result.misses, 2);
    assert.ok(result.wasted <= 64);
  });

  test('is recognised although parallel reads arrive out of order', () => {
    // The kernel's readahead sends bursts of 4 or 16 blocks; in each, a read arrives up to `late` places too late.
    for (const [burst, late] of [
      [4, 4],
      [16, 2],
      [16, 8],
    ] as const) {
      for (let seed = 1; seed <= 10; seed++) {
        const random = seeded(seed * 977);
        const accesses: Access[] = [];
        for (let first = 100; first < 2000; first += burst) {
          const arrivals = sequence(first, burst).map((access, place) => ({ access, at: place + late * random() }));
          accesses.push(...arrivals.sort((a, b) => a.at - b.at).map(({ access }) => access));
        }
        const result = readFile(accesses, BLOCKS);
        assert.ok(result.misses <= 24, `${result.misses} misses in bursts of ${burst}, ${late} late, seed ${seed}`);
        assert.ok(result.wasted <= 64);
      }
    }
  });

  test('is recognised even where each burst arrives backwards', () => {
    const accesses: Access[] = [];
    for (let first = 500; first < 1524; first += 4) accesses.push(...sequence(first, 4).reverse());
    assert.ok(readFile(accesses, BLOCKS).misses < 40);
  });

  test('keeps its window growing while its blocks are still on their way', () => {
    const result = readFile(sequence(0, BLOCKS), BLOCKS, { latency: 24 });
    // Misses on blocks in flight are waits, not new fetches; after the window has grown there are none.
    assert.ok(result.misses < 90, `${result.misses}`);
    assert.equal(result.fetched, BLOCKS);
  });

  test('is one stream when four processes read the file together', () => {
    const accesses = sequence(0, BLOCKS).flatMap(([, block]) => [1, 2, 3, 4].map((pid): Access => [pid, block]));
    assert.equal(readFile(accesses, BLOCKS).misses, 1);
  });

  test('is one stream when workers take alternate blocks', () => {
    const accesses = Array.from({ length: BLOCKS }, (_, index): Access => [index % 4, index]);
    assert.equal(readFile(accesses, BLOCKS).misses, 1);
  });

  test('has its own window beside others of the same file', () => {
    const accesses = Array.from({ length: BLOCKS }, (_, index): Access => [
      index % 4,
      (index % 4) * 512 + (index >> 2),
    ]);
    const result = readFile(accesses, BLOCKS);
    assert.ok(result.misses <= 8);
    assert.equal(result.wasted, 0);
  });

  test('of thirty columns in one thread keeps thirty streams', () => {
    const random = seeded(2);
    const starts = Array.from({ length: 30 }, () => Math.floor(random() * 100_000));
    const accesses = Array.from({ length: 3000 }, (_, index): Access => [
      1,
      starts[index % 30]! + Math.floor(index / 30),
    ]);
    assert.ok(readFile(accesses, 100_200).misses <= 60);
  });
});

describe('other patterns', () => {
  test('backwards is recognised, and its blocks come nearest first', () => {
    const result = readFile(sequence(500, 1000).reverse(), BLOCKS);
    assert.ok(result.misses <= 6);
    assert.ok(result.wasted <= 64);
    const late = result.steps.at(-1)!;
    const firsts = late.fetch.filter((range) => range.priority === 'readahead').map((range) => range.first);
    assert.deepEqual(
      firsts,
      firsts.toSorted((a, b) => b - a),
    );
  });

  test('strides are recognised, of single blocks and of several', () => {
    const single = readFile(
      Array.from({ length: 200 }, (_, index): Access => [1, index * 10]),
      BLOCKS,
    );
    assert.ok(single.misses <= 6 && single.wasted <= 64, `${single.misses} ${single.wasted}`);
    const several = readFile(
      Array.from({ length: 600 }, (_, index): Access => [1, Math.floor(index / 3) * 10 + (index % 3)]),
      BLOCKS,
    );
    assert.ok(several.misses <= 60 && several.wasted <= 200, `${several.misses} ${several.wasted}`);
  });

  test('a random reader gets the blocks it asks for and hardly any other', () => {
    const random = seeded(3);
    for (const pids of [1, 4, 16]) {
      const accesses = Array.from({ length: 5000 }, (_, index): Access => [
        index % pids,
        Math.floor(random() * 50_000),
      ]);
      const result = readFile(accesses, 50_000);
      assert.ok(
        result.wasted <= 0.01 * result.fetched,
        `${result.wasted} of ${result.fetched} wasted with ${pids} pids`,
      );
    }
  });

  test('short runs at random places teach that guessing does not pay', () => {
    const random = seeded(4);
    const accesses = Array.from({ length: 3000 }, () => Math.floor(random() * 100_000)).flatMap((first) =>
      sequence(first, 3),
    );
    const result = readFile(accesses, 100_003);
    assert.ok(result.wasted <= 0.01 * result.fetched, `${result.wasted} of ${result.fetched}`);
  });

  test('a random reader beside a sequential one does not stop it', () => {
    const random = seeded(5);
    const accesses = sequence(0, 4000).flatMap((access): Access[] => [
      access,
      [2, 10_000 + Math.floor(random() * 50_000)],
    ]);
    const result = readFile(accesses, 60_000);
    assert.ok(result.misses <= 4000 + 20, `${result.misses}`);
  });
});

describe('a seek', () => {
  test('cancels what was planned where the reader was', () => {
    const policy = readahead();
    let now = 0;
    const on = (block: number): ReturnType<SequentialReadahead['on']> =>
      policy.on({ ino: 1, pid: 1, block, blocks: BLOCKS, kind: 'miss', now: (now += 1) });
    for (let block = 0; block < 40; block++) on(block);
    const cancelled = [900, 1300, 300, 1700].flatMap((block) => [...on(block).cancel]);
    assert.equal(cancelled.length, 1);
    assert.equal(cancelled[0]!.first, 40);
    assert.ok(cancelled[0]!.count > 20);
  });

  test('leaves alone what another reader of the file has planned', () => {
    const policy = readahead();
    const on = (pid: number, block: number): ReturnType<SequentialReadahead['on']> =>
      policy.on({ ino: 1, pid, block, blocks: BLOCKS, kind: 'miss', now: block });
    for (let block = 100; block < 140; block++) on(1, block);
    for (let block = 60; block < 75; block++) on(2, block);
    const planned = new Set<number>();
    const cancelled = [900, 1300, 300, 1700].flatMap((block) => [...on(1, block).cancel]);
    for (const { first, count } of cancelled) for (let each = first; each < first + count; each++) planned.add(each);
    assert.ok(planned.size > 0 && Math.min(...planned) >= 140);
  });

  test('forgetting the file names all that was planned ahead, once', () => {
    const policy = readahead();
    for (let block = 0; block < 10; block++)
      policy.on({ ino: 7, pid: 1, block, blocks: BLOCKS, kind: 'miss', now: block });
    assert.ok(policy.forget(7).some((range) => range.count > 0));
    assert.deepEqual(policy.forget(7), []);
    assert.equal(policy.streams, 0);
  });
});

describe('the budget', () => {
  test('is shared by the streams in use, and comes back when they are idle', () => {
    const policy = readahead({ budget: 64 * MIB });
    const readOn = (ino: number, from: number, count: number, now: number): number => {
      let most = 0;
      for (let block = from; block < from + count; block++) {
        const step = policy.on({ ino, pid: ino, block, blocks: 100_000, kind: 'miss', now });
        const ahead = step.fetch.filter((range) => range.priority === 'readahead');
        most = Math.max(most, ...ahead.map((range) => range.first + range.count - 1 - block));
      }
      return most;
    };
    for (let ino = 1; ino <= 8; ino++) readOn(ino, 0, 200, ino);
    assert.ok(readOn(1, 200, 200, 100) <= 8);
    assert.equal(readOn(1, 400, 600, 60_000), 64);
  });

  test('of less than a block still leaves one block ahead', () => {
    const result = readFile(sequence(0, 100), 100, { budget: 1000 });
    assert.equal(result.misses, 1);
    assert.ok(result.steps.every((step) => step.fetch.reduce((sum, range) => sum + range.count, 0) <= 3));
  });
});

test('memory is bounded by streams, whatever is read', () => {
  const policy = readahead({ maxStreams: 100, maxStreamsPerFile: 8 });
  const random = seeded(6);
  for (let now = 0; now < 20_000; now++) {
    const ino = Math.floor(random() * 500);
    policy.on({
      ino,
      pid: Math.floor(random() * 1000),
      block: Math.floor(random() * 1e6),
      blocks: 1e6,
      kind: 'miss',
      now,
    });
  }
  assert.ok(policy.streams <= 100);
});

test('its invariants hold for any events', () => {
  const event = fc.record({
    ino: fc.integer({ min: 1, max: 2 }),
    pid: fc.nat(3),
    move: fc.oneof(fc.integer({ min: -3, max: 5 }), fc.nat(300)),
    absolute: fc.boolean(),
    kind: fc.constantFrom('miss' as const, 'miss' as const, 'mark' as const),
    wait: fc.constantFrom(0, 1, 100, 40_000),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 1, max: 300 }), (events, blocks) => {
      const policy = readahead({ maxAhead: 16 * MIB, budget: 24 * MIB, maxStreams: 12, maxStreamsPerFile: 6 });
      const at = [0, 0, 0, 0];
      let now = 0;
      for (const { ino, pid, move, absolute, kind, wait } of events) {
        now += wait;
        const block = Math.min(blocks - 1, Math.max(0, absolute ? Math.abs(move) : at[pid]! + move));
        at[pid] = block;
        const step = policy.on({ ino, pid, block, blocks, kind, now });
        const demand = step.fetch.filter((range) => range.priority === 'demand');
        assert.deepEqual(demand, kind === 'miss' ? [{ first: block, count: 1, priority: 'demand' }] : []);
        if (kind === 'miss') assert.equal(step.fetch[0]!.priority, 'demand');
        let ahead = 0;
        for (const { first, count, priority } of step.fetch) {
          assert.ok(first >= 0 && count > 0 && first + count <= blocks);
          if (priority === 'readahead') ahead += count;
        }
        assert.ok(ahead <= 16, `${ahead} blocks planned`);
        if (step.mark !== null) assert.ok(step.mark >= 0 && step.mark < blocks);
        for (const { first, count } of step.cancel) assert.ok(first >= 0 && count > 0 && first + count <= blocks);
        assert.ok(step.maxRunBlocks >= 1 && step.maxRunBlocks <= 16);
        assert.ok(policy.streams <= 12);
      }
    }),
  );
});

test('with the run planner, a sequential reader fetches each block once', () => {
  const policy = readahead();
  const state = new Map<number, 'flight' | 'resident'>();
  const marks = new Set<number>();
  let gets = 0;
  for (let block = 0; block < 500; block++) {
    const resident = state.get(block) === 'resident';
    if (resident && !marks.delete(block)) continue;
    const step = policy.on({ ino: 1, pid: 1, block, blocks: 500, kind: resident ? 'mark' : 'miss', now: block });
    if (step.mark !== null) marks.add(step.mark);
    const runs = planRuns(
      {
        demand: step.fetch.filter((range) => range.priority === 'demand').map((range) => range.first),
        readahead: step.fetch.filter((range) => range.priority === 'readahead'),
        resident: (each) => state.get(each) === 'resident',
        inFlight: (each) => state.get(each) === 'flight',
        blocks: 500,
      },
      { blockSize: MIB, maxRunBlocks: step.maxRunBlocks },
    );
    gets += runs.length;
    for (const run of runs) {
      for (let each = run.first; each < run.first + run.count; each++) {
        assert.ok(!state.has(each), `${each} fetched twice`);
        state.set(each, 'flight');
      }
    }
    for (const each of [...state.keys()].filter((one) => one < block + 20)) state.set(each, 'resident');
  }
  assert.equal(state.size, 500);
  assert.ok(gets < 80, `${gets} requests`);
});
