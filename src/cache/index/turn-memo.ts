/**
 * Answers of the index that are asked for again at once.
 *
 * A read that misses asks for the row of its file some ten times while one event is handled: each step asks for what it needs and
 * none passes rows on. A point look-up costs 9 µs, most of it the locks of SQLite's log; a thousand files a second would spend a
 * tenth of the event loop on the same answers.
 *
 * Invariants:
 * 1. Nothing is kept beyond the turn of the event loop that asked: what the writer says it has done comes in a later turn, and
 *    is seen by whoever asks then.
 * 2. "There is none" is not kept.
 */

/** Look-ups by a key; see the file's header. */
export class TurnMemo<Key, Value> {
  readonly #load: (key: Key) => Value | undefined;
  readonly #kept = new Map<Key, Value>();
  readonly #forget = (): void => {
    this.#kept.clear();
  };

  /** @param load the look-up itself; what it throws, `get` throws */
  constructor(load: (key: Key) => Value | undefined) {
    this.#load = load;
  }

  /** What `load` gives, or gave in this turn. */
  get(key: Key): Value | undefined {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const value = this.#load(key);
    if (value === undefined) return undefined;
    if (this.#kept.size === 0) queueMicrotask(this.#forget);
    this.#kept.set(key, value);
    return value;
  }
}
