/** Spans of time, read and written. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../src/base/errors.ts';
import { formatDuration, parseDuration, parseDurationOrNever } from '../../../src/base/duration.ts';

describe('parseDuration', () => {
  for (const [text, expected] of [
    ['0', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    [' 2d ', 172_800_000],
    ['1m1ms', 60_001],
  ] as const) {
    test(`reads "${text}" as ${expected} ms`, () => assert.equal(parseDuration(text), expected));
  }

  for (const text of ['', '5', 'm', '-5m', '5 m', '5min', '5m3', 'never', '1e3s', '99999999999999d']) {
    test(`refuses "${text}" and shows the form`, () => {
      assert.throws(
        () => parseDuration(text),
        (error) => error instanceof DlfsError && error.code === 'invalid-argument' && error.message.includes('1h30m'),
      );
    });
  }

  test('never is a value of its own where it is allowed', () => {
    assert.equal(parseDurationOrNever('never'), 'never');
    assert.equal(parseDurationOrNever('5m'), 300_000);
    assert.throws(() => parseDurationOrNever('Never!'), DlfsError);
  });
});

describe('formatDuration', () => {
  test('gives at most two units', () => {
    const cases = [
      [0, '0ms'],
      [350, '350ms'],
      [999.7, '1s'],
      [1500, '1.5s'],
      [59_940, '59.9s'],
      [59_960, '1m'],
      [250_000, '4m10s'],
      [7_500_000, '2h5m'],
      [86_400_000, '1d'],
      [273_600_000, '3d4h'],
    ] as const;
    for (const [value, expected] of cases) assert.equal(formatDuration(value), expected);
  });

  test('what it writes is read back within its precision', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 10 }), (value) => {
        const back = parseDuration(formatDuration(value));
        assert.ok(
          Math.abs(back - value) <= Math.max(value * 0.05, 50),
          `${value} → ${formatDuration(value)} → ${back}`,
        );
      }),
    );
  });
});
