import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { evaluate, type RowSpec } from '../../../bench/measure/row.ts';
import { align, formatNumber, formatSummary, renderTable } from '../../../bench/measure/table.ts';

const SPEC: RowSpec = {
  id: 'a',
  figure: 'a figure',
  metric: 'MB/s',
  unit: 'MB/s',
  better: 'higher',
  against: ['ext4'],
  target: { relation: '>=', value: 0.85 },
};

describe('the table of a run', () => {
  test('shows three digits, and whole numbers from a hundred on', () => {
    assert.deepEqual([0.8534, 1.2, 12.34, 123.4, 8120, 0, 0.0004].map(formatNumber), [
      ...['0.853', '1.20', '12.3', '123', '8,120', '0', '0.000'],
    ]);
  });

  test('shows the spread where there was more than one sample', () => {
    assert.equal(formatSummary({ count: 1, median: 5, low: 5, high: 5, spread: 0 }), '5.00');
    assert.equal(formatSummary({ count: 3, median: 100, low: 90, high: 110, spread: 0.1 }), '100 ±10%');
  });

  test('aligns columns, and leaves no space at the ends of lines', () => {
    assert.equal(
      align(
        [
          ['a', '1', 'x'],
          ['bbb', '22', ''],
        ],
        [1],
      ),
      'a     1  x\nbbb  22\n',
    );
  });

  test('says of each row the open mode, what was measured, what to reach and whether it was', () => {
    const rounds = [{ dlfs: { 'MB/s': 700 }, ext4: { 'MB/s': 1000 } }];
    const [head, rule, missed, open] = renderTable([
      evaluate(SPEC, rounds, 'stateless'),
      evaluate({ ...SPEC, figure: 'another' }, [], null),
    ]).split('\n');
    assert.match(head ?? '', /^figure +open mode +unit +dlfs +others +value +to reach/);
    assert.match(rule ?? '', /^-+ /);
    assert.match(missed ?? '', /^a figure +stateless +MB\/s +700 +ext4 1,000 +0\.700x +>= 0\.85 x ext4 +MISSED$/);
    assert.match(open ?? '', /^another +- +MB\/s +- +- +- +>= 0\.85 x ext4 +not measured$/);
  });
});
