/**
 * An object's own blocks making room, with an index and a data plane that write down what they are asked, in order.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { OwnRoom } from '../../../src/cache/blocks/own-room.ts';
import type { BlockRange } from '../../../src/cache/policy/geometry.ts';
import type { PlannedReader } from '../../../src/cache/policy/self-evict.ts';
import type { NativeHost } from '../../../src/native/host.ts';

const BLOCK = 4096;

interface World {
  /** Blocks that READs wait for: first, count, … */
  awaited?: readonly number[];
  readers?: readonly PlannedReader[];
  /** Whether the index knows a range. */
  known?: (range: BlockRange) => boolean;
  indexFails?: boolean;
}

/** Blocks 0 to 63 are there, in that order; the cache holds 64. */
function roomIn({ awaited = [], readers = [], known = () => true, indexFails = false }: World = {}) {
  const said: string[] = [];
  const order = new Set(Array.from({ length: 64 }, (_, index) => index));
  const text = (ranges: readonly BlockRange[]): string =>
    ranges.map(({ first, count }) => `${first}+${count}`).join(' ');
  const host = {
    engine: {
      awaited: () => Float64Array.from(awaited),
      dropBlocks: (_volume: number, _task: number, _ino: number, first: number, count: number) =>
        void said.push(`punch ${first}+${count}`),
    },
    task: (start: (task: number) => void) => {
      start(1);
      return Promise.resolve({ errno: 0, value: 0 });
    },
  } as unknown as NativeHost;
  const room = new OwnRoom({
    host,
    volume: 1,
    index: {
      dropBlocks: async (_ino, ranges) => {
        await Promise.resolve();
        said.push(`${indexFails ? 'refuse' : 'forget'} ${text(ranges)}`);
        if (indexFails) throw new Error('no space');
      },
    },
    blockSize: BLOCK,
    capacity: () => 64 * BLOCK,
    readers: () => readers,
    forget: (_ino, range) => ({
      bytes: range.count * BLOCK,
      known: known(range),
      restore: () => void said.push(`restore ${range.first}+${range.count}`),
    }),
    attach: () => void said.push('attach'),
    log: SILENT_LOGGER,
  });
  return { said, free: (blocks: number) => room.free(7, order, blocks * BLOCK) };
}

const reader = (block: number, planned: readonly BlockRange[] = []): PlannedReader => ({
  block,
  direction: 1,
  planned,
});

describe('room made of the object itself', () => {
  test('takes a quarter of the cache behind a reader at once: one word to the index, then the punch', async () => {
    const { said, free } = roomIn({ readers: [reader(50)] });
    assert.equal(await free(2), 16 * BLOCK);
    assert.deepEqual(said, ['forget 0+16', 'attach', 'punch 0+16']);
  });

  test('tells the index of all ranges together, and of none that it has never heard of', async () => {
    const world = { readers: [reader(40)], awaited: [4, 4, 12, 2], known: ({ first }: BlockRange) => first !== 8 };
    const { said, free } = roomIn(world);
    await free(1);
    assert.deepEqual(said, ['forget 0+4 14+8', 'attach', 'punch 0+4', 'punch 8+4', 'punch 14+8']);
    const fresh = roomIn({ readers: [reader(50)], known: () => false });
    await fresh.free(1);
    assert.deepEqual(fresh.said, ['attach', 'punch 0+16']);
  });

  test('spares what a waiting read needs, what is planned, and what came last, even when that leaves too little', async () => {
    const planned = [{ first: 20, count: 30 }];
    const { said, free } = roomIn({ readers: [reader(19, planned)], awaited: [0, 10] });
    assert.equal(await free(60), (10 + 6) * BLOCK);
    // 8 blocks behind the reader are its margin, reached last; 56 to 63 came last of all.
    assert.ok(said.some((line) => line.startsWith('forget')));
    const gone = said
      .filter((line) => line.startsWith('punch'))
      .flatMap((line) => line.slice(6).split('+').map(Number));
    assert.ok(gone.every((first, at) => at % 2 === 1 || (first >= 10 && first < 20) || (first >= 50 && first < 56)));
  });

  test('takes less at a time where nobody can say what is read next', async () => {
    assert.equal(await roomIn().free(1), 4 * BLOCK);
  });

  test('counts again what the index could not forget, and gives nothing away', async () => {
    const { said, free } = roomIn({ readers: [reader(50)], indexFails: true });
    await assert.rejects(free(1), /no space/);
    assert.deepEqual(said, ['refuse 0+16', 'restore 0+16']);
  });
});
