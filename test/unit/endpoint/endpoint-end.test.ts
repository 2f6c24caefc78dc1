/** What an endpoint leaves behind. In a file of its own: it counts the process's sockets and timers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Faults, endlessError } from '../../../demo/endpoint/index.ts';
import { Fixture } from './endpoint-fixture.ts';

test('an endpoint that ends while requests are stalled, dripping and endless leaves no socket and no timer', async () => {
  const before = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length;
  {
    const faults = new Faults();
    await using fixture = await Fixture.start({ objects: { a: 'aaaa', b: 'b', c: 'c' }, faults });
    const held = [
      faults.inject({ kind: 'list' }, { type: 'stall', after: 'nothing' }),
      faults.inject({ key: 'a' }, { type: 'drip', bytes: 1, everyMs: 1000 }),
      faults.inject({ key: 'b' }, endlessError()),
      faults.inject({ key: 'c' }, { type: 'delay', ms: 100_000 }),
    ];
    const requests = [fixture.list(), ...['a', 'b', 'c'].map((key) => fixture.get(key))];
    for (const fault of held) await fault.hit();
    await fixture.endpoint[Symbol.asyncDispose]();
    for (const result of await Promise.allSettled(requests)) assert.equal(result.status, 'rejected');
  }
  // The clients' own sockets are destroyed by now and go in the next turns of the event loop.
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  assert.equal(process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length, before);
});
