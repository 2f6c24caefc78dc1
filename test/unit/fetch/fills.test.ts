/**
 * What jobs want on the disk, over a scheduler and a data plane of plain objects: each fill settles once, whoever brings its blocks.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../src/base/errors.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { Fills } from '../../../src/cache/fetch/fills.ts';
import type { QueuedRun } from '../../../src/cache/fetch/run-queue.ts';
import type { RunObserver } from '../../../src/cache/fetch/scheduler-options.ts';
import type { BlockRange } from '../../../src/cache/policy/geometry.ts';
import { BLOCK_STATE } from '../../../src/native/binding.ts';
import type { NativeHost } from '../../../src/native/host.ts';

const BLOCKS = 64;
const FILE = 7;

class World implements Disposable {
  readonly clock = new ManualClock();
  readonly states = new Map<number, Uint8Array>();
  readonly queued: QueuedRun[] = [];
  readonly cancelled: BlockRange[] = [];
  observer: RunObserver | null = null;
  readonly fills: Fills;

  constructor() {
    const holds = (run: QueuedRun, ino: number, block: number): boolean =>
      run.ino === ino && block >= run.first && block < run.first + run.count;
    this.fills = new Fills({
      host: {
        engine: {
          states: (_volume: number, ino: number, first: number, out: Uint8Array) => {
            out.set(this.of(ino).subarray(first, first + out.length));
          },
        },
      } as unknown as NativeHost,
      volume: 1,
      scheduler: {
        observe: (observer) => (this.observer = observer),
        fill: (run) => void this.queued.push(run),
        cancelFill: (ino, range) => {
          this.cancelled.push(range);
          for (const run of this.queued.filter((one) => one.ino === ino && one.first >= range.first)) this.#take(run);
        },
        awaits: (ino, block) => this.queued.some((run) => holds(run, ino, block)),
      },
      attach: () => Promise.resolve(),
      clock: this.clock,
    });
  }

  of(ino: number): Uint8Array {
    const known = this.states.get(ino) ?? new Uint8Array(BLOCKS);
    this.states.set(ino, known);
    return known;
  }

  /** Blocks have come, by a run of the scheduler or by anybody else. */
  arrive(ino: number, first: number, count: number): void {
    this.of(ino).fill(BLOCK_STATE.resident, first, first + count);
    this.observer?.moved(ino);
  }

  /** The first run that waits, done: as much of it as `count`. */
  serve(count = Infinity): QueuedRun {
    const run = this.queued[0];
    assert.ok(run !== undefined, 'a run waits');
    this.#take(run);
    this.arrive(run.ino, run.first, Math.min(run.count, count));
    return run;
  }

  /** The first run that waits is given up. */
  giveUp(error: DlfsError): void {
    const run = this.queued[0];
    assert.ok(run !== undefined, 'a run waits');
    this.#take(run);
    this.observer?.gaveUp(run, error);
  }

  fetch(first: number, count: number, signal?: AbortSignal): Promise<string> {
    const how = { priority: 'fill' as const, ...(signal === undefined ? {} : { signal }) };
    return this.fills.fetch(FILE, { first, count }, how).then(
      () => 'done',
      (error: unknown) => DlfsError.from(error).code,
    );
  }

  /** Lets promises and looks settle. */
  async turn(ms = 0): Promise<void> {
    await this.clock.advance(ms);
  }

  [Symbol.dispose](): void {
    this.fills[Symbol.dispose]();
    assert.equal(this.clock.pending, 0, 'no timer is left');
  }

  #take(run: QueuedRun): void {
    this.queued.splice(this.queued.indexOf(run), 1);
  }
}

const full = (): DlfsError => new DlfsError('disk-full', 'no room');

describe('a fill', () => {
  test('of what is there already asks for nothing, and one of no blocks neither', async () => {
    using world = new World();
    world.arrive(FILE, 0, 8);
    assert.equal(await world.fetch(0, 8), 'done');
    assert.equal(await world.fetch(3, 0), 'done');
    assert.deepEqual(world.queued, []);
  });

  test('queues what is missing, one run at a time, and is done when all of it is on the disk', async () => {
    using world = new World();
    world.arrive(FILE, 2, 2);
    const done = world.fetch(0, 8);
    await world.turn();
    assert.deepEqual(world.queued, [{ ino: FILE, first: 0, count: 2, priority: 'fill' }]);
    world.serve();
    await world.turn();
    assert.deepEqual(world.queued, [{ ino: FILE, first: 4, count: 4, priority: 'fill' }]);
    assert.equal(world.fills.size, 1);
    world.serve();
    assert.equal(await done, 'done');
    assert.equal(world.fills.size, 0);
  });

  test('does not mind who brings its blocks', async () => {
    using world = new World();
    const done = world.fetch(0, 4);
    await world.turn();
    world.arrive(FILE, 0, 4); // a reader was faster
    assert.equal(await done, 'done');
  });

  test('waits where there is no room for a moment, and fails when it lasts', async () => {
    using world = new World();
    const lucky = world.fetch(0, 1);
    await world.turn();
    for (let tries = 0; tries < 4; tries++) {
      world.giveUp(full());
      await world.turn(1000);
    }
    world.serve();
    assert.equal(await lucky, 'done');
    const unlucky = world.fetch(8, 1);
    await world.turn();
    for (let tries = 0; tries < 6; tries++) {
      world.giveUp(full());
      await world.turn(1000);
    }
    assert.equal(await unlucky, 'disk-full');
  });

  test('counts shortages in a row: room in between begins anew', async () => {
    using world = new World();
    const done = world.fetch(0, 4);
    await world.turn();
    for (let block = 0; block < 4; block++) {
      for (let tries = 0; tries < 4; tries++) {
        world.giveUp(full());
        await world.turn(1000);
      }
      world.serve(1);
      await world.turn();
    }
    assert.equal(await done, 'done');
  });

  test('fails with what the origin says of it, though not with what ends a guess', async () => {
    using world = new World();
    const gone = world.fetch(0, 4);
    const other = world.fetch(8, 4);
    await world.turn();
    world.observer?.gaveUp({ ino: FILE, first: 0, count: 4, priority: 'readahead' }, full());
    await world.turn();
    assert.equal(world.fills.size, 2);
    world.giveUp(new DlfsError('gone', 'no longer at the origin'));
    assert.equal(await gone, 'gone');
    world.serve();
    assert.equal(await other, 'done', 'another range of the file is not concerned');
  });

  test('whose block cannot be written fails: for want of room, or for the disk', async () => {
    using world = new World();
    const noRoom = world.fetch(0, 4);
    const broken = world.fetch(4, 4);
    await world.turn();
    world.fills.storeFailed(FILE, 2, 28);
    world.fills.storeFailed(FILE, 4, 5);
    assert.deepEqual(await Promise.all([noRoom, broken]), ['disk-full', 'io']);
  });

  test('that is aborted gives up what waits, and one whose owner ends fails', async () => {
    using world = new World();
    const stop = new AbortController();
    const aborted = world.fetch(0, 4, stop.signal);
    const left = world.fetch(8, 4);
    await world.turn();
    stop.abort();
    assert.equal(await aborted, 'interrupted');
    assert.deepEqual(world.cancelled, [{ first: 0, count: 4 }]);
    assert.equal(await world.fetch(0, 4, stop.signal), 'interrupted', 'nor does it begin');
    world.fills[Symbol.dispose]();
    assert.equal(await left, 'interrupted');
    assert.equal(await world.fetch(0, 4), 'interrupted');
  });

  test('whose blocks come and go is given up', async () => {
    using world = new World();
    const done = world.fetch(0, 1);
    await world.turn();
    for (let round = 0; round < 20 && world.queued.length > 0; round++) {
      const [run] = world.queued.splice(0, 1);
      assert.ok(run !== undefined);
      world.observer?.moved(FILE); // the run has ended, and nothing of it has stayed
      await world.turn();
    }
    assert.equal(await done, 'io');
  });

  test('of which nothing is heard for a minute has no room: its block is served from memory', async () => {
    using world = new World();
    world.of(FILE)[0] = BLOCK_STATE.memory;
    const done = world.fetch(0, 1);
    await world.turn(30_000);
    assert.equal(world.fills.size, 1);
    await world.turn(35_000);
    assert.equal(await done, 'disk-full');
  });

  test('settles once, and only where all of its blocks are there or a reason is given, whatever happens in which order', async () => {
    const range = fc.tuple(fc.nat(BLOCKS - 1), fc.integer({ min: 1, max: 16 }));
    const step = fc.oneof(
      fc.record({ kind: fc.constant('fetch' as const), range }),
      fc.record({ kind: fc.constant('serve' as const), count: fc.integer({ min: 0, max: 16 }) }),
      fc.record({ kind: fc.constant('arrive' as const), range }),
      fc.record({ kind: fc.constant('lose' as const), block: fc.nat(BLOCKS - 1) }),
      fc.record({ kind: fc.constant('fail' as const) }),
      fc.record({ kind: fc.constant('wait' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        using world = new World();
        const settled: { range: BlockRange; how: string }[] = [];
        let begun = 0;
        for (const one of steps) {
          if (one.kind === 'fetch') {
            const [first, most] = one.range;
            const count = Math.min(most, BLOCKS - first);
            begun += 1;
            void world.fetch(first, count).then((how) => {
              settled.push({ range: { first, count }, how });
              const there = world.of(FILE).subarray(first, first + count);
              if (how === 'done') assert.ok(there.every((state) => state === BLOCK_STATE.resident));
            });
          } else if (one.kind === 'serve') {
            if (world.queued.length > 0) world.serve(one.count);
          } else if (one.kind === 'arrive') world.arrive(FILE, one.range[0], one.range[1]);
          else if (one.kind === 'lose') world.of(FILE)[one.block] = BLOCK_STATE.absent;
          else if (one.kind === 'fail') {
            if (world.queued.length > 0) world.giveUp(new DlfsError('gone', 'gone'));
          } else await world.turn(1000);
          await world.turn();
        }
        // Everything comes in the end.
        for (let round = 0; round < 200 && world.fills.size > 0; round++) {
          while (world.queued.length > 0) world.serve();
          await world.turn(1000);
        }
        assert.equal(settled.length, begun);
        assert.ok(settled.every(({ how }) => ['done', 'gone', 'io'].includes(how)));
      }),
      { numRuns: 60 },
    );
  });
});
