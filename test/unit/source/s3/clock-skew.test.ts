import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT_LOGGER, type Logger } from '../../../../src/base/log.ts';
import { ClockSkew } from '../../../../src/source/s3/clock-skew.ts';

const NOW = Date.UTC(2025, 0, 1);

function setUp(): { skew: ClockSkew; warnings: string[] } {
  const warnings: string[] = [];
  const log: Logger = { ...SILENT_LOGGER, warn: (message) => void warnings.push(message) };
  return { skew: new ClockSkew(log), warnings };
}

test("the clock is corrected by the origin's date, with one warning however often", () => {
  const { skew, warnings } = setUp();
  assert.equal(skew.correct('Wed, 01 Jan 2025 01:00:00 GMT', NOW), true);
  assert.equal(skew.offsetMs, 3_600_000);
  assert.equal(skew.correct('2024-12-31T22:00:00Z', NOW), true);
  assert.equal(skew.offsetMs, -7_200_000);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /3600 s behind the origin's/);
});

test('seconds of difference are left alone, and so is what is no date', () => {
  const { skew, warnings } = setUp();
  for (const date of [
    'Wed, 01 Jan 2025 00:04:00 GMT',
    'Tue, 31 Dec 2024 23:58:00 GMT',
    'yesterday',
    '',
    null,
    '9'.repeat(1000),
    '9999-12-31T23:59:59Z',
  ]) {
    assert.equal(skew.correct(date, NOW), false, String(date));
  }
  assert.deepEqual([skew.offsetMs, warnings], [0, []]);
  assert.equal(skew.adopt(Number.NaN), false);
});

test('a clock that was set right is no longer corrected', () => {
  const { skew } = setUp();
  skew.adopt(3_600_000);
  assert.equal(skew.adopt(2000), true);
  assert.equal(skew.offsetMs, 0);
});
