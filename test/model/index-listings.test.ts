/**
 * Listings of one directory and of the whole source, over an origin that changes, in any interleaving, with crashes: against a
 * map of keys.
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexWorld } from './index-world.ts';

/** Few names, so that keys meet: each is a prefix of another, or sorts on either side of a slash. */
const NAMES = ['a', 'a', 'a-', 'ab', 'b', 'b', '\u{1F600}', '\uFF01'];

const name = fc.constantFrom(...NAMES);
const key = fc.oneof(
  { weight: 12, arbitrary: fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')) },
  { weight: 2, arbitrary: fc.array(name, { minLength: 1, maxLength: 2 }).map((parts) => `${parts.join('/')}/`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'a//b',
      'b/./a',
      '../a',
      'a/..',
      'a/\0',
      '/',
      `b/${'n'.repeat(256)}`,
      `${'ü'.repeat(128)}/a`,
    ),
  },
);

type Step = (world: IndexWorld) => Promise<void> | void;

const nth = fc.nat(20);
const pageSize = fc.integer({ min: 1, max: 4 });
const step: fc.Arbitrary<{ step: Step; text: string }> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(key, fc.nat(2), fc.nat(3))
      .map(([at, version, blocks]) => say(`put ${at} v${version}`, (world) => world.put(at, version, blocks * 3000))),
  },
  { weight: 4, arbitrary: key.map((at) => say(`delete ${at}`, (world) => world.delete(at))) },
  { weight: 2, arbitrary: name.map((at) => say(`delete all below ${at}/`, (world) => world.deleteBelow(`${at}/`))) },
  { weight: 2, arbitrary: nth.map((n) => say(`list directory ${n} through`, (world) => world.directoryThrough(n))) },
  { weight: 2, arbitrary: fc.constant(say('list all through', (world) => world.fullThrough())) },
  { weight: 4, arbitrary: nth.map((n) => say(`list directory ${n}`, (world) => world.beginDirectory(n))) },
  {
    weight: 10,
    arbitrary: fc
      .tuple(nth, pageSize)
      .map(([n, size]) => say(`page ${n} of ${size}`, (world) => world.directoryPage(n, size))),
  },
  { weight: 1, arbitrary: nth.map((n) => say(`give up ${n}`, (world) => world.abortDirectory(n))) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(4, 1000, 1000, 1000)
      .map((limit) => say(`list all up to ${limit}`, (world) => world.beginFull(limit))),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(nth, fc.constantFrom('level' as const, 'subtree' as const))
      .map(([n, kind]) => say(`shard ${n} ${kind}`, (world) => world.beginShard(n, kind))),
  },
  { weight: 4, arbitrary: nth.map((n) => say(`cover ${n}`, (world) => void world.cover(n))) },
  {
    weight: 12,
    arbitrary: fc
      .tuple(nth, pageSize)
      .map(([n, size]) => say(`shard page ${n} of ${size}`, (world) => world.shardPage(n, size))),
  },
  { weight: 4, arbitrary: fc.constant(say('finish all', (world) => world.finishFull())) },
  { weight: 1, arbitrary: fc.constant(say('give all up', (world) => world.abortFull())) },
  { weight: 2, arbitrary: fc.boolean().map((old) => say(`purge ${old}`, (world) => world.purge(old))) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(nth, fc.boolean())
      .map(([n, drop]) => say(`blocks ${n} ${drop}`, (world) => world.blocks(n, drop))),
  },
  {
    weight: 14,
    arbitrary: fc.integer({ min: 1, max: 12 }).map((slices) => say(`run ${slices}`, (world) => world.run(slices))),
  },
  { weight: 1, arbitrary: fc.boolean().map((undo) => say(`crash ${undo}`, (world) => world.crash(undo))) },
);

function say(text: string, run: Step): { step: Step; text: string } {
  return { step: run, text };
}

const script = fc.array(step, { minLength: 10, maxLength: 120, size: 'max' });

/** What is at the origin, and listed, before the first step. */
const start = fc.array(key, { maxLength: 8 });

for (const [title, pace] of [
  ['in the smallest steps', { entries: 1, rows: 2, changes: 1, together: 2 }],
  ['in steps of a few', { entries: 3, rows: 4, changes: 3, together: 100 }],
] as const) {
  test(`whatever listings overlap and break off, rows stay right and a quiet listing shows the origin, ${title}`, async () => {
    await fc.assert(
      fc.asyncProperty(start, script, async (keys, steps) => {
        using world = new IndexWorld(pace);
        for (const at of keys) world.put(at, 0, 5000);
        if (keys.length > 0) await world.fullThrough();
        for (const { step: run } of steps) {
          await run(world);
          world.check();
        }
        await world.settle();
      }),
      {
        numRuns: Number(process.env['DLFS_MODEL_RUNS'] ?? 120),
        ...(process.env['DLFS_MODEL_SEED'] === undefined ? {} : { seed: Number(process.env['DLFS_MODEL_SEED']) }),
        interruptAfterTimeLimit: Number(process.env['DLFS_MODEL_MS'] ?? 40_000),
        reporter: (result) => {
          if (!result.failed) return;
          const [keys = [], steps = []] = result.counterexample ?? [];
          const told = [keys.join(' '), ...steps.map(({ text }) => text)].join('\n  ');
          throw new Error(
            `seed ${result.seed}, ${result.numShrinks} shrinks:\n  ${told}\n${String(result.errorInstance instanceof Error ? result.errorInstance.stack : result.errorInstance)}`,
          );
        },
      },
    );
  });
}
