import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { renderFigures } from '../../../bench/measure/figures.ts';
import type { Machine } from '../../../bench/measure/machine.ts';
import type { ScenarioResult } from '../../../bench/measure/results.ts';
import { evaluate, type Metrics, type Round } from '../../../bench/measure/row.ts';
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

/** A result of every scenario in which each lane has the value for each metric. */
function resultsOf(values: Readonly<Record<string, number>>): ScenarioResult[] {
  return SCENARIOS.map(({ name, rows }) => {
    const metrics = (value: number): Metrics => Object.fromEntries(rows.map(({ metric }) => [metric, value]));
    return resultOf(name, Object.fromEntries(Object.entries(values).map(([lane, value]) => [lane, metrics(value)])));
  });
}

describe('the picture of the figures', () => {
  test('draws a bar for each lane, as long as its value', () => {
    const svg = renderFigures(resultsOf({ dlfs: 1000, rclone: 250, s3fs: 0 })) ?? '';
    const width = (lane: string): number =>
      Number(new RegExp(`class="${lane}" x="\\d+" y="\\d+" width="([\\d.]+)"`).exec(svg)?.[1]);
    assert.ok(width('dlfs') > 100);
    assert.ok(Math.abs(width('dlfs') / width('rclone') - 4) < 0.01);
    assert.equal(width('s3fs'), 1);
    assert.match(svg, />1,000 files\/s</);
  });

  test('shows what the transport of its own is for: the same program over libfuse 2 where all is read again', () => {
    const svg = renderFigures(resultsOf({ dlfs: 1000, 'fuse-native': 100 })) ?? '';
    assert.equal(
      svg.match(/<rect class="fuse-native"/g)?.length,
      svg.match(/, read again<|from the cache disk</g)?.length,
    );
    assert.match(svg, /fuse-native: dlfs over libfuse 2/);
  });

  test('escapes what it prints, and knows light and dark pages', () => {
    const svg = renderFigures(resultsOf({ dlfs: 1 })) ?? '';
    assert.match(svg, /6\.18 &lt;&amp;&gt;/);
    assert.match(svg, /prefers-color-scheme: dark/);
  });

  test('is drawn whole or not at all', () => {
    assert.equal(renderFigures([]), null);
    assert.equal(renderFigures(resultsOf({ rclone: 1, ext4: 1 })), null);
    assert.equal(renderFigures(resultsOf({ dlfs: 1 }).filter(({ scenario }) => scenario !== 'cold-big')), null);
  });
});
