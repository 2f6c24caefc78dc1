import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { measureRounds, rotate } from '../../../bench/measure/rounds.ts';
import type { Metrics } from '../../../bench/measure/row.ts';
import type { Lane } from '../../../bench/measure/scenario.ts';

const NEVER = new AbortController().signal;

function lane(name: string, measure: (step: string, round: number) => Metrics): Lane {
  return { name, openMode: () => null, measure: async (step, round) => measure(step, round) };
}

describe('the rounds of a scenario', () => {
  test('measure all lanes of a step before the next, and start each round with another lane', async () => {
    const order: string[] = [];
    const lanes = ['a', 'b'].map((name) =>
      lane(name, (step, round) => {
        order.push(`${round} ${step} ${name}`);
        return { [step]: round };
      }),
    );
    const { rounds, failures } = await measureRounds(lanes, ['x', 'y'], 2, NEVER, () => undefined);
    assert.deepEqual(order, ['0 x a', '0 x b', '0 y a', '0 y b', '1 x b', '1 x a', '1 y b', '1 y a']);
    assert.deepEqual(rounds[1], { a: { x: 1, y: 1 }, b: { x: 1, y: 1 } });
    assert.deepEqual(failures, []);
  });

  test('go on without a lane that failed, and leave it out of the round in which it did', async () => {
    const lanes = [
      lane('good', () => ({ x: 1 })),
      lane('bad', (step, round) => {
        if (round === 1 && step === 'second') throw new Error('broken');
        return { x: 2 };
      }),
    ];
    const { rounds, failures } = await measureRounds(lanes, ['first', 'second'], 3, NEVER, () => undefined);
    assert.deepEqual(failures, [{ lane: 'bad', message: 'broken' }]);
    assert.deepEqual(
      rounds.map((round) => Object.keys(round).toSorted()),
      [['bad', 'good'], ['good'], ['good']],
    );
  });

  test('end with the reason of an abort, and do not take it for a failure of a lane', async () => {
    const abort = new AbortController();
    const interrupted = lane('a', () => {
      abort.abort(new Error('ended by SIGINT'));
      throw new Error('killed');
    });
    await assert.rejects(
      measureRounds([interrupted], ['x'], 2, abort.signal, () => undefined),
      /SIGINT/,
    );
  });

  test('rotation keeps the order', () => {
    assert.deepEqual(rotate([1, 2, 3], 4), [2, 3, 1]);
    assert.deepEqual(rotate([], 3), []);
  });
});
