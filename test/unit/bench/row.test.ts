import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeTarget, evaluate, reaches, type RowSpec } from '../../../bench/measure/row.ts';

const RATE: RowSpec = {
  id: 'rate',
  figure: 'a rate',
  metric: 'files/s',
  unit: 'files/s',
  better: 'higher',
  against: ['rclone', 's3fs'],
  target: { relation: '>=', value: 3 },
};
const LATENCY: RowSpec = {
  ...RATE,
  metric: 'us',
  better: 'lower',
  against: ['ext4'],
  target: { relation: '<=', value: 1.25 },
};

describe('a row of the benchmark', () => {
  test('compares within a round, and takes the median of the ratios', () => {
    const rounds = [
      { dlfs: { us: 100 }, ext4: { us: 100 } },
      { dlfs: { us: 300 }, ext4: { us: 200 } },
      { dlfs: { us: 880 }, ext4: { us: 800 } },
    ];
    const row = evaluate(LATENCY, rounds, 'passthrough');
    // The ratio of the medians would be 1.5.
    assert.equal(row.counted, 1.1);
    assert.deepEqual([row.value?.low, row.value?.high], [1, 1.5]);
    assert.equal(row.verdict, 'met');
    assert.equal(row.openMode, 'passthrough');
    assert.equal(row.lanes['dlfs']?.median, 300);
    assert.equal(row.lanes['ext4']?.median, 200);
  });

  test('holds ours against the best of the others: the fastest, or the one with the least latency', () => {
    const rates = [{ dlfs: { 'files/s': 900 }, rclone: { 'files/s': 300 }, s3fs: { 'files/s': 200 } }];
    assert.equal(evaluate(RATE, rates, null).counted, 3);
    const latencies = [{ dlfs: { us: 10 }, rclone: { us: 20 }, s3fs: { us: 8 } }];
    assert.equal(evaluate({ ...LATENCY, against: ['rclone', 's3fs'] }, latencies, null).counted, 1.25);
  });

  test('has no verdict where one of the others is missing: the best of the rest is not the best', () => {
    const rounds = [{ dlfs: { 'files/s': 900 }, rclone: { 'files/s': 300 } }];
    const row = evaluate(RATE, rounds, null);
    assert.equal(row.verdict, 'not measured');
    assert.equal(row.value, null);
    assert.equal(row.lanes['rclone']?.median, 300);
  });

  test('has no verdict where ours is missing, and none of a comparison with nothing', () => {
    assert.equal(evaluate(RATE, [{ rclone: { 'files/s': 1 }, s3fs: { 'files/s': 1 } }], null).verdict, 'not measured');
    const idle = [{ dlfs: { 'files/s': 1 }, rclone: { 'files/s': 0 }, s3fs: { 'files/s': 0 } }];
    assert.equal(evaluate(RATE, idle, null).verdict, 'not measured');
    assert.equal(evaluate(RATE, [], null).verdict, 'not measured');
  });

  test('leaves out only the rounds in which something is missing', () => {
    const rounds = [
      { dlfs: { us: 100 }, ext4: { us: 100 } },
      { ext4: { us: 100 } },
      { dlfs: { us: 120 }, ext4: { us: 100 } },
    ];
    assert.equal(evaluate(LATENCY, rounds, null).value?.count, 2);
  });

  test('of figures that must hold every time, the worst round counts', () => {
    const bytes: RowSpec = { ...RATE, metric: 'x', against: [], better: 'lower', take: 'worst' };
    const rounds = [1, 1.005, 1.02].map((x) => ({ dlfs: { x } }));
    const atMost = evaluate({ ...bytes, target: { relation: '<=', value: 1.01 } }, rounds, null);
    assert.deepEqual([atMost.counted, atMost.verdict], [1.02, 'missed']);
    const atLeast = evaluate({ ...bytes, target: { relation: '>=', value: 1.01 } }, rounds, null);
    assert.deepEqual([atLeast.counted, atLeast.verdict], [1, 'missed']);
  });

  test('without a target is reported', () => {
    const row = evaluate({ ...LATENCY, target: null, against: [] }, [{ dlfs: { us: 5 } }], null);
    assert.deepEqual([row.verdict, row.counted], ['reported', 5]);
  });

  test('meets a bound that it stands on, unless the bound is strict', () => {
    assert.equal(reaches(0.85, { relation: '>=', value: 0.85 }), true);
    assert.equal(reaches(0.8499, { relation: '>=', value: 0.85 }), false);
    assert.equal(reaches(0, { relation: '<=', value: 0 }), true);
    assert.equal(reaches(0.2, { relation: '<', value: 0.2 }), false);
  });

  test('says its target in words', () => {
    assert.equal(describeTarget(RATE), '>= 3 x best of rclone, s3fs');
    assert.equal(describeTarget(LATENCY), '<= 1.25 x ext4');
    assert.equal(describeTarget({ target: { relation: '<', value: 0.2 }, against: [] }), '< 0.2');
    assert.equal(describeTarget({ target: null, against: [] }), 'reported');
  });
});
