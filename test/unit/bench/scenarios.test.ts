import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SCENARIOS } from '../../../bench/scenarios/index.ts';

describe('the scenarios', () => {
  test('have names and rows that are unique', () => {
    const names = SCENARIOS.map(({ name }) => name);
    const rows = SCENARIOS.flatMap((scenario) => scenario.rows.map(({ id }) => id));
    assert.deepEqual(names, [...new Set(names)]);
    assert.deepEqual(rows, [...new Set(rows)]);
  });

  test('compare only lanes that they measure, and measure ours', () => {
    for (const { name, lanes, rows } of SCENARIOS) {
      assert.ok(lanes.includes('dlfs'), name);
      for (const row of rows)
        assert.deepEqual(
          row.against.filter((lane) => !lanes.includes(lane)),
          [],
          row.id,
        );
    }
  });

  test('state ratios as they read: more is better where at least so much is to be reached', () => {
    for (const { id, better, target } of SCENARIOS.flatMap(({ rows }) => rows)) {
      if (target !== null) assert.equal(target.relation === '>=', better === 'higher', id);
    }
  });
});
