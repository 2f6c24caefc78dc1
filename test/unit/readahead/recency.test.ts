import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecencyMap } from '../../../src/fs/readahead/recency.ts';

test('a recency map forgets what was used longest ago, and says so', () => {
  const forgotten: string[] = [];
  const map = new RecencyMap<string, number>(2, (_, key) => forgotten.push(key));
  map.set('a', 1);
  map.set('b', 2);
  assert.equal(map.use('a'), 1);
  map.set('c', 3);
  assert.deepEqual(forgotten, ['b']);
  assert.deepEqual([...map.values()], [1, 3]);
  assert.equal(map.size, 2);
});

test('a recency map does not report what is deleted or replaced, and peeking makes nothing newer', () => {
  const forgotten: string[] = [];
  const map = new RecencyMap<string, number>(2, (_, key) => forgotten.push(key));
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  assert.equal(map.peek('b'), 2);
  assert.ok(map.delete('a'));
  assert.equal(map.delete('a'), false);
  map.set('c', 4);
  assert.deepEqual(forgotten, []);
  map.set('d', 5);
  assert.deepEqual(forgotten, ['b']);
});
