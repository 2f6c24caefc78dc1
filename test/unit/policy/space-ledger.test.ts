/**
 * The books of the cache disk under random requests, stores, evictions and changes of limits, against what must always hold.
 *
 * The model evicts as the owner of the disk does: by the policy, from the merged stream of the coldest of all.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytes } from '../../../src/base/brand.ts';
import { mergeColdest, type ColdSource } from '../../../src/cache/policy/coldest.ts';
import { LruByObject, type EvictionCandidate, type EvictionNeed } from '../../../src/cache/policy/eviction.ts';
import type { DiskSpace } from '../../../src/cache/policy/quota.ts';
import { SpaceLedger, type SpaceAccount } from '../../../src/cache/policy/space-ledger.ts';

const KIB = 1024;
const TOTAL = 64 * 1024 * KIB;
const DISK = 160 * 1024 * KIB;
const FLOOR = 48 * 1024 * KIB;

interface Cached {
  bytes: number;
  used: number;
}

interface Owned extends EvictionCandidate {
  readonly owner: Dataset;
}

/** A dataset: what it has cached, and its account. */
class Dataset {
  readonly account: SpaceAccount;
  readonly objects = new Map<number, Cached>();
  readonly bound = { at: 0 };
  reads = 0;

  constructor(account: SpaceAccount) {
    this.account = account;
  }

  get held(): number {
    return [...this.objects.values()].reduce((sum, one) => sum + one.bytes, 0);
  }

  source(lends: boolean): ColdSource<Owned> {
    return {
      bound: this.bound,
      candidates: () => {
        this.reads += 1;
        return [...this.objects]
          .sort(([, a], [, b]) => a.used - b.used)
          .map(([id, { bytes: size, used }]): Owned => ({
            id,
            bytes: size,
            files: 1,
            lastUsed: used,
            superseded: false,
            open: false,
            owner: this,
            ...(lends ? { lender: this.account } : {}),
          }))
          .values();
      },
    };
  }

  drop(ids: readonly number[]): void {
    for (const id of ids) {
      const gone = this.objects.get(id);
      this.objects.delete(id);
      this.account.dropped(gone?.bytes ?? 0, 1, false);
    }
  }
}

/** The disk with all datasets on it. */
class World {
  readonly ledger = new SpaceLedger({ bytes: TOTAL, files: Infinity, floor: { kind: 'size', bytes: bytes(FLOOR) } });
  readonly datasets: Dataset[] = [];
  readonly policy = new LruByObject({ lookahead: 4 });
  now = 1;
  /** Bytes that others than these datasets have on the disk. */
  foreign = 0;
  nextId = 1;

  disk(): DiskSpace {
    const held = this.datasets.reduce((sum, one) => sum + one.held, 0);
    return { totalBytes: DISK, availableBytes: DISK - this.foreign - held, availableFiles: null };
  }

  add(quota: number, reserve: number): void {
    const account = this.ledger.open({ bytes: quota, files: Infinity, reserve }, { bytes: 0, files: 0 });
    this.datasets.push(new Dataset(account));
  }

  /** A run of a dataset, from its request to its blocks on the disk. @returns whether it was cached */
  run(asker: Dataset, size: number): boolean {
    const need = { bytes: size, files: 1 };
    for (let round = 0; round < 4; round++) {
      const { decision, scope } = asker.account.decide(this.disk(), need);
      if (decision.kind === 'admit') {
        asker.account.reserve(need);
        this.checkAdmitted(asker);
        asker.account.release(need);
        asker.objects.set(this.nextId++, { bytes: size, used: this.now });
        asker.account.stored(size, 1);
        return true;
      }
      if (decision.need === null || !this.evict(asker, scope, decision.need)) return false;
    }
    return false;
  }

  evict(asker: Dataset, scope: 'own' | 'all', need: EvictionNeed): boolean {
    const sources =
      scope === 'own'
        ? [asker.source(false)]
        : this.datasets.filter((one) => one === asker || one.account.spare > 0).map((one) => one.source(one !== asker));
    const before = this.datasets.map((one) => one.held);
    const { victims } = this.policy.choose(mergeColdest(sources, this.now), need, this.now);
    for (const [owner, own] of Map.groupBy(victims, (victim) => victim.owner)) owner.drop(own.map(({ id }) => id));
    for (const [n, one] of this.datasets.entries()) {
      const { reserve } = one.account.limits;
      // (c) Nobody falls below his reserve for another's sake.
      if (one !== asker && one.held < before[n]!)
        assert.ok(one.held >= reserve, `${one.held} left of a reserve of ${reserve}`);
      if (scope === 'own' && one !== asker) assert.equal(one.held, before[n]);
    }
    return victims.length > 0;
  }

  checkAdmitted({ account }: Dataset): void {
    const { sums } = this.ledger;
    // (a) Within the dataset's quota, (b) within the limits of all, and above the floor.
    assert.ok(account.bytes + account.reservedBytes <= account.limits.bytes);
    assert.ok(sums.bytes + sums.reservedBytes <= TOTAL);
    assert.ok(this.disk().availableBytes - sums.reservedBytes >= FLOOR);
  }

  checkBooks(): void {
    const held = this.datasets.map((one) => one.held);
    assert.deepEqual(
      this.datasets.map((one) => one.account.bytes),
      held,
    );
    assert.equal(
      this.ledger.sums.bytes,
      held.reduce((sum, one) => sum + one, 0),
    );
    assert.equal(
      this.ledger.sums.spareBytes,
      this.datasets.reduce((sum, one) => sum + one.account.spare, 0),
    );
  }
}

const size = fc.integer({ min: 1, max: 4096 }).map((kib) => kib * KIB);
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('run' as const), who: fc.nat(5), size }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('use' as const), who: fc.nat(5), pick: fc.nat(1000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('limits' as const),
      who: fc.nat(5),
      quota: fc.integer({ min: 8, max: 80 }),
      reserve: fc.integer({ min: 0, max: 16 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('foreign' as const), mib: fc.integer({ min: 0, max: 100 }) }) },
);

test('whatever datasets ask for, quotas, limits, floor and reserves hold, and no request is ever an error', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 250 }), (steps) => {
      const world = new World();
      for (const [quota, reserve] of [
        [80, 0],
        [16, 8],
        [80, 12],
        [8, 8],
        [40, 0],
        [80, 20],
      ] as const) {
        world.add(quota * 1024 * KIB, reserve * 1024 * KIB);
      }
      for (const one of steps) {
        world.now += 1;
        if (one.kind === 'foreign') world.foreign = one.mib * 1024 * KIB;
        else {
          const dataset = world.datasets[one.who]!;
          if (one.kind === 'run') world.run(dataset, one.size);
          else if (one.kind === 'use') {
            const ids = [...dataset.objects.keys()];
            const object = dataset.objects.get(ids[one.pick % Math.max(1, ids.length)] ?? 0);
            if (object !== undefined) object.used = world.now;
          } else {
            dataset.account.relimit({
              bytes: one.quota * 1024 * KIB,
              files: Infinity,
              reserve: one.reserve * 1024 * KIB,
            });
          }
        }
        world.checkBooks();
      }
    }),
    { numRuns: 200 },
  );
});

test('a dataset gets its reserve back from those who have more than theirs', () => {
  const world = new World();
  world.add(Infinity, 0);
  world.add(Infinity, 16 * 1024 * KIB);
  const [greedy, entitled] = world.datasets as [Dataset, Dataset];
  for (let n = 0; n < 100; n++) assert.ok(world.run(greedy, 1024 * KIB));
  assert.ok(greedy.held > 60 * 1024 * KIB);
  for (let n = 0; n < 16; n++) {
    world.now += 1;
    assert.ok(world.run(entitled, 1024 * KIB));
  }
  assert.equal(entitled.held, 16 * 1024 * KIB);
  // What it has within its reserve is coldest now, and stays.
  for (let n = 0; n < 200; n++) {
    world.now += 1;
    assert.ok(world.run(greedy, 1024 * KIB));
  }
  assert.equal(entitled.held, 16 * 1024 * KIB);
});

test('what is pinned is neither evictable nor spare, and a cache full of it says that there is no room', () => {
  const world = new World();
  world.add(16 * 1024 * KIB, 0);
  world.add(Infinity, 0);
  const [one] = world.datasets as [Dataset, Dataset];
  for (let n = 0; n < 16; n++) assert.ok(world.run(one, 1024 * KIB));
  one.account.pinned(12 * 1024 * KIB, 12);
  assert.equal(one.account.spare, 4 * 1024 * KIB);
  assert.equal(world.ledger.sums.evictableBytes, 4 * 1024 * KIB);
  const ask = (size: number) => one.account.decide(world.disk(), { bytes: size, files: 1 }).decision;
  assert.equal(ask(4 * 1024 * KIB).kind, 'evict');
  assert.deepEqual(ask(5 * 1024 * KIB), { kind: 'bypass', need: null, reason: 'quota-bytes' });
  assert.equal(one.account.state, 'bypass');
  one.account.pinned(0, 0);
  assert.equal(ask(5 * 1024 * KIB).kind, 'evict');
});

test('what is free is the least of quota, limits of all and disk, what is reserved taken off', () => {
  const world = new World();
  const mib = 1024 * KIB;
  world.add(16 * mib, 0);
  world.add(Infinity, 0);
  const [one, other] = world.datasets as [Dataset, Dataset];
  const free = () => world.ledger.free(one.account, world.disk()).bytes / mib;
  assert.equal(free(), 16);
  one.account.reserve({ bytes: 3 * mib, files: 1 });
  assert.equal(free(), 13);
  for (let n = 0; n < 55; n++) assert.ok(world.run(other, mib));
  assert.equal(free(), 64 - 55 - 3, 'the limit of all');
  world.foreign = 56 * mib;
  assert.equal(free(), 0, 'the disk is below its floor');
  assert.equal(world.ledger.free(one.account, world.disk()).files, Infinity);
});

test('only the datasets whose coldest may be taken are looked into', () => {
  const world = new World();
  for (let n = 0; n < 50; n++) world.add(Infinity, 0);
  for (const [n, dataset] of world.datasets.entries()) {
    world.now = (n + 1) * 1000;
    for (let file = 0; file < 10; file++) assert.ok(world.run(dataset, 100 * KIB));
  }
  const newest = world.datasets.at(-1)!;
  // The first eviction learns when each was used last …
  while (world.datasets.every(({ reads }) => reads === 0)) world.run(newest, 1024 * KIB);
  for (const dataset of world.datasets) dataset.reads = 0;
  for (let n = 0; n < 10; n++) world.run(newest, 1024 * KIB);
  const looked = world.datasets.filter(({ reads }) => reads > 0).length;
  assert.ok(looked <= 16, `${looked} of 50 datasets were looked into`);
});
