/**
 * The scrub over objects that a test makes up: how fast it reads, where it goes on, what it does with what is damaged.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DlfsError } from '../../../src/base/errors.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { Scrub, type ScrubOptions } from '../../../src/cache/blocks/scrub.ts';
import type { CacheTotals, NodeRow, ObjectRow, ScrubMark } from '../../../src/cache/index/rows.ts';

const MIB = 1024 * 1024;
const MINUTE = 60_000;
/** It leaves a start alone for so long. */
const START = 10 * MINUTE;
const WEEK = 7 * 24 * 60 * MINUTE;

/** Objects of some blocks of 1 MiB each, numbered from 1. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly blocks: number;
  count: number;
  readonly damaged = new Map<number, number[]>();
  readonly broken = new Set<number>();
  readonly inUse = new Set<number>();
  readonly superseded = new Set<number>();
  /** What was read: the object, the time, the bytes. */
  readonly read: { ino: number; at: number; bytes: number }[] = [];
  readonly refetched: string[] = [];
  saved: ScrubMark = { ino: 0, beganAtMs: 0, blocks: 0, bytes: 0, damaged: 0, passes: 0, passedAtMs: 0 };
  scrub: Scrub;

  constructor(count: number, blocks = 1, options: Partial<ScrubOptions> = {}) {
    this.count = count;
    this.blocks = blocks;
    this.scrub = this.#make(options);
    this.scrub.start();
  }

  async restart(): Promise<void> {
    await this.scrub[Symbol.asyncDispose]();
    this.scrub = this.#make({});
    this.scrub.start();
  }

  get inos(): number[] {
    return this.read.map(({ ino }) => ino);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scrub[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, 'no timer is left');
  }

  #make(options: Partial<ScrubOptions>): Scrub {
    const { clock } = this;
    return new Scrub({
      index: {
        scrubMark: () => this.saved,
        saveScrubMark: (mark) => {
          this.saved = mark;
          return Promise.resolve();
        },
        objects: (after, limit) =>
          Array.from({ length: Math.max(0, Math.min(limit, this.count - after)) }, (_, n) => ({
            ino: after + n + 1,
          })) as ObjectRow[],
        totals: () => ({ bytes: this.count * this.blocks * MIB, blocks: this.count * this.blocks }) as CacheTotals,
        node: (ino) => ({ ino, superseded: this.superseded.has(ino) }) as NodeRow,
      },
      check: {
        page: (ino, first, limit) => {
          if (this.broken.has(ino)) return Promise.reject(new DlfsError('io', 'the disk fails'));
          const blocks = Math.min(limit, this.blocks - first);
          const bytes = blocks * MIB;
          this.read.push({ ino, at: clock.monotonic(), bytes });
          const lost = (this.damaged.get(ino) ?? []).filter((block) => block >= first && block < first + blocks);
          return Promise.resolve({ blocks, bytes, lost, next: first + blocks < this.blocks ? first + blocks : null });
        },
      },
      refetch: (ino, first, count) => {
        this.refetched.push(`${ino}: ${first}+${count}`);
        return ino === 3 ? Promise.reject(new DlfsError('gone', 'gone')) : Promise.resolve();
      },
      isInUse: (ino) => this.inUse.has(ino),
      clock,
      log: SILENT_LOGGER,
      ...options,
    });
  }
}

describe('the scrub', () => {
  test('leaves a start alone, then reads every object once and rests until the period is over', async () => {
    await using world = new World(100);
    await world.clock.advance(START - 1);
    assert.deepEqual(world.read, []);
    await world.clock.advance(60 * MINUTE);
    assert.deepEqual(
      world.inos,
      Array.from({ length: 100 }, (_, n) => n + 1),
    );
    assert.deepEqual([world.scrub.mark.passes, world.scrub.mark.blocks, world.scrub.mark.bytes], [1, 100, 100 * MIB]);
    await world.clock.advance(24 * 60 * MINUTE);
    assert.equal(world.read.length, 100, 'a small cache is done early');
    await world.clock.advance(WEEK);
    assert.equal(world.scrub.mark.passes, 2);
  });

  test('reads as fast as the period asks for, and no faster than it is allowed', async () => {
    await using slow = new World(3600, 1, { periodMs: 60 * MINUTE });
    await slow.clock.advance(START + 30 * MINUTE);
    assert.ok(Math.abs(slow.read.length - 1800) < 20, `${slow.read.length} of 3600 MiB in half the time`);
    await using capped = new World(3600, 1, { periodMs: MINUTE, bytesPerSecond: 2 * MIB });
    await capped.clock.advance(START + 5 * MINUTE);
    const bytes = capped.read.reduce((sum, one) => sum + one.bytes, 0);
    assert.ok(bytes <= 5 * 60 * 2 * MIB + 2 * MIB, `${bytes} bytes`);
    assert.ok(bytes >= 5 * 60 * 2 * MIB * 0.95);
  });

  test('goes on behind a restart where it was noted last', async () => {
    await using world = new World(3600, 1, { periodMs: 60 * MINUTE });
    await world.clock.advance(START + 10 * MINUTE);
    const { length } = world.read;
    await world.restart();
    await world.clock.advance(START + MINUTE);
    assert.equal(world.read[length]?.ino, length + 1);
    assert.ok(world.scrub.mark.blocks > length, 'its counts go on, too');
  });

  test('killed, begins at most a minute before where it was', async () => {
    await using world = new World(3600, 1, { periodMs: 60 * MINUTE });
    await world.clock.advance(START + 10 * MINUTE);
    assert.ok(world.saved.ino >= world.read.length - 62, `${world.saved.ino} of ${world.read.length}`);
  });

  test('has damaged blocks fetched again, in ranges, and goes on where that fails', async () => {
    await using world = new World(5, 10);
    world.damaged.set(2, [1, 2, 3, 8]);
    world.damaged.set(3, [0]);
    world.damaged.set(4, [9]);
    world.superseded.add(4);
    await world.clock.advance(START + 60 * MINUTE);
    assert.deepEqual(world.refetched, ['2: 1+3', '2: 8+1', '3: 0+1']);
    assert.deepEqual([world.scrub.mark.passes, world.scrub.mark.damaged, world.scrub.mark.blocks], [1, 6, 50]);
  });

  test('leaves out what is in use, and what cannot be read costs that object alone', async () => {
    await using world = new World(6);
    world.inUse.add(2);
    world.broken.add(4);
    await world.clock.advance(START + 60 * MINUTE);
    assert.deepEqual(world.inos, [1, 3, 5, 6]);
    assert.equal(world.scrub.mark.passes, 1);
  });

  test('of an empty cache waits until there is something', async () => {
    await using world = new World(0);
    await world.clock.advance(START + 60 * MINUTE);
    assert.equal(world.scrub.mark.passes, 0);
    world.count = 3;
    await world.clock.advance(2 * MINUTE);
    assert.deepEqual(world.inos, [1, 2, 3]);
  });
});
