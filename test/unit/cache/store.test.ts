/**
 * The block store over an index and a data plane of plain objects: what is stored becomes evictable when room is short, and a commit that
 * the index refuses in part does not stop those after it.
 */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { bytes } from '../../../src/base/brand.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { DiskBudget } from '../../../src/cache/blocks/disk-budget.ts';
import { BlockStore } from '../../../src/cache/blocks/store.ts';
import { LruByObject } from '../../../src/cache/policy/eviction.ts';
import type { BlockHash, NodeRow, ObjectMap } from '../../../src/cache/index/rows.ts';
import type { NativeEvent } from '../../../src/native/events.ts';
import type { NativeHost } from '../../../src/native/host.ts';

const MIB = 1024 * 1024;
const FILE = 1 * MIB;

/** Files of one block of 1 MiB each, numbered from 1, in a cache of 8 MiB. */
class World implements Disposable {
  readonly clock = new ManualClock();
  readonly objects = new Map<number, ObjectMap>();
  readonly dropped: number[] = [];
  readonly pinned = new Set<number>();
  /** Files that the index does not know any more. */
  readonly gone = new Set<number>();
  commits = 0;
  readonly budget: DiskBudget;
  readonly store: BlockStore;

  constructor(capacity = 8 * MIB) {
    const { clock } = this;
    const limits = { bytes: capacity, files: Infinity };
    this.budget = new DiskBudget({
      limits: { ...limits, floor: { kind: 'size', bytes: bytes(0) } },
      folder: tmpdir(),
      policy: new LruByObject(),
      clock,
      log: SILENT_LOGGER,
    });
    this.store = new BlockStore({
      host: this.#host(),
      volume: 1,
      index: this.#index(),
      blockSize: MIB,
      folder: '/nowhere',
      name: 'one',
      limits: { ...limits, reserve: 0 },
      budget: this.budget,
      publish: false,
      clean: true,
      clock,
      log: SILENT_LOGGER,
      busy: () => false,
      readers: () => [],
      pins: { isPinned: (ino) => this.pinned.has(ino), mark: () => Promise.resolve() },
    });
  }

  /** A run of one file: room for it, its block stored. @returns whether it was cached */
  async fetch(ino: number): Promise<boolean> {
    const need = this.store.needOf(ino, 0, 1);
    if (!(await this.store.space.admit(ino, need))) return false;
    this.store.onStored({ a: ino, b: 0, c: 0, d: 1, e: ino } as NativeEvent);
    this.store.space.release(need);
    return true;
  }

  [Symbol.dispose](): void {
    this.store.space[Symbol.dispose]();
    this.budget[Symbol.dispose]();
  }

  #host(): NativeHost {
    return {
      engine: {
        openCount: () => 0,
        states: () => undefined,
        sync: () => undefined,
        dropFile: (_volume: number, _task: number, ino: number) => void this.dropped.push(ino),
        drainTouched: () => [],
      },
      task: async (start: (task: number) => void) => {
        start(1);
        await Promise.resolve();
        return { errno: 0, value: 0 };
      },
    } as unknown as NativeHost;
  }

  #index() {
    const { objects } = this;
    const sum = (of: Iterable<ObjectMap>): { bytes: number; files: number } => {
      const all = [...of];
      return { bytes: all.reduce((total, one) => total + one.bytes, 0), files: all.length };
    };
    return {
      node: (ino: number) => ({ ino, size: FILE, dir: false, superseded: false }) as NodeRow,
      object: (ino: number) => objects.get(ino) ?? null,
      hashes: () => ({ idx: [], hash: [] }),
      totals: () => {
        const { bytes: held, files } = sum(objects.values());
        const pins = sum([...objects.values()].filter(({ ino }) => this.pinned.has(ino)));
        return { bytes: held, files, blocks: files, pinnedBytes: pins.bytes, pinnedFiles: pins.files, nodes: 0 };
      },
      coldest: (limit: number) =>
        [...objects.values()]
          .filter(({ ino }) => !this.pinned.has(ino))
          .sort((a, b) => a.usedMs - b.usedMs)
          .slice(0, limit)
          .map(({ ino, bytes: size, usedMs }) => ({ ino, bytes: size, usedMs, superseded: false })),
      recentBlocks: () => [],
      commitBlocks: async (batch: readonly BlockHash[]) => {
        this.commits += 1;
        await Promise.resolve();
        const known = batch.filter(({ ino }) => !this.gone.has(ino));
        for (const { ino } of known) {
          const row = { ino, blocks: 1, bytes: FILE, usedMs: this.clock.wall(), state: 0 as const };
          objects.set(ino, { ...row, resident: Uint8Array.of(1) });
        }
        return batch.filter(({ ino }) => this.gone.has(ino)).map(({ ino }) => ino);
      },
      setState: () => Promise.resolve(),
      dropBlocks: () => Promise.resolve(),
      dropObjects: (inos: readonly number[]) => {
        for (const ino of inos) objects.delete(ino);
        return Promise.resolve();
      },
      touch: () => Promise.resolve(),
      forgetRecent: () => Promise.resolve(),
    };
  }
}

describe('the block store', () => {
  test('commits what it stored a moment ago where room is short: a cache turned over within one moment still caches', async () => {
    using world = new World();
    for (let ino = 1; ino <= 30; ino++) assert.equal(await world.fetch(ino), true, `file ${ino} is cached`);
    assert.equal(world.store.space.stats().bypassedRuns, 0);
    assert.deepEqual(world.dropped.slice(0, 3), [1, 2, 3], 'the oldest leave first');
    assert.ok(world.store.space.stats().bytes <= 8 * MIB);
    assert.ok(world.commits <= 30, `${world.commits} commits`);
  });

  test('evicts what was pinned like any other object, and never what is', async () => {
    using world = new World();
    for (const ino of [1, 2, 3]) {
      world.pinned.add(ino);
      assert.ok(await world.fetch(ino));
    }
    for (let ino = 4; ino <= 20; ino++) {
      await world.clock.advance(100);
      assert.equal(await world.fetch(ino), true, `file ${ino} finds room beside what is pinned`);
    }
    assert.ok(!world.dropped.some((ino) => ino <= 3));
    world.pinned.clear();
    world.store.countPinned();
    for (let ino = 21; ino <= 30; ino++) {
      await world.clock.advance(100);
      assert.ok(await world.fetch(ino));
    }
    assert.deepEqual(
      [1, 2, 3].filter((ino) => world.objects.has(ino)),
      [],
      'the coldest of all, they have left first',
    );
  });

  test('full of pinned objects serves without caching, says so, and drops nothing for it', async () => {
    using world = new World();
    for (let ino = 1; ino <= 7; ino++) {
      world.pinned.add(ino);
      assert.ok(await world.fetch(ino));
    }
    await world.store.flush();
    assert.equal(await world.fetch(8), true, 'what fits exactly is cached');
    world.pinned.add(8);
    await world.store.flush();
    assert.equal(await world.fetch(9), false);
    assert.equal(world.store.space.stats().state, 'bypass');
    assert.deepEqual(world.dropped, []);
    world.pinned.clear();
    world.store.countPinned();
    assert.equal(await world.fetch(9), true, 'and the first request behind it is cached again');
  });

  test('goes on committing behind a commit of which the index does not know a file any more', async () => {
    using world = new World();
    assert.ok(await world.fetch(1));
    assert.ok(await world.fetch(2));
    world.gone.add(1);
    await world.store.flush();
    assert.deepEqual([world.dropped, [...world.objects.keys()]], [[1], [2]]);
    assert.equal(world.store.space.stats().bytes, FILE);
    assert.ok(await world.fetch(3));
    await world.store.flush();
    assert.deepEqual([...world.objects.keys()], [2, 3]);
  });
});
