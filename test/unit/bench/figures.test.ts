import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { renderFigures } from '../../../bench/measure/figures.ts';
import type { Machine } from '../../../bench/measure/machine.ts';
import type { ScenarioResult } from '../../../bench/measure/results.ts';
import { evaluate, type Round } from '../../../bench/measure/row.ts';
import { SCENARIOS } from '../../../bench/scenarios/index.ts';

const MACHINE: Machine = {
  kernel: '6.18 <&>',
  cores: 2,
  processor: '?',
  memory: 8,
  disk: { device: '/dev/vda', fileSystem: 'ext4', freeGiB: 1, readAheadKb: 4096 },
  load: 0,
  versions: {},
};

function resultOf(name: string, round: Round): ScenarioResult {
  const scenario = SCENARIOS.find((one) => one.name === name);
  assert.ok(scenario);
  return {
    ...{
      scenario: name,
      title: '',
      started: '',
      quick: false,
      rounds: 1,
      seconds: 1,
      machine: MACHINE,
      notes: [],
      failures: [],
    },
    rows: scenario.rows.map((row) => evaluate(row, [round], 'auto')),
    measured: [round],
  };
}

describe('the picture of the figures', () => {
  test('draws a bar for each lane, as long as its value', () => {
    const svg = renderFigures([
      resultOf('cold-small', { dlfs: { 'files/s': 1000 }, rclone: { 'files/s': 250 }, s3fs: { 'files/s': 0 } }),
    ]);
    assert.ok(svg !== null);
    const width = (lane: string): number =>
      Number(new RegExp(`class="${lane}" x="\\d+" y="\\d+" width="([\\d.]+)"`).exec(svg)?.[1]);
    assert.ok(width('dlfs') > 100);
    assert.ok(Math.abs(width('dlfs') / width('rclone') - 4) < 0.01);
    assert.equal(width('s3fs'), 1);
    assert.match(svg, />1,000 files\/s</);
  });

  test('escapes what it prints, and knows light and dark pages', () => {
    const svg = renderFigures([resultOf('cold-small', { dlfs: { 'files/s': 1 } })]) ?? '';
    assert.match(svg, /6\.18 &lt;&amp;&gt;/);
    assert.match(svg, /prefers-color-scheme: dark/);
  });

  test('draws no panel without ours, and nothing without a panel', () => {
    assert.equal(renderFigures([]), null);
    assert.equal(renderFigures([resultOf('cold-small', { rclone: { 'files/s': 1 } })]), null);
  });
});
