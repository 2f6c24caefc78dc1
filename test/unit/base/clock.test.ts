/** Both clocks keep the same contract; the manual one moves only by hand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SystemClock, type Clock } from '../../../src/base/clock.ts';
import { DlfsError } from '../../../src/base/errors.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';

/** A clock and the way to let time pass on it. */
interface Subject {
  readonly name: string;
  readonly clock: Clock;
  readonly pass: (ms: number) => Promise<void>;
}

function subjects(): Subject[] {
  const manual = new ManualClock();
  const system = new SystemClock();
  return [
    { name: 'manual clock', clock: manual, pass: (ms) => manual.advance(ms) },
    { name: 'system clock', clock: system, pass: (ms) => system.sleep(ms) },
  ];
}

for (const { name, clock, pass } of subjects()) {
  describe(name, () => {
    test('a timer fires once, later, and not before its time', async () => {
      const start = clock.monotonic();
      const fired: number[] = [];
      using _ = clock.startTimer(20, () => fired.push(clock.monotonic() - start));
      assert.deepEqual(fired, []);
      await pass(60);
      assert.equal(fired.length, 1);
      assert.ok(fired[0]! >= 19, String(fired[0]));
    });

    test('a disposed timer never fires, and disposing it again does nothing', async () => {
      let fired = 0;
      const timer = clock.startTimer(5, () => (fired += 1));
      timer[Symbol.dispose]();
      timer[Symbol.dispose]();
      await pass(20);
      assert.equal(fired, 0);
    });

    test('an interval fires until it is disposed, also from within its callback', async () => {
      let fired = 0;
      const interval = clock.startInterval(5, () => {
        fired += 1;
        if (fired === 3) interval[Symbol.dispose]();
      });
      await pass(100);
      assert.equal(fired, 3);
    });

    test('sleep is cut short by its signal, and leaves no timer', async () => {
      const controller = new AbortController();
      const sleeping = clock.sleep(1e9, controller.signal);
      controller.abort('enough');
      await assert.rejects(
        sleeping,
        (error) => error instanceof DlfsError && error.code === 'interrupted' && error.cause === 'enough',
      );
      await assert.rejects(clock.sleep(1e9, AbortSignal.abort()), DlfsError);
    });

    test('wall time is a date of our days', () => {
      assert.ok(clock.wall() > Date.UTC(2024, 0, 1));
    });
  });
}

describe('manual clock alone', () => {
  test('time stands still until it is moved', async () => {
    const clock = new ManualClock(5000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([clock.monotonic(), clock.wall()], [0, 5000]);
    await clock.advance(250);
    assert.deepEqual([clock.monotonic(), clock.wall()], [250, 5250]);
    clock.setWall(1);
    assert.deepEqual([clock.monotonic(), clock.wall()], [250, 1]);
  });

  test('timers run in order of their due time, each at its own moment, ones started on the way included', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    clock.startTimer(30, () => seen.push(`c@${clock.monotonic()}`));
    clock.startTimer(10, () => {
      seen.push(`a@${clock.monotonic()}`);
      clock.startTimer(10, () => seen.push(`b@${clock.monotonic()}`));
    });
    clock.startTimer(30, () => seen.push(`d@${clock.monotonic()}`));
    await clock.advance(30);
    assert.deepEqual(seen, ['a@10', 'b@20', 'c@30', 'd@30']);
    assert.equal(clock.pending, 0);
  });

  test('code that awaits a sleep goes on at that very moment', async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    const loop = (async () => {
      for (let round = 0; round < 3; round += 1) {
        await clock.sleep(7);
        seen.push(clock.monotonic());
      }
    })();
    await clock.advance(100);
    await loop;
    assert.deepEqual(seen, [7, 14, 21]);
  });

  test('any set of timers fires in sorted order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 20 }), async (delays) => {
        const clock = new ManualClock();
        const fired: number[] = [];
        for (const delay of delays) clock.startTimer(delay, () => fired.push(delay));
        await clock.advance(50);
        assert.deepEqual(
          fired,
          delays.toSorted((a, b) => a - b),
        );
        assert.equal(clock.pending, 0);
      }),
      { numRuns: 50 },
    );
  });
});
