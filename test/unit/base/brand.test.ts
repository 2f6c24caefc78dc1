/** Branded numbers refuse what is out of their range. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockIndex, byteOffset, bytes, ino, millis, unixMillis } from '../../../src/base/brand.ts';
import { DlfsError } from '../../../src/base/errors.ts';

const internal = (error: unknown): boolean => error instanceof DlfsError && error.code === 'internal';

test('branded integers take safe integers in their range and nothing else', () => {
  assert.equal(ino(1), 1);
  assert.throws(() => ino(0), internal);
  for (const make of [blockIndex, bytes, byteOffset]) {
    assert.equal(make(0), 0);
    assert.equal(make(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
    for (const bad of [-1, 0.5, Number.NaN, Infinity, 2 ** 53]) assert.throws(() => make(bad), internal, String(bad));
  }
});

test('spans and points in time are finite, spans not negative', () => {
  assert.equal(millis(0.5), 0.5);
  assert.equal(unixMillis(-5), -5);
  for (const bad of [-1, Number.NaN, Infinity]) assert.throws(() => millis(bad), internal);
  for (const bad of [Number.NaN, Infinity]) assert.throws(() => unixMillis(bad), internal);
});
