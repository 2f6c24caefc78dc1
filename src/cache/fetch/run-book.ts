/**
 * Runs that are neither queued nor under way: about to start, or waiting for their next try.
 *
 * Invariants:
 * 1. A run is in the book from its entry to its removal; entering it twice counts once.
 */
import type { QueuedRun } from './run-queue.ts';

/** See the file's header. */
export class RunBook {
  readonly #byIno = new Map<number, Set<QueuedRun>>();

  /** The object's runs. */
  of(ino: number): Iterable<QueuedRun> {
    return this.#byIno.get(ino) ?? [];
  }

  /** Enters a run. */
  add(run: QueuedRun): void {
    const runs = this.#byIno.get(run.ino);
    if (runs === undefined) this.#byIno.set(run.ino, new Set([run]));
    else runs.add(run);
  }

  /** Strikes it out. */
  delete(run: QueuedRun): void {
    const runs = this.#byIno.get(run.ino);
    runs?.delete(run);
    if (runs?.size === 0) this.#byIno.delete(run.ino);
  }
}
