import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  CONCURRENCY_DEFAULTS,
  FetchConcurrency,
  type FetchOutcome,
  type FetchTicket,
} from '../../../src/cache/policy/concurrency.ts';
import { seeded } from './seeded.ts';
import { aloneWith } from './shares.ts';
import { SimulatedOrigin } from './simulated-origin.ts';

const MIB = 1024 * 1024;
/** Bytes a millisecond of one MB/s. */
const MB_S = 1000;
const SMALL = 110_000;

describe('adaptive concurrency against a simulated origin', () => {
  test('fills a fast link with small files although each waits 10 ms', () => {
    const origin = new SimulatedOrigin({ bandwidth: 1000 * MB_S, latency: 10 });
    origin.run(3000, () => SMALL);
    const result = origin.run(10_000, () => SMALL);
    assert.ok(result.utilisation > 0.93, `${result.utilisation}`);
  });

  test('finds the knee of a 1 Gbit/s link, without a queue far beyond it', () => {
    const origin = new SimulatedOrigin({ bandwidth: 125 * MB_S, latency: 50 });
    origin.run(20_000, () => SMALL);
    const result = origin.run(30_000, () => SMALL);
    // The optimum is 58 requests: 1136 files/s × 51 ms.
    assert.ok(result.utilisation > 0.93, `${result.utilisation}`);
    assert.ok(result.meanInFlight > 50 && result.meanInFlight < 2 * 58, `${result.meanInFlight}`);
  });

  test('finds it with sizes that scatter', () => {
    const random = seeded(7);
    const origin = new SimulatedOrigin({ bandwidth: 125 * MB_S, latency: 20 });
    origin.run(20_000, () => Math.floor(random() * 220_000));
    const result = origin.run(20_000, () => Math.floor(random() * 220_000));
    assert.ok(result.utilisation > 0.9, `${result.utilisation}`);
    assert.ok(result.meanInFlight < 70, `${result.meanInFlight}`);
  });

  test('needs no more than a few large runs where one would do', () => {
    const origin = new SimulatedOrigin({ bandwidth: 125 * MB_S, latency: 20 });
    origin.run(2000, () => 8 * MIB);
    const result = origin.run(20_000, () => 8 * MIB);
    assert.ok(result.utilisation > 0.97, `${result.utilisation}`);
    assert.ok(result.meanInFlight <= 10, `${result.meanInFlight}`);
  });

  test('opens as many large runs as it takes where one connection carries little', () => {
    const origin = new SimulatedOrigin({ bandwidth: 500 * MB_S, perConnection: 85 * MB_S, latency: 100 });
    origin.run(3000, () => 16 * MIB);
    assert.ok(origin.run(20_000, () => 16 * MIB).utilisation > 0.95);
  });

  test('stays just below the number at which the origin refuses', () => {
    const origin = new SimulatedOrigin({ bandwidth: 1000 * MB_S, latency: 20, maxConcurrent: 24 });
    origin.run(5000, () => SMALL);
    const result = origin.run(60_000, () => SMALL);
    // 24 at 20.1 ms and a millisecond of resolution are some 1150 files/s.
    assert.ok(result.completed / 60 > 0.85 * 1150, `${result.completed / 60} files/s`);
    assert.ok(result.refused < 0.001 * result.completed, `${result.refused} refused`);
  });

  test('comes near a limit of requests a second, and is rarely refused', () => {
    const origin = new SimulatedOrigin({ bandwidth: 1000 * MB_S, latency: 50, maxRate: 0.5 });
    origin.run(60_000, () => SMALL);
    const result = origin.run(60_000, () => SMALL);
    assert.ok(result.completed / 60 > 0.8 * 500, `${result.completed / 60} files/s`);
    assert.ok(result.refused < 0.01 * result.completed, `${result.refused} refused`);
  });

  test('follows a link that gets slower, and one that gets faster', () => {
    const origin = new SimulatedOrigin({ bandwidth: 125 * MB_S, latency: 50 });
    origin.run(10_000, () => SMALL);
    origin.model.bandwidth = 30 * MB_S;
    origin.run(60_000, () => SMALL);
    const slow = origin.run(10_000, () => SMALL);
    assert.ok(slow.utilisation > 0.95 && slow.meanInFlight < 60, `${slow.utilisation} with ${slow.meanInFlight}`);
    origin.model.bandwidth = 250 * MB_S;
    origin.run(10_000, () => SMALL);
    const fast = origin.run(10_000, () => SMALL);
    assert.ok(fast.utilisation > 0.9, `${fast.utilisation}`);
  });
});

/** A control with a queue of `count` requests already admitted. */
function admitted(control: FetchConcurrency, count: number, bytes: number, now: number): FetchTicket[] {
  const tickets: FetchTicket[] = [];
  for (let index = 0; index < count; index++) {
    const { ticket } = control.admit({ bytes, priority: 'demand' }, now);
    if (ticket !== null) tickets.push(ticket);
  }
  return tickets;
}

describe('admission', () => {
  test('stops for both kinds and priorities while the origin asks for a pause', () => {
    const control = new FetchConcurrency({}, aloneWith(512 * MIB), 0);
    const [ticket] = admitted(control, 1, SMALL, 0);
    control.finished(ticket!, { kind: 'throttled', retryAfter: 1500 }, 10);
    for (const bytes of [SMALL, 8 * MIB]) {
      assert.deepEqual(control.admit({ bytes, priority: 'demand' }, 1509), {
        ticket: null,
        why: 'paused',
        until: 1510,
        room: 0,
      });
      assert.notEqual(control.admit({ bytes, priority: 'demand' }, 1510).ticket, null);
    }
  });

  test('does not believe a pause of an hour', () => {
    const control = new FetchConcurrency({}, aloneWith(512 * MIB), 0);
    const [ticket] = admitted(control, 1, SMALL, 0);
    control.finished(ticket!, { kind: 'throttled', retryAfter: 3_600_000 }, 0);
    assert.equal(control.snapshot().pausedUntil, 60_000);
  });

  test('counts a burst of refusals once', () => {
    const control = new FetchConcurrency({ initialSmall: 64 }, aloneWith(512 * MIB), 0);
    const tickets = admitted(control, 64, SMALL, 1000);
    assert.equal(tickets.length, 64);
    for (const ticket of tickets) control.finished(ticket, { kind: 'throttled', retryAfter: null }, 1010);
    assert.equal(control.snapshot().small.limit, 44);
  });

  test('takes many lost requests for congestion, one for bad luck', () => {
    const control = new FetchConcurrency({ initialSmall: 16 }, aloneWith(512 * MIB), 0);
    const [first, ...others] = admitted(control, 16, SMALL, 0);
    control.finished(first!, { kind: 'lost' }, 50);
    assert.equal(control.snapshot().small.limit, 16);
    for (const ticket of others) control.finished(ticket, { kind: 'lost' }, 60);
    assert.ok(control.snapshot().small.limit < 16);
  });

  test('keeps places and bytes free for a reader that waits', () => {
    const control = new FetchConcurrency({ initialSmall: 16 }, aloneWith(128 * MIB), 0);
    let ahead = 0;
    while (control.admit({ bytes: SMALL, priority: 'readahead' }, 0).ticket !== null) ahead += 1;
    assert.equal(ahead, 14);
    assert.equal(admitted(control, 5, SMALL, 0).length, 2);
    const large = new FetchConcurrency({ min: 8 }, aloneWith(128 * MIB), 0);
    for (let index = 0; index < 3; index++) large.admit({ bytes: 16 * MIB, priority: 'readahead' }, 0);
    assert.deepEqual(large.admit({ bytes: 16 * MIB, priority: 'readahead' }, 0), {
      ticket: null,
      why: 'bytes',
      until: null,
      room: 0,
    });
    assert.notEqual(large.admit({ bytes: 16 * MIB, priority: 'demand' }, 0).ticket, null);
  });

  test('leaves more places to readers the less anybody waits for what is fetched', () => {
    const placesOf = (priority: 'demand' | 'readahead' | 'fill' | 'scrub'): number => {
      const control = new FetchConcurrency({ initialSmall: 16 }, aloneWith(128 * MIB), 0);
      let places = 0;
      while (control.admit({ bytes: SMALL, priority }, 0).ticket !== null) places += 1;
      return places;
    };
    assert.deepEqual([placesOf('demand'), placesOf('readahead'), placesOf('fill'), placesOf('scrub')], [16, 14, 12, 8]);
  });

  test('says to what a run must be cut where all the memory would not do, and lets no other through', () => {
    const control = new FetchConcurrency({}, aloneWith(8 * MIB), 0);
    assert.deepEqual(control.admit({ bytes: 16 * MIB, priority: 'demand' }, 0), {
      ticket: null,
      why: 'bytes',
      until: null,
      room: 4 * MIB,
    });
    assert.notEqual(control.admit({ bytes: 4 * MIB, priority: 'demand' }, 0).ticket, null);
    const refused = control.admit({ bytes: 4096, priority: 'demand' }, 0);
    assert.deepEqual(refused, { ticket: null, why: 'bytes', until: null, room: 0 });
  });

  test('does not grow from a load that needs no more', () => {
    const control = new FetchConcurrency({}, aloneWith(512 * MIB), 0);
    for (let now = 0; now < 20_000; now += 10) {
      const [ticket] = admitted(control, 1, SMALL, now);
      control.received(ticket!, SMALL, now + 8);
      control.finished(ticket!, { kind: 'ok' }, now + 9);
    }
    assert.equal(control.snapshot().small.limit, CONCURRENCY_DEFAULTS.initialSmall);
  });

  test('keeps its bounds and its books under any order of events', () => {
    const outcome = fc.constantFrom<FetchOutcome>(
      { kind: 'ok' },
      { kind: 'lost' },
      { kind: 'neutral' },
      { kind: 'throttled', retryAfter: null },
      { kind: 'throttled', retryAfter: 500 },
    );
    const event = fc.record({
      wait: fc.constantFrom(0, 1, 40, 400),
      size: fc.constantFrom(0, 4096, SMALL, 3 * MIB, 16 * MIB),
      priority: fc.constantFrom('demand' as const, 'readahead' as const),
      end: fc.nat(3),
      outcome,
    });
    const options = { min: 2, initialSmall: 5, maxSmall: 20, maxLarge: 6 };
    const most = 40 * MIB;
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const control = new FetchConcurrency(options, aloneWith(2 * most), 0);
        const inFlight: FetchTicket[] = [];
        let now = 0;
        for (const { wait, size, priority, end, outcome: how } of events) {
          now += wait;
          const before = control.snapshot();
          const { ticket } = control.admit({ bytes: size, priority }, now);
          if (ticket !== null) {
            assert.ok(now >= before.pausedUntil);
            inFlight.push(ticket);
          }
          for (const done of inFlight.splice(0, end)) {
            control.received(done, done.bytes, now);
            control.finished(done, how, now);
          }
          const { small, large, bytesInFlight } = control.snapshot();
          for (const [one, places] of [
            [small, options.maxSmall],
            [large, options.maxLarge],
          ] as const) {
            assert.ok(Number.isInteger(one.limit) && one.limit >= options.min && one.limit <= places);
            assert.ok(one.inFlight >= 0 && one.inFlight <= places);
          }
          assert.equal(small.inFlight + large.inFlight, inFlight.length);
          assert.equal(
            bytesInFlight,
            inFlight.reduce((sum, one) => sum + one.bytes, 0),
          );
          assert.ok(bytesInFlight <= most);
        }
      }),
    );
  });
});
