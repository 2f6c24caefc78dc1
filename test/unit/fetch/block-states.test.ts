import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockStates } from '../../../src/cache/fetch/block-states.ts';

test('the states of blocks are asked for near what is looked at, once each, however far apart that is', () => {
  const asked: [first: number, count: number][] = [];
  const engine = {
    states: (_volume: number, _ino: number, first: number, out: Uint8Array) => {
      asked.push([first, out.length]);
      for (let at = 0; at < out.length; at++) out[at] = (first + at) % 5;
    },
  };
  const states = new BlockStates(engine, 1, 7);
  const blocks = [5_000_000, 0, 1, 63, 64, 4_999_999];
  for (let pass = 0; pass < 2; pass++)
    assert.deepEqual(
      blocks.map((block) => states.of(block)),
      blocks.map((block) => block % 5),
    );
  assert.ok(asked.reduce((sum, [, count]) => sum + count, 0) <= 4 * 64, JSON.stringify(asked));
});
