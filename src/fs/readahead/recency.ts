/**
 * A map of bounded size that forgets what was used longest ago.
 *
 * Invariants:
 * 1. Never more than `capacity` entries; what is pushed out goes to `onEvict` first.
 * 2. Iteration runs from the least to the most recently used.
 */

/** A bounded map in order of use; see the file's header. */
export class RecencyMap<Key, Value> {
  readonly #capacity: number;
  readonly #onEvict: (value: Value, key: Key) => void;
  readonly #entries = new Map<Key, Value>();

  /**
   * @param capacity entries at most, ≥ 1
   * @param onEvict told what is pushed out; not what is deleted
   */
  constructor(capacity: number, onEvict: (value: Value, key: Key) => void = () => undefined) {
    this.#capacity = capacity;
    this.#onEvict = onEvict;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @returns the entry, without making it newer */
  peek(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  /** @returns the entry, now the newest */
  use(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** Adds or replaces an entry, now the newest. */
  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    while (this.#entries.size > this.#capacity) {
      const [oldest] = this.#entries;
      if (oldest === undefined) return;
      this.#entries.delete(oldest[0]);
      this.#onEvict(oldest[1], oldest[0]);
    }
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key);
  }

  values(): IterableIterator<Value> {
    return this.#entries.values();
  }
}
