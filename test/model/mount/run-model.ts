/**
 * The differential test: random operations on a mount and on a plain directory of the same content, with changes of the
 * origin, evictions and restarts in between, as far as the caller offers them.
 *
 * All runs of one call go over the same mount, one after the other: what a run changed at the origin stays changed, and
 * the next run starts with nothing open. A failing run is run again, shorter, by fast-check, which prints its seed.
 */
import fc from 'fast-check';
import type { Tree } from '../../posix/tree.ts';
import { commands } from './commands.ts';
import { Session } from './session.ts';
import type { MountSystem } from './system.ts';

/** How much is tried. */
export interface ModelOptions {
  readonly runs: number;
  readonly commandsPerRun: number;
  /** No run is started behind this time, in milliseconds; nor is a failing one shortened further. */
  readonly limitMs?: number;
  /** Repeats a run that failed before. */
  readonly seed?: number;
}

/**
 * Runs it.
 * @param tree what both sides show at the start
 * @throws fast-check's error with the shortest failing sequence, the seed, and what differed
 */
export async function runModel(system: MountSystem, tree: Tree, options: ModelOptions): Promise<void> {
  const files = Session.filesOf(tree);
  const { runs, commandsPerRun, limitMs = 120_000, seed } = options;
  await fc.assert(
    fc.asyncProperty(commands(system.actions, commandsPerRun), async (sequence) => {
      const session = new Session(system, files);
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: session }), sequence);
      } finally {
        await session.end();
      }
    }),
    {
      numRuns: runs,
      ...(seed === undefined ? {} : { seed }),
      // Shortening goes over a mount that has moved on: a few tries tell most, hundreds would take minutes.
      interruptAfterTimeLimit: limitMs,
      markInterruptAsFailure: false,
    },
  );
}
