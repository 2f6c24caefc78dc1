/** Sizes and shares, read and written. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bytes } from '../../../src/base/brand.ts';
import { DlfsError } from '../../../src/base/errors.ts';
import { formatSize, parseSize, parseSizeOrShare, sizeOf } from '../../../src/base/size.ts';

const invalid = (error: unknown): boolean => error instanceof DlfsError && error.code === 'invalid-argument';

describe('parseSize', () => {
  for (const [text, expected] of [
    ['0', 0],
    ['4096', 4096],
    ['7B', 7],
    ['1KiB', 1024],
    ['1kB', 1000],
    ['1KB', 1000],
    ['64k', 65_536],
    ['512MiB', 512 * 1024 ** 2],
    ['10GiB', 10 * 1024 ** 3],
    ['10 gib', 10 * 1024 ** 3],
    ['1.5G', 1.5 * 1024 ** 3],
    ['2TB', 2e12],
    ['5TiB', 5 * 1024 ** 4],
    ['0.0001KiB', 0],
  ] as const) {
    test(`reads ${text} as ${expected} bytes`, () => assert.equal(parseSize(text), expected));
  }

  for (const text of [
    '',
    'GiB',
    '-1',
    '1e3',
    '10XB',
    '10GiBs',
    '1.',
    '.5G',
    '0x10',
    '9PB9',
    '99999PiB',
    'NaN',
    '1,5G',
    '1 0',
  ]) {
    test(`refuses "${text}" and shows the form`, () => {
      assert.throws(
        () => parseSize(text),
        (error) => invalid(error) && (error as Error).message.includes('10GiB'),
      );
    });
  }
});

describe('parseSizeOrShare', () => {
  test('reads percentages and sizes, and resolves both against the whole', () => {
    assert.equal(sizeOf(parseSizeOrShare('15%'), bytes(1000)), 150);
    assert.equal(sizeOf(parseSizeOrShare('12.5 %'), bytes(1001)), 125);
    assert.equal(sizeOf(parseSizeOrShare('2KiB'), bytes(1000)), 2048);
    assert.equal(sizeOf(parseSizeOrShare('0%'), bytes(1000)), 0);
  });

  for (const text of ['101%', '%', '-1%', '15%%', '1%5', 'a%']) {
    test(`refuses "${text}"`, () => assert.throws(() => parseSizeOrShare(text), invalid));
  }
});

describe('formatSize', () => {
  test('gives three digits and the unit', () => {
    const cases = [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '0.98 KiB'],
      [1024, '1.00 KiB'],
      [10.5 * 1024 ** 3, '10.5 GiB'],
      [512 * 1024 ** 2, '512 MiB'],
      [1023.9 * 1024 ** 2, '1.00 GiB'],
    ] as const;
    for (const [value, expected] of cases) assert.equal(formatSize(value), expected);
  });

  test('what it writes is read back within its precision', () => {
    fc.assert(
      fc.property(fc.nat({ max: 7 * 1024 ** 5 }), (value) => {
        const back = parseSize(formatSize(value));
        assert.ok(Math.abs(back - value) <= Math.max(value * 0.011, 1), `${value} → ${formatSize(value)} → ${back}`);
      }),
    );
  });
});
