/**
 * Lanes for listings that nobody waits for, shared by datasets of which some never give theirs back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListingLanes } from '../../../src/fs/snapshot/listing-lanes.ts';

const never = new AbortController().signal;

test('datasets that hold on to their lanes leave one to the next', async () => {
  const lanes = new ListingLanes(12);
  for (let stalled = 0; stalled < 3; stalled++) {
    const dataset = lanes.join();
    const late = new AbortController();
    // Takes what it gets, and waits for more.
    const taken: Disposable[] = [];
    const greedy = (async () => {
      for (;;) taken.push(await dataset.take(late.signal));
    })();
    await new Promise(setImmediate);
    late.abort();
    await assert.rejects(greedy, { code: 'interrupted' });
    assert.ok(taken.length >= 1, `dataset ${stalled} has ${taken.length}`);
  }
  using _one = await lanes.join().take(never);
});

test('whoever waits gets a lane when one is given back, once', async () => {
  const lanes = new ListingLanes(2);
  const [first, second] = [lanes.join(), lanes.join()];
  const one = await first.take(never);
  const other = await second.take(never);
  const third = lanes.join().take(never);
  let isTaken = false;
  void third.then(() => (isTaken = true));
  await new Promise(setImmediate);
  assert.equal(isTaken, false);
  one[Symbol.dispose]();
  one[Symbol.dispose]();
  using _third = await third;
  const aborted = new AbortController();
  const fourth = first.take(aborted.signal);
  aborted.abort();
  await assert.rejects(fourth, { code: 'interrupted' });
  other[Symbol.dispose]();
});
