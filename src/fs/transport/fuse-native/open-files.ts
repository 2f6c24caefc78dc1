/**
 * What is open in a mount of libfuse: a number for each open file, which the kernel gives back with each read.
 *
 * Invariants:
 * 1. A number names one version from open to release, whatever its path comes to stand for.
 * 2. Numbers are from 1 to 2³¹ − 1: fuse-native takes 0 for none, and more for negative.
 */

const MAX_FD = 2 ** 31 - 1;

/** See the file's header. */
export class OpenFiles {
  readonly #inos = new Map<number, number>();
  #last = 0;

  /** How many are open. */
  get size(): number {
    return this.#inos.size;
  }

  /** A number for a file that is being opened. */
  open(ino: number): number {
    do this.#last = this.#last === MAX_FD ? 1 : this.#last + 1;
    while (this.#inos.has(this.#last));
    this.#inos.set(this.#last, ino);
    return this.#last;
  }

  /** What the number names; null where it names nothing. */
  ino(fd: number): number | null {
    return this.#inos.get(fd) ?? null;
  }

  /** The file was closed. */
  release(fd: number): void {
    this.#inos.delete(fd);
  }
}
