import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Settling } from '../../../src/daemon/config/settling.ts';

const look = (settling: Settling, states: Readonly<Record<string, string>>): [string[], string[]] => {
  const { changed, gone } = settling.look(new Map(Object.entries(states)));
  return [[...changed], [...gone]];
};

test('a file is taken up when two looks saw the same', () => {
  const settling = new Settling();
  assert.deepEqual(look(settling, { a: '1' }), [[], []]);
  assert.deepEqual(look(settling, { a: '1' }), [['a'], []]);
  settling.accept('a', '1');
  assert.deepEqual(look(settling, { a: '1' }), [[], []]);
});

test('a file that is being written waits until it is', () => {
  const settling = new Settling();
  settling.accept('a', '0');
  for (const state of ['1', '2', '3']) assert.deepEqual(look(settling, { a: state }), [[], []]);
  assert.deepEqual(look(settling, { a: '3' }), [['a'], []]);
});

test('a file that comes back at once was never gone', () => {
  const settling = new Settling();
  settling.accept('a', '1');
  assert.deepEqual(look(settling, {}), [[], []]);
  assert.deepEqual(look(settling, { a: '2' }), [[], []]);
  assert.deepEqual(look(settling, {}), [[], []]);
  assert.deepEqual(look(settling, { a: '1' }), [[], []]);
  assert.deepEqual(look(settling, {}), [[], []]);
  assert.deepEqual(look(settling, {}), [[], ['a']]);
  settling.accept('a', null);
  assert.deepEqual(look(settling, {}), [[], []]);
});

test('what was not accepted is named again', () => {
  const settling = new Settling();
  look(settling, { a: '1' });
  assert.deepEqual(look(settling, { a: '1' }), [['a'], []]);
  assert.deepEqual(look(settling, { a: '1' }), [['a'], []]);
});
