import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DirectoryReadahead } from '../../../src/fs/readahead/directory.ts';
import type { PrefetchFile } from '../../../src/fs/readahead/walk.ts';
import { seeded, shuffled } from '../policy/seeded.ts';
import { by, byLoader, readTree, SimulatedTree, type Access } from './simulated-tree.ts';

const MIB = 1024 * 1024;

/** Directories of many files, of some, of few, of one. */
const LARGE = new SimulatedTree(1, 10_000);
const MEDIUM = new SimulatedTree(100, 100);
const TINY = new SimulatedTree(2000, 4);
const SINGLE = new SimulatedTree(2000, 1);
const CLASSES = new SimulatedTree(100, 1300);

function policyOn(tree: SimulatedTree): DirectoryReadahead {
  return new DirectoryReadahead({
    after: (dir, name, limit) => tree.after(dir, name, limit),
    resident: () => false,
    nextDirectory: (dir) => tree.nextDirectory(dir),
  });
}

describe('a reader that walks', () => {
  test('misses the first two files of a directory, and nothing is fetched that it does not read', () => {
    const result = readTree(LARGE, by(1, LARGE.files));
    assert.equal(result.misses, 2);
    assert.equal(result.unread, 0);
    assert.equal(result.stats.wastedFiles, 0);
  });

  test('has 2 files ahead at first, and 128 at most', () => {
    const policy = policyOn(LARGE);
    const sizes = LARGE.files
      .slice(0, 2000)
      .map((file, now) => policy.on({ pid: 1, dir: file.dir, file, now }).prefetch.length);
    assert.deepEqual(sizes.slice(0, 4), [0, 2, 3, 0]);
    assert.ok(Math.max(...sizes) <= 128);
    assert.ok(policy.stats().outstandingFiles > 64 && policy.stats().outstandingFiles <= 128);
  });

  test('goes on in the next directory without a pause, once it was seen to', () => {
    for (const tree of [MEDIUM, TINY, SINGLE]) {
      const result = readTree(tree, by(1, tree.files));
      assert.ok(result.misses <= 4, `${result.misses} misses`);
      assert.equal(result.unread, 0);
    }
  });

  test('starts each directory anew where the order of directories is not known', () => {
    const result = readTree(MEDIUM, by(1, MEDIUM.files), { crossing: false });
    assert.equal(result.misses, 200);
    assert.equal(result.unread, 0);
  });

  test('finds its place again after a minute away, and pays nothing for what it reads then', () => {
    const policy = policyOn(LARGE);
    const files = LARGE.files;
    for (const [now, file] of files.slice(0, 200).entries()) policy.on({ pid: 1, dir: file.dir, file, now });
    for (const [index, file] of files.slice(200, 500).entries()) {
      policy.on({ pid: 1, dir: file.dir, file, now: 100_000 + index });
    }
    assert.equal(policy.stats().wastedFiles, 0);
    assert.ok(policy.stats().outstandingFiles > 32);
  });

  test('may read in lockstep with three others', () => {
    const accesses = LARGE.files.flatMap((file) => [1, 2, 3, 4].map((pid): Access => [pid, file]));
    assert.equal(readTree(LARGE, accesses).misses, 2);
  });

  test('may share the directory with others in other parts of it', () => {
    const files = LARGE.files;
    const accesses = files.map((_, index): Access => [index % 4, files[(index % 4) * 2500 + (index >> 2)]!]);
    const result = readTree(LARGE, accesses);
    assert.ok(result.misses <= 8);
    assert.equal(result.unread, 0);
  });

  test('beside sixteen that shuffle, on files of the same kind, keeps its walk', () => {
    const random = seeded(1);
    const files = CLASSES.files;
    const others = shuffled(files.slice(20_000), random);
    const accesses = files.slice(0, 20_000).flatMap((file, index): Access[] => [
      [1, file],
      [10 + (index % 8), others[2 * index]!],
      [20 + (index % 8), others[2 * index + 1]!],
    ]);
    const result = readTree(CLASSES, accesses);
    assert.ok(result.misses < 40_000 + 200, `${result.misses}`);
    assert.ok(result.unread < 0.015 * 60_000, `${result.unread}`);
  });
});

describe('the workers of a loader', () => {
  test('that take every n-th file are one walk, in step or not', () => {
    const files = LARGE.files;
    const inStep = readTree(
      LARGE,
      files.map((file, index): Access => [index % 4, file]),
    );
    assert.equal(inStep.misses, 2);
    const random = seeded(2);
    const queues = [0, 1, 2, 3].map((worker) => files.filter((_, index) => index % 4 === worker));
    const accesses: Access[] = [];
    while (queues.some((queue) => queue.length > 0)) {
      const worker = Math.floor(random() * 4);
      const file = queues[worker]!.shift();
      if (file !== undefined) accesses.push([worker, file]);
    }
    const drifting = readTree(LARGE, accesses);
    assert.ok(drifting.misses < 40, `${drifting.misses}`);
    assert.equal(drifting.unread, 0);
  });

  test('that take batches are prefetched for, few with small ones and many with large ones', () => {
    const few = readTree(LARGE, byLoader(LARGE.files, 4, 32, seeded(3)));
    assert.ok(few.misses < 40, `${few.misses}`);
    const classes = new SimulatedTree(30, 1300);
    const many = readTree(classes, byLoader(classes.files, 16, 256, seeded(4)));
    assert.ok(many.misses < 0.02 * 39_000, `${many.misses}`);
    assert.equal(many.unread, 0);
  });

  test('of one node among others, which read only their share, do not fetch the others’', () => {
    const large = new SimulatedTree(1, 80_000);
    const one = readTree(
      large,
      by(
        1,
        large.files.filter((_, index) => index % 32 === 5),
      ),
    );
    assert.ok(one.misses <= 4 && one.unread === 0, `${one.misses} ${one.unread}`);
    const share = large.files.filter((_, index) => index % 32 < 8);
    const eight = readTree(
      large,
      share.map((file, index): Access => [index % 8, file]),
    );
    assert.ok(eight.misses < 0.01 * share.length, `${eight.misses} of ${share.length}`);
    assert.ok(eight.unread < 0.02 * share.length, `${eight.unread} of ${share.length}`);
  });
});

describe('wrong guesses', () => {
  test('stay at 1 % of what is read when files are read in a random order', () => {
    const random = seeded(5);
    for (const tree of [LARGE, MEDIUM, TINY, CLASSES]) {
      for (const pids of [1, 16]) {
        const order = shuffled(tree.files, random).slice(0, Math.ceil(tree.files.length / 4));
        const result = readTree(
          tree,
          order.map((file, index): Access => [index % pids, file]),
        );
        // 8 MiB are free to begin with, 76 files, and each walk has two files outstanding before it is known to be wrong.
        assert.ok(
          result.unread <= 0.01 * order.length + 76 + 2 * 16,
          `${result.unread} of ${order.length} with ${pids} pids`,
        );
      }
    }
  });

  test('cost a shuffled reader of a large directory next to no look-ups', () => {
    const result = readTree(LARGE, by(1, shuffled(LARGE.files, seeded(6))));
    assert.ok(result.lookups < 100, `${result.lookups}`);
  });

  test('cost readers of small directories that shuffle together less than one look-up a file', () => {
    const order = shuffled(MEDIUM.files, seeded(7));
    const result = readTree(
      MEDIUM,
      order.map((file, index) => [index % 16, file] as const),
    );
    assert.ok(result.lookups < MEDIUM.files.length, `${result.lookups}`);
  });

  test('on short ordered stretches teach how long these are', () => {
    const random = seeded(7);
    const files = CLASSES.files;
    const accesses: Access[] = [];
    for (let clip = 0; clip < 4000; clip++) {
      const first = Math.floor(random() * (files.length - 16));
      accesses.push(...by(clip % 8, files.slice(first, first + 16)));
    }
    const result = readTree(CLASSES, accesses);
    assert.ok(result.unread < 0.02 * result.misses, `${result.unread}`);
  });

  test('shrink a walk whose reader leaves, then end it, and cancel what was expected', () => {
    const policy = policyOn(LARGE);
    const files = LARGE.files;
    let now = 0;
    const on = (index: number): readonly number[] => {
      const file = files[index]!;
      return policy.on({ pid: 1, dir: file.dir, file, now: (now += 1) }).cancel;
    };
    for (let index = 0; index < 100; index++) on(index);
    const { outstandingFiles } = policy.stats();
    assert.ok(outstandingFiles > 32);
    const cancelled = [5000, 7000, 3000, 9000, 4000, 8000].map((index) => on(index).length);
    assert.deepEqual(cancelled.slice(0, 2), [0, 0]);
    assert.ok(cancelled[2]! > 0);
    assert.equal(
      cancelled.reduce((sum, count) => sum + count),
      outstandingFiles,
    );
    assert.equal(policy.stats().outstandingFiles, 0);
    assert.equal(policy.stats().outstandingBytes, 0);
  });

  test('of a walk in a directory that has changed are cancelled at once', () => {
    const policy = policyOn(LARGE);
    for (const [now, file] of LARGE.files.slice(0, 50).entries()) policy.on({ pid: 1, dir: file.dir, file, now });
    const { outstandingFiles } = policy.stats();
    assert.equal(policy.forget(LARGE.directories[0]!.dir).length, outstandingFiles);
    assert.deepEqual(policy.forget(LARGE.directories[0]!.dir), []);
  });
});

describe('what is prefetched', () => {
  test('is a small file whole, and the head of a large one', () => {
    const sizes = [0, 110_000, 4 * MIB, 4 * MIB + 1, 1024 * MIB];
    for (const size of sizes) {
      const tree = new SimulatedTree(1, 10, size);
      const policy = policyOn(tree);
      const [first, second] = tree.files;
      policy.on({ pid: 1, dir: first!.dir, file: first!, now: 0 });
      const { prefetch } = policy.on({ pid: 1, dir: second!.dir, file: second!, now: 1 });
      assert.equal(prefetch.length, 2);
      assert.ok(prefetch.every((file) => file.bytes === (size <= 4 * MIB ? size : MIB)));
    }
  });

  test('stays within the bytes of a walk and within the budget of all', () => {
    const tree = new SimulatedTree(8, 1000, 3 * MIB);
    const result = (budget: number): number => {
      const policy = policyOn(tree);
      policy.setBudget(budget);
      let most = 0;
      for (let index = 0; index < 600; index++) {
        for (const { dir, files } of tree.directories) {
          policy.on({ pid: dir, dir, file: files[index]!, now: index });
          most = Math.max(most, policy.stats().outstandingBytes);
        }
      }
      return most;
    };
    assert.ok(result(1e12) <= 8 * 64 * MIB);
    assert.ok(result(100 * MIB) <= 103 * MIB);
  });

  test('is only marked where it is there already, and costs nothing', () => {
    const tree = new SimulatedTree(1, 100);
    const policy = new DirectoryReadahead({
      after: (dir, name, limit) => tree.after(dir, name, limit),
      resident: () => true,
    });
    const [first, second] = tree.files;
    policy.on({ pid: 1, dir: first!.dir, file: first!, now: 0 });
    const { prefetch } = policy.on({ pid: 1, dir: second!.dir, file: second!, now: 1 });
    assert.deepEqual(
      prefetch.map((file) => file.bytes),
      [0, 0],
    );
    assert.equal(policy.stats().outstandingBytes, 0);
  });
});

test('its invariants hold for any events', () => {
  const tree = new SimulatedTree(4, 60);
  const files = tree.files;
  const event = fc.record({
    pid: fc.nat(3),
    move: fc.oneof(fc.constant(1), fc.integer({ min: -2, max: 5 }), fc.nat(239)),
    absolute: fc.boolean(),
    wait: fc.constantFrom(0, 1, 20_000, 70_000),
    forget: fc.constantFrom(false, false, false, false, true),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300 }), (events) => {
      const policy = policyOn(tree);
      policy.setBudget(5_000_000);
      const outstanding = new Map<number, PrefetchFile>();
      const at = [0, 60, 120, 180];
      let now = 0;
      for (const { pid, move, absolute, wait, forget } of events) {
        now += wait;
        at[pid] = Math.min(files.length - 1, Math.max(0, absolute ? Math.abs(move) : at[pid]! + move));
        const file = files[at[pid]]!;
        const { prefetch, cancel } = policy.on({ pid, dir: file.dir, file, now });
        for (const ino of cancel) {
          // The file that is read now may be given up in the same moment: its walk had expired.
          assert.ok(outstanding.delete(ino), `${ino} was not expected`);
        }
        outstanding.delete(file.ino);
        for (const next of prefetch) {
          assert.ok(!outstanding.has(next.ino), `${next.ino} is expected twice`);
          assert.notEqual(next.ino, file.ino);
          outstanding.set(next.ino, next);
        }
        if (forget) for (const ino of policy.forget(file.dir)) assert.ok(outstanding.delete(ino));
        const stats = policy.stats();
        assert.equal(stats.outstandingFiles, outstanding.size);
        assert.equal(
          stats.outstandingBytes,
          [...outstanding.values()].reduce((sum, one) => sum + one.bytes, 0),
        );
        assert.ok(stats.outstandingBytes <= 5_000_000 + 110_000 * stats.walks);
        assert.ok(stats.wastedFiles >= 0 && stats.wastedShare >= 0);
      }
    }),
  );
});
