import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../src/base/errors.ts';
import { parseRetryAfter, retryAfterOf, sourceFailure } from '../../../src/source/source-failure.ts';
import { backoffMs } from '../../../src/source/s3/backoff.ts';

const NOW = Date.UTC(2025, 0, 1);

test('Retry-After is read as seconds or as a date, five minutes at most', () => {
  assert.equal(parseRetryAfter('7', NOW), 7000);
  assert.equal(parseRetryAfter(' 0 ', NOW), 0);
  assert.equal(parseRetryAfter('Wed, 01 Jan 2025 00:00:30 GMT', NOW), 30_000);
  assert.equal(parseRetryAfter('Wed, 01 Jan 2020 00:00:30 GMT', NOW), 0);
  assert.equal(parseRetryAfter('86400', NOW), 300_000);
  for (const nothing of [null, '', 'soon', '-1', '1e9', '9'.repeat(100)])
    assert.equal(parseRetryAfter(nothing, NOW), null, String(nothing));
});

test('a failure carries its wait, and any other error none', () => {
  assert.equal(retryAfterOf(sourceFailure('throttled', 'x', { retryAfterMs: 7000 })), 7000);
  assert.equal(retryAfterOf(sourceFailure('throttled', 'x')), null);
  assert.equal(retryAfterOf(new DlfsError('throttled', 'x')), null);
});

test('waits grow, stay under their ceiling, and are never shorter than asked', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.boolean(),
      fc.option(fc.nat({ max: 300_000 })),
      (failures, random, throttled, asked) => {
        const wait = backoffMs(failures, random, throttled, asked);
        assert.ok(wait >= (asked ?? 0) && wait <= Math.max(20_000, asked ?? 0));
        assert.ok(backoffMs(failures + 1, random, throttled, asked) >= wait);
      },
    ),
  );
});
