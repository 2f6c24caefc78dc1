import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RunQueue, type QueuedRun } from '../../../src/cache/fetch/run-queue.ts';

function run(ino: number, first: number, priority: QueuedRun['priority'], count = 1): QueuedRun {
  return { ino, first, count, priority };
}

function drained(queue: RunQueue): string[] {
  const order: string[] = [];
  for (let next = queue.first(); next !== null; next = queue.first()) {
    order.push(`${next.priority} ${next.ino}/${next.first}`);
    queue.shift();
  }
  return order;
}

describe('the queue of runs', () => {
  test('starts what jobs want behind all that readers want, and repairs last', () => {
    const queue = new RunQueue();
    queue.push(run(4, 0, 'scrub'));
    queue.push(run(3, 0, 'fill'));
    queue.push(run(2, 0, 'readahead'));
    queue.push(run(1, 0, 'demand'));
    queue.push(run(3, 1, 'fill'));
    assert.deepEqual(drained(queue), ['demand 1/0', 'readahead 2/0', 'fill 3/0', 'fill 3/1', 'scrub 4/0']);
  });

  test('starts demand before readahead, each in the order in which it came', () => {
    const queue = new RunQueue();
    queue.push(run(1, 0, 'readahead'));
    queue.push(run(2, 5, 'demand'));
    queue.push(run(1, 1, 'readahead'));
    queue.push(run(3, 0, 'demand'));
    assert.equal(queue.size, 4);
    assert.deepEqual(drained(queue), ['demand 2/5', 'demand 3/0', 'readahead 1/0', 'readahead 1/1']);
    assert.equal(queue.size, 0);
    assert.equal(queue.first(), null);
    queue.shift();
    assert.equal(queue.size, 0, 'taking from an empty one does nothing');
  });

  test('knows which objects wait, and with what', () => {
    const queue = new RunQueue();
    queue.push(run(1, 0, 'readahead'));
    queue.push(run(1, 8, 'demand'));
    assert.equal(queue.has(1), true);
    assert.equal(queue.has(2), false);
    assert.deepEqual(
      [...queue.of(1)].map(({ first }) => first),
      [0, 8],
    );
    assert.deepEqual([...queue.of(2)], []);
    queue.shift();
    queue.shift();
    assert.equal(queue.has(1), false, 'nothing is kept of an object without runs');
  });

  test('takes readahead of one object out by what it matches, and leaves demand and others alone', () => {
    const queue = new RunQueue();
    for (const first of [0, 1, 2, 3]) queue.push(run(1, first, 'readahead'));
    queue.push(run(1, 2, 'demand'));
    queue.push(run(2, 2, 'readahead'));
    const taken = queue.takeReadahead(1, ({ first }) => first >= 2);
    assert.deepEqual(
      taken.map(({ first }) => first),
      [2, 3],
    );
    assert.deepEqual(drained(queue), ['demand 1/2', 'readahead 1/0', 'readahead 1/1', 'readahead 2/2']);
  });

  test('forgets the oldest readahead where too much waits, and never demand', () => {
    const queue = new RunQueue();
    for (let i = 0; i < 600; i++) queue.push(run(1, i, 'demand'));
    for (let i = 0; i < 600; i++) queue.push(run(2, i, 'readahead'));
    const order = drained(queue);
    const ahead = order.filter((text) => text.startsWith('readahead'));
    assert.equal(order.length - ahead.length, 600);
    assert.equal(ahead.length, 512);
    assert.equal(ahead[0], 'readahead 2/88');
    assert.equal(ahead.at(-1), 'readahead 2/599');
    assert.equal(queue.has(2), false);
  });
});
