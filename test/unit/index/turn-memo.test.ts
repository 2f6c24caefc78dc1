/** What is remembered within one turn of the event loop, and no longer. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { TurnMemo } from '../../../src/cache/index/turn-memo.ts';

/** A memo over rows that a writer may change, with a count of look-ups. */
function counted(rows: Map<number, string>): { memo: TurnMemo<number, string>; loads: () => number } {
  let loads = 0;
  const memo = new TurnMemo((key: number) => {
    loads += 1;
    return rows.get(key);
  });
  return { memo, loads: () => loads };
}

test('a row is looked up once in a turn of the event loop, however often it is asked for', () => {
  const { memo, loads } = counted(new Map([[1, 'one']]));
  assert.deepEqual(
    [1, 2, 3].map(() => memo.get(1)),
    ['one', 'one', 'one'],
  );
  assert.equal(loads(), 1);
});

test('a later turn sees what was written meanwhile', async () => {
  const rows = new Map([[1, 'one']]);
  const { memo, loads } = counted(rows);
  assert.equal(memo.get(1), 'one');
  rows.set(1, 'another');
  await setImmediate();
  assert.equal(memo.get(1), 'another');
  rows.delete(1);
  await setImmediate();
  assert.equal(memo.get(1), undefined);
  assert.equal(loads(), 3);
});

test('that there is no row is asked each time', () => {
  const rows = new Map<number, string>();
  const { memo, loads } = counted(rows);
  assert.equal(memo.get(1), undefined);
  rows.set(1, 'one');
  assert.equal(memo.get(1), 'one');
  assert.equal(loads(), 2);
});
