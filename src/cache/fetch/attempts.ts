/**
 * Tries of ranges that failed: how many in a row, and since when.
 *
 * Invariants:
 * 1. Bounded: the oldest story is forgotten, which costs its next failure a fresh start.
 * 2. A failure long after the last one is a new story.
 */
import type { BlockRange } from '../policy/geometry.ts';

/** Tries of a range. */
export interface Attempt {
  /** Those that failed, ≥ 1. */
  readonly tries: number;
  /** When the first one did. */
  readonly since: number;
  readonly last: number;
}

/** Milliseconds after which failures of a range no longer count as one story. */
const MEMORY = 180_000;
const MAX = 10_000;

/** See the file's header. */
export class Attempts {
  readonly #attempts = new Map<string, Attempt>();

  /** A try has failed; all of its story. */
  failed(range: BlockRange & { readonly ino: number }, now: number): Attempt {
    const key = keyOf(range);
    const known = this.#attempts.get(key);
    const goesOn = known !== undefined && now - known.last < MEMORY;
    const attempt = { tries: goesOn ? known.tries + 1 : 1, since: goesOn ? known.since : now, last: now };
    this.#attempts.delete(key);
    if (this.#attempts.size >= MAX) this.#attempts.delete(this.#attempts.keys().next().value ?? '');
    this.#attempts.set(key, attempt);
    return attempt;
  }

  /** The range has arrived, or is given up. */
  forget(range: BlockRange & { readonly ino: number }): void {
    if (this.#attempts.size > 0) this.#attempts.delete(keyOf(range));
  }
}

function keyOf(range: BlockRange & { readonly ino: number }): string {
  return `${range.ino}:${range.first}`;
}
