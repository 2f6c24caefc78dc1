import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LruByObject, type EvictionCandidate } from '../../../src/cache/policy/eviction.ts';

const NOW = 1000;

function candidate(id: number, options: Partial<EvictionCandidate> = {}): EvictionCandidate {
  return { id, bytes: 100, files: 1, lastUsed: id, superseded: false, open: false, ...options };
}

function ids(candidates: readonly EvictionCandidate[]): number[] {
  return candidates.map(({ id }) => id);
}

/** The order of the four classes. */
function rank(one: EvictionCandidate): number {
  return one.open ? (one.superseded ? 4 : 3) : one.superseded ? 1 : 2;
}

describe('LRU by object', () => {
  const policy = new LruByObject();

  test('takes the coldest objects until the need is met', () => {
    const choice = policy.choose(
      [1, 2, 3, 4].map((id) => candidate(id)),
      { bytes: 150, files: 0 },
      NOW,
    );
    assert.deepEqual(ids(choice.victims), [1, 2]);
    assert.deepEqual(choice.freed, { bytes: 200, files: 2 });
    assert.deepEqual(choice.shortfall, { bytes: 0, files: 0 });
  });

  test('meets a need of files alone', () => {
    const choice = policy.choose(
      [1, 2, 3].map((id) => candidate(id)),
      { bytes: 0, files: 2 },
      NOW,
    );
    assert.deepEqual(ids(choice.victims), [1, 2]);
  });

  test('takes superseded closed objects before colder ones that have a name', () => {
    const choice = policy.choose([candidate(1), candidate(9, { superseded: true })], { bytes: 100, files: 0 }, NOW);
    assert.deepEqual(ids(choice.victims), [9]);
  });

  test('takes open objects only when closed ones do not suffice, and open superseded ones last', () => {
    const all = [candidate(1, { open: true, superseded: true }), candidate(2, { open: true }), candidate(3)];
    assert.deepEqual(ids(policy.choose(all, { bytes: 100, files: 0 }, NOW).victims), [3]);
    assert.deepEqual(ids(policy.choose(all, { bytes: 200, files: 0 }, NOW).victims), [3, 2]);
    assert.deepEqual(ids(policy.choose(all, { bytes: 300, files: 0 }, NOW).victims), [3, 2, 1]);
  });

  test('never takes a pinned object, and takes it again when the pin is over', () => {
    const pinned = candidate(1, { pinnedUntil: NOW + 1 });
    const choice = policy.choose([pinned], { bytes: 100, files: 0 }, NOW);
    assert.deepEqual(choice.victims, []);
    assert.deepEqual(choice.shortfall, { bytes: 100, files: 0 });
    assert.deepEqual(ids(policy.choose([pinned], { bytes: 100, files: 0 }, NOW + 1).victims), [1]);
  });

  test('spares a small cold object that a larger victim has made superfluous', () => {
    const choice = policy.choose([candidate(1), candidate(2, { bytes: 5000 })], { bytes: 5000, files: 0 }, NOW);
    assert.deepEqual(ids(choice.victims), [2]);
  });

  test('reads the stream only as far as it must', () => {
    let read = 0;
    function* stream(): Generator<EvictionCandidate> {
      for (let id = 1; ; id++) {
        read += 1;
        yield candidate(id);
      }
    }
    new LruByObject({ lookahead: 8 }).choose(stream(), { bytes: 300, files: 0 }, NOW);
    assert.ok(read <= 9, `read ${read}`);
    read = 0;
    new LruByObject({ lookahead: 8, maxScan: 64 }).choose(stream(), { bytes: 1e9, files: 0 }, NOW);
    assert.equal(read, 64);
  });

  test('keeps its invariants for any candidates and any need', () => {
    const candidates = fc.uniqueArray(
      fc.record({
        id: fc.nat(1000),
        bytes: fc.nat(500),
        files: fc.constantFrom(0, 1, 2),
        lastUsed: fc.nat(100),
        pinnedUntil: fc.constantFrom(0, NOW + 5),
        superseded: fc.boolean(),
        open: fc.boolean(),
      }),
      { selector: ({ id }) => id, maxLength: 60 },
    );
    const need = fc.record({ bytes: fc.nat(8000), files: fc.nat(40) });
    fc.assert(
      fc.property(candidates, need, (unsorted, wanted) => {
        const all = unsorted.toSorted((a, b) => a.lastUsed - b.lastUsed);
        const { victims, freed, shortfall } = new LruByObject().choose(all, wanted, NOW);
        const free = all.filter(({ pinnedUntil }) => pinnedUntil <= NOW);
        const chosen = new Set<EvictionCandidate>(victims);
        assert.equal(chosen.size, victims.length);
        for (const victim of victims) assert.ok(all.some((one) => one === victim && one.pinnedUntil <= NOW));
        const sum = (of: readonly EvictionCandidate[], key: 'bytes' | 'files'): number =>
          of.reduce((total, one) => total + one[key], 0);
        assert.deepEqual(freed, { bytes: sum(victims, 'bytes'), files: sum(victims, 'files') });
        const met = freed.bytes >= wanted.bytes && freed.files >= wanted.files;
        assert.equal(met, shortfall.bytes === 0 && shortfall.files === 0);
        if (!met) {
          // Then everything that helps has been named.
          assert.equal(freed.bytes >= wanted.bytes || freed.bytes === sum(free, 'bytes'), true);
          assert.equal(freed.files >= wanted.files || freed.files === sum(free, 'files'), true);
          return;
        }
        for (const victim of victims) {
          const without = victims.filter((one) => one !== victim);
          assert.ok(sum(without, 'bytes') < wanted.bytes || sum(without, 'files') < wanted.files, 'superfluous');
        }
        // Of objects that are alike but for class and age, the better victim goes first.
        for (const victim of victims) {
          for (const spared of free.filter((one) => !chosen.has(one))) {
            if (spared.bytes < victim.bytes || spared.files < victim.files) continue;
            const earlier = rank(spared) - rank(victim) || spared.lastUsed - victim.lastUsed;
            assert.ok(earlier >= 0, `${spared.id} should have gone before ${victim.id}`);
          }
        }
      }),
    );
  });
});
