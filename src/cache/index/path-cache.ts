/**
 * Keys of directories lately asked for.
 *
 * A directory keeps its place for as long as its number exists, and numbers are never given twice: entries cannot go stale,
 * they only give way to others, least recently used first.
 *
 * Invariants:
 * 1. The keys together hold at most `limit` characters.
 */

/** Characters kept: two bytes each at most, so 4 MB. */
const LIMIT = 2_000_000;

/** See the file's header. */
export class PathCache {
  readonly #limit: number;
  readonly #keys = new Map<number, string>();
  #chars = 0;

  constructor(limit = LIMIT) {
    this.#limit = limit;
  }

  /** How many keys are kept. */
  get size(): number {
    return this.#keys.size;
  }

  /** The key of a directory, if it is kept. */
  get(ino: number): string | undefined {
    const key = this.#keys.get(ino);
    if (key !== undefined) {
      this.#keys.delete(ino);
      this.#keys.set(ino, key);
    }
    return key;
  }

  /** Keeps a directory's key. */
  set(ino: number, key: string): void {
    if (key.length > this.#limit) return;
    const known = this.#keys.get(ino);
    if (known !== undefined) this.#chars -= known.length;
    this.#keys.delete(ino);
    this.#keys.set(ino, key);
    this.#chars += key.length;
    for (const [oldest, oldKey] of this.#keys) {
      if (this.#chars <= this.#limit) break;
      this.#keys.delete(oldest);
      this.#chars -= oldKey.length;
    }
  }
}
