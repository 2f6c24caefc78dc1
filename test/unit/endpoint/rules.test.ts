/** The Range header and the conditions, as tables over the pure functions. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteRange } from '../../../demo/endpoint/byte-range.ts';
import { evaluateConditions } from '../../../demo/endpoint/conditions.ts';

const RANGES: readonly (readonly [header: string | undefined, size: number, expected: unknown])[] = [
  [undefined, 10, 'whole'],
  ['bytes=0-', 10, { start: 0, length: 10 }],
  ['bytes=0-0', 10, { start: 0, length: 1 }],
  ['bytes=9-9', 10, { start: 9, length: 1 }],
  ['bytes=3-100', 10, { start: 3, length: 7 }],
  ['bytes=-3', 10, { start: 7, length: 3 }],
  ['bytes=-30', 10, { start: 0, length: 10 }],
  ['bytes=10-', 10, 'unsatisfiable'],
  ['bytes=10-20', 10, 'unsatisfiable'],
  ['bytes=-0', 10, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=0-0', 0, 'unsatisfiable'],
  ['bytes=-1', 0, 'whole'],
  ['bytes=5-4', 10, 'whole'],
  ['bytes=', 10, 'whole'],
  ['bytes=-', 10, 'whole'],
  ['bytes=0-1,2-3', 10, 'whole'],
  ['items=0-1', 10, 'whole'],
  ['bytes=x-y', 10, 'whole'],
  [`bytes=${String(2 ** 42)}-`, 5 * 2 ** 40, { start: 2 ** 42, length: 5 * 2 ** 40 - 2 ** 42 }],
];

for (const [header, size, expected] of RANGES) {
  test(`Range: ${header ?? '(none)'} of ${String(size)} bytes`, () => {
    assert.deepEqual(byteRange(header, size), expected);
  });
}

const ETAG = '"abc"';
const MODIFIED = Date.UTC(2024, 0, 1);
const SAME = 'Mon, 01 Jan 2024 00:00:00 GMT';
const BEFORE = 'Sun, 31 Dec 2023 23:59:59 GMT';
const AFTER = 'Mon, 01 Jan 2024 00:00:01 GMT';

const CONDITIONS: readonly (readonly [headers: Record<string, string>, expected: string])[] = [
  [{}, 'proceed'],
  [{ 'if-match': '"abc"' }, 'proceed'],
  [{ 'if-match': 'abc' }, 'proceed'],
  [{ 'if-match': '"x", "abc"' }, 'proceed'],
  [{ 'if-match': '"x"' }, 'If-Match'],
  [{ 'if-match': '"ab"' }, 'If-Match'],
  [{ 'if-match': '"abc"', 'if-unmodified-since': BEFORE }, 'proceed'],
  [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 'If-Match'],
  [{ 'if-none-match': '"abc"' }, 'not-modified'],
  [{ 'if-none-match': '*' }, 'not-modified'],
  [{ 'if-none-match': '"x"' }, 'proceed'],
  [{ 'if-none-match': '"x"', 'if-modified-since': SAME }, 'proceed'],
  [{ 'if-modified-since': SAME }, 'not-modified'],
  [{ 'if-modified-since': AFTER }, 'not-modified'],
  [{ 'if-modified-since': BEFORE }, 'proceed'],
  [{ 'if-modified-since': 'garbage' }, 'proceed'],
  [{ 'if-unmodified-since': SAME }, 'proceed'],
  [{ 'if-unmodified-since': BEFORE }, 'If-Unmodified-Since'],
  [{ 'if-unmodified-since': BEFORE, 'if-none-match': '"abc"' }, 'If-Unmodified-Since'],
];

for (const [headers, expected] of CONDITIONS) {
  test(`conditions ${JSON.stringify(headers)}: ${expected}`, () => {
    const result = evaluateConditions(headers, ETAG, MODIFIED);
    assert.equal(result.outcome === 'failed' ? result.condition : result.outcome, expected);
  });
}
