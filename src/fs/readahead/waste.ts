/**
 * What guesses cost: bytes fetched ahead that nobody read, against bytes that somebody read.
 *
 * Both are forgotten by halves, so that the share speaks of the recent past. While it is above its limit, guessing needs more
 * evidence; see `directory.ts`.
 *
 * Invariants:
 * 1. Neither count is ever negative.
 * 2. The share is within its limit as long as the waste is within the allowance: the first guesses are free.
 */

/** Bytes read and wasted of late; see the file's header. */
export class WasteLedger {
  readonly #limit: number;
  readonly #allowance: number;
  readonly #memory: number;
  #read = 0;
  #wasted = 0;

  /**
   * @param limit the share of wasted in read bytes that is acceptable, for example 0.01
   * @param allowance bytes that may be wasted before the share counts
   * @param memory bytes read after which both counts are halved
   */
  constructor(limit: number, allowance: number, memory: number) {
    this.#limit = limit;
    this.#allowance = allowance;
    this.#memory = memory;
  }

  /** Wasted ÷ read bytes of the recent past; 0 before the first read. */
  get share(): number {
    return this.#read === 0 ? 0 : this.#wasted / this.#read;
  }

  /** Whether `bytes` more may be wasted. */
  allows(bytes: number): boolean {
    return this.#wasted + bytes <= this.#allowance + this.#limit * this.#read;
  }

  read(bytes: number): void {
    this.#read += bytes;
    if (this.#read < this.#memory) return;
    this.#read /= 2;
    this.#wasted /= 2;
  }

  waste(bytes: number): void {
    this.#wasted += bytes;
  }

  /** What counted as wasted was read after all. */
  refund(bytes: number): void {
    this.#wasted = Math.max(0, this.#wasted - bytes);
  }
}
