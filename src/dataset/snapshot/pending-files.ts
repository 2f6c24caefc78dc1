/**
 * Files whose name may yet turn out to be a directory's.
 *
 * In key order the object `a` comes before the directory `a/`, with `a-1` or `a.txt` in between. Until the listing has passed
 * `a/` nobody knows whether `a` can be shown (the directory wins). Files that are undecided at the same time are prefixes of
 * one another: if `b` lies between `a` and `a/`, then `b` begins with `a`. So they form a stack, never longer than a name.
 *
 * Invariants:
 * 1. Each file pushed is settled or shadowed, exactly once.
 * 2. After `advance(name)` every file is decided whose directory would come before or at `name`.
 */

/** What becomes of a file. */
export interface Verdict<T> {
  /** No directory has its name. */
  settle(name: string, item: T): void;
  /** A directory has its name. */
  shadow(name: string, item: T): void;
}

interface Pending<T> {
  readonly name: string;
  readonly item: T;
}

/** The stack of undecided files of one directory. */
export class PendingFiles<T> {
  readonly #stack: Pending<T>[] = [];

  /** How many are undecided. */
  get size(): number {
    return this.#stack.length;
  }

  /**
   * Decides what the next entry of the listing decides.
   * @param name the next entry, with a slash where it is a directory; greater than all before it
   */
  advance(name: string, verdict: Verdict<T>): void {
    for (let top = this.#stack.at(-1); top !== undefined; top = this.#stack.at(-1)) {
      if (name.startsWith(top.name)) {
        const next = name.charAt(top.name.length);
        if (next < '/') return; // between `a` and `a/`: all below are undecided as well
        this.#stack.pop();
        if (next === '/') verdict.shadow(top.name, top.item);
        else verdict.settle(top.name, top.item);
      } else {
        this.#stack.pop();
        verdict.settle(top.name, top.item);
      }
    }
  }

  /** Adds a file; `advance` with its name came before. */
  push(name: string, item: T): void {
    this.#stack.push({ name, item });
  }

  /** Settles all: the listing of the directory is at its end. */
  drain(verdict: Verdict<T>): void {
    for (let top = this.#stack.pop(); top !== undefined; top = this.#stack.pop()) verdict.settle(top.name, top.item);
  }
}
