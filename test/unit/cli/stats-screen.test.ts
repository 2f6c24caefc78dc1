import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { printable } from '../../../src/base/printable.ts';
import { fit, painter, width } from '../../../src/cli/format/cells.ts';
import { percent, seconds } from '../../../src/cli/format/human.ts';
import { detailScreen } from '../../../src/cli/stats/detail.ts';
import { statsScreen } from '../../../src/cli/stats/screen.ts';
import { sampleDataset, sampleNode } from '../../support/stats-samples.ts';

const plain = painter(false);

describe('the screen of statistics', () => {
  for (const [columns, rows, datasets] of [
    [80, 24, 200],
    [80, 24, 3],
    [160, 50, 200],
    [60, 10, 40],
    [80, 24, 0],
  ] as const) {
    test(`fits into ${columns} columns and ${rows} rows with ${datasets} datasets`, () => {
      const lines = statsScreen(sampleNode(datasets), { columns, rows }, plain);
      assert.ok(lines.length <= rows, `${lines.length} lines`);
      for (const line of lines) assert.ok(width(line) <= columns, `${width(line)} columns: ${line}`);
    });
  }

  test('shows first what needs somebody, then what is read most, and counts what it hides', () => {
    const lines = statsScreen(sampleNode(200), { columns: 80, rows: 24 }, plain);
    assert.match(lines[4] ?? '', /dataset-011 .*Failed/);
    assert.match(lines[5] ?? '', /dataset-012 .*Degraded/);
    assert.match(lines[6] ?? '', /dataset-196/);
    assert.match(lines.at(-1) ?? '', /^… and 181 more, 181 Ready$/);
    assert.match(lines[2] ?? '', /^200 datasets {2}198 Ready, 1 Failed, 1 Degraded$/);
  });

  test('has more columns where there is more room', () => {
    const titles = (columns: number): string => statsScreen(sampleNode(5), { columns, rows: 24 }, plain)[3] ?? '';
    assert.match(titles(80), /DATASET +STATE +CACHED +HIT +READ +ORIGIN/);
    assert.match(titles(160), /IN FLIGHT.*WAITS FOR.*EVICTED.*SAVED≈.*ERRORS/);
  });

  test('colours only where a terminal shows it', () => {
    const draw = (colour: boolean): string =>
      statsScreen(sampleNode(20), { columns: 80, rows: 24 }, painter(colour)).join('\n');
    assert.ok(!draw(false).includes('\u001b'));
    assert.ok(draw(true).includes('\u001b[31m'));
  });

  test('of one dataset fits, and says that the time saved is an estimate', () => {
    for (const columns of [80, 160]) {
      const lines = detailScreen(sampleDataset(7), { columns, rows: 40 }, plain);
      for (const line of lines) assert.ok(width(line) <= columns, line);
      assert.ok(lines.some((line) => /saved .*estimate/.test(line)));
      assert.ok(lines.some((line) => line.startsWith('hidden by the page cache')));
    }
  });

  test('a name from outside cannot steer the terminal', () => {
    const stats = sampleNode(1);
    const evil = { ...stats, datasets: [sampleDataset(1, { name: 'a\u001b[2Jb\n' })] };
    assert.ok(!statsScreen(evil, { columns: 80, rows: 24 }, plain).join('').includes('\u001b'));
  });
});

describe('a cell', () => {
  test('is exactly as wide as asked for, whatever letters are in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 40 }), (text, columns) => {
        assert.equal(width(fit(printable(text), columns, 'left')), columns);
      }),
    );
  });

  test('that is cut keeps its beginning and its end', () => {
    assert.equal(fit('dataset-one-of-many-2026', 12, 'left'), 'datase…-2026');
  });
});

describe('numbers for people', () => {
  test('nearly all is not all, and nothing is not unknown', () => {
    assert.deepEqual([percent(0.9996), percent(1), percent(0), percent(null)], ['99%', '100%', '0%', '-']);
  });

  test('seconds have their two largest units', () => {
    assert.deepEqual([0, 0.0004, 0.25, 9.46, 61, 3725, 90_000, null].map(seconds), [
      '0s',
      '1ms',
      '250ms',
      '9.5s',
      '1m01s',
      '1h02m',
      '1d1h',
      '-',
    ]);
  });
});
