/**
 * Space over the real disk of the temporary directory, with a host of plain objects in place of the block store.
 */
import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { bytes } from '../../../src/base/brand.ts';
import type { Logger } from '../../../src/base/log.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import type { SizeOrShare } from '../../../src/base/size.ts';
import { DiskBudget } from '../../../src/cache/blocks/disk-budget.ts';
import type { Space, SpaceHost } from '../../../src/cache/blocks/space.ts';
import { LruByObject, type EvictionCandidate } from '../../../src/cache/policy/eviction.ts';

const MIB = 1024 * 1024;

/** Objects of a size each, coldest first. */
class Host implements SpaceHost {
  readonly objects = new Map<number, { readonly bytes: number; readonly open: boolean; readonly busy: boolean }>();
  readonly dropped: number[] = [];
  own = 0;
  /** Objects that cannot leave before a commit. */
  uncommitted = new Map<number, number>();
  concurrent = 0;
  mostConcurrent = 0;
  space: Space | null = null;

  add(ino: number, size: number, { open = false, busy = false } = {}): void {
    this.objects.set(ino, { bytes: size, open, busy });
  }

  *candidates(_page: number): Generator<EvictionCandidate> {
    let lastUsed = 0;
    for (const [id, { bytes: size, open, busy }] of this.objects) {
      const pinned = busy ? { pinnedUntil: Infinity } : {};
      yield { id, bytes: size, files: 1, lastUsed: (lastUsed += 1), superseded: false, open, ...pinned };
    }
  }

  async dropObjects(inos: readonly number[]): Promise<void> {
    this.concurrent += 1;
    this.mostConcurrent = Math.max(this.mostConcurrent, this.concurrent);
    await Promise.resolve();
    for (const ino of inos) {
      const object = this.objects.get(ino);
      this.objects.delete(ino);
      this.dropped.push(ino);
      if (object !== undefined) this.space?.dropped(object.bytes, 1, object.open);
    }
    this.concurrent -= 1;
  }

  async settle(): Promise<boolean> {
    await Promise.resolve();
    if (this.uncommitted.size === 0) return false;
    for (const [ino, size] of this.uncommitted) this.add(ino, size);
    this.uncommitted.clear();
    return true;
  }

  async dropOwn(_ino: number, wanted: number): Promise<number> {
    const freed = Math.min(this.own, wanted);
    this.own -= freed;
    if (freed > 0) this.space?.dropped(freed, 0, false);
    return freed;
  }
}

interface Options {
  readonly limit?: number;
  readonly files?: number;
  readonly floor?: SizeOrShare;
  readonly log?: Logger;
  readonly clock?: ManualClock;
  readonly folder?: string;
}

function spaceOver(host: Host, options: Options = {}): { space: Space; budget: DiskBudget } {
  const {
    limit = 100 * MIB,
    files = Infinity,
    floor = { kind: 'size', bytes: bytes(0) },
    log = SILENT_LOGGER,
  } = options;
  const initial = { bytes: 0, files: host.objects.size };
  for (const object of host.objects.values()) initial.bytes += object.bytes;
  const clock = options.clock ?? new ManualClock();
  const budget = new DiskBudget({
    limits: { bytes: limit, files, floor },
    folder: options.folder ?? tmpdir(),
    policy: new LruByObject(),
    clock,
    log,
  });
  const limits = { bytes: limit, files, reserve: 0 };
  const space = budget.join({ name: 'one', limits, clock, log, host, initial });
  host.space = space;
  return { space, budget };
}

/** Messages of each level. */
function recorder(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (message: string): void => void lines.push(message);
  return { log: { ...SILENT_LOGGER, info: keep, warn: keep }, lines };
}

describe('space in the cache', () => {
  test('is reserved while there is room, and given back', async () => {
    const host = new Host();
    const { space } = spaceOver(host);
    assert.equal(await space.admit(1, { bytes: 10 * MIB, files: 1 }), true);
    assert.equal(space.stats().reservedBytes, 10 * MIB);
    space.stored(4 * MIB, true);
    space.release({ bytes: 10 * MIB, files: 1 });
    const { bytes: held, files, reservedBytes, state } = space.stats();
    assert.deepEqual([held, files, reservedBytes, state], [4 * MIB, 1, 0, 'normal']);
  });

  test('is made by dropping the coldest objects, those in use aside', async () => {
    const host = new Host();
    host.add(1, 30 * MIB, { busy: true });
    host.add(2, 30 * MIB);
    host.add(3, 30 * MIB);
    const { space } = spaceOver(host);
    assert.equal(await space.admit(9, { bytes: 20 * MIB, files: 1 }), true);
    assert.deepEqual(host.dropped, [2]);
    assert.deepEqual([space.stats().evictedFiles, space.stats().evictedBytes], [1, 30 * MIB]);
    assert.equal(space.stats().bytes, 60 * MIB);
  });

  test('counts files, too', async () => {
    const host = new Host();
    for (let ino = 1; ino <= 10; ino++) host.add(ino, 4096);
    const { space } = spaceOver(host, { files: 10 });
    assert.equal(await space.admit(11, { bytes: 4096, files: 1 }), true);
    assert.deepEqual(host.dropped, [1, 2]);
  });

  test('of an unlinked file that is open is taken until it is closed', async () => {
    const host = new Host();
    host.add(1, 90 * MIB, { open: true });
    const { space } = spaceOver(host);
    assert.equal(await space.admit(2, { bytes: 40 * MIB, files: 1 }), false, 'its leaving frees nothing yet');
    assert.deepEqual(host.dropped, [1]);
    assert.equal(space.stats().bytes, 90 * MIB);
    space.freed(90 * MIB, 1);
    assert.equal(space.stats().bytes, 0);
    assert.equal(await space.admit(2, { bytes: 40 * MIB, files: 1 }), true);
  });

  test('that cannot be made is no error: the run is served without caching, and counted', async () => {
    const host = new Host();
    host.add(1, 95 * MIB, { busy: true });
    const { space } = spaceOver(host);
    for (let i = 0; i < 3; i++) assert.equal(await space.admit(2, { bytes: 20 * MIB, files: 1 }), false);
    assert.equal(space.stats().bypassedRuns, 3);
    assert.deepEqual(host.dropped, []);
    assert.equal(space.stats().reservedBytes, 0);
  });

  test('is made of what was stored a moment ago where nothing else may leave, but not for a job', async () => {
    const host = new Host();
    const { space } = spaceOver(host);
    for (let ino = 1; ino <= 10; ino++) {
      host.uncommitted.set(ino, 10 * MIB);
      space.stored(10 * MIB, true);
    }
    assert.equal(
      await space.admit(11, { bytes: 10 * MIB, files: 1 }, 0),
      false,
      'a job spares what was used since it began',
    );
    assert.equal(host.uncommitted.size, 10);
    assert.equal(await space.admit(11, { bytes: 10 * MIB, files: 1 }), true);
    assert.deepEqual(host.dropped, [1, 2]);
  });

  test('for an object larger than the cache is made of its own blocks', async () => {
    const host = new Host();
    host.own = 95 * MIB;
    const { space } = spaceOver(host);
    space.stored(95 * MIB, true);
    assert.equal(await space.admit(1, { bytes: 20 * MIB, files: 0 }), true);
    assert.ok(host.own < 95 * MIB);
    assert.equal(await space.admit(1, { bytes: 200 * MIB, files: 0 }), false, 'a run beyond the quota never fits');
  });

  test('is made by one eviction at a time, however many ask', async () => {
    const host = new Host();
    for (let ino = 1; ino <= 25; ino++) host.add(ino, 4 * MIB);
    const { space } = spaceOver(host);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => space.admit(100 + i, { bytes: 2 * MIB, files: 1 })),
    );
    assert.ok(answers.every(Boolean));
    assert.equal(host.mostConcurrent, 1);
    const { bytes: held, reservedBytes } = space.stats();
    assert.ok(held + reservedBytes <= 100 * MIB, `${held} + ${reservedBytes}`);
    assert.ok(host.dropped.length <= 8, `no more than needed leaves: ${host.dropped.length}`);
  });

  test('of a disk at its floor is given back without a request, told of once, and told of again when it lasts', async () => {
    const fs = await statfs(tmpdir());
    const free = fs.bavail * fs.bsize;
    const host = new Host();
    for (let ino = 1; ino <= 5; ino++) host.add(ino, 10 * MIB);
    const { log, lines } = recorder();
    const clock = new ManualClock();
    const floor = { kind: 'size', bytes: bytes(free + 2 ** 30) } as const;
    const { space, budget } = spaceOver(host, { floor, log, clock });
    await budget.check();
    assert.deepEqual(host.dropped, [1, 2, 3, 4, 5], 'all that may leave does: the disk is short of a gigabyte');
    assert.equal(budget.stats().state, 'bypass');
    assert.equal(await space.admit(9, { bytes: 4096, files: 1 }), false);
    for (let i = 0; i < 5; i++) {
      await clock.advance(20_000);
      await budget.check();
    }
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', /no room in the cache \(floor\)/);
  });

  test('that cannot be looked at is served without', async () => {
    const { log, lines } = recorder();
    const { space } = spaceOver(new Host(), { folder: '/nonexistent/folder', log });
    assert.equal(await space.admit(1, { bytes: 4096, files: 1 }), false);
    assert.equal(lines.length, 1);
  });
});
