/**
 * A rate over the last seconds: a ring of short slots, so that it follows a change within the window and a burst does not linger.
 *
 * Invariants:
 * 1. The rate is what came in within the window, by the time that the window covers: from the first report on, at most its length.
 */

/** Milliseconds of a slot, and slots of the window: ten seconds. */
const SLOT = 500;
const SLOTS = 20;

/** See the file's header. */
export class RateMeter {
  readonly #amounts = new Float64Array(SLOTS);
  #slot = 0;
  readonly #begun: number;

  /** @param now monotonic milliseconds, as in every call */
  constructor(now: number) {
    this.#begun = now;
    this.#slot = Math.floor(now / SLOT);
  }

  /** Something came in. */
  add(amount: number, now: number): void {
    this.#advance(now);
    const at = this.#slot % SLOTS;
    this.#amounts[at] = (this.#amounts[at] ?? 0) + amount;
  }

  /** @returns the rate a second */
  rate(now: number): number {
    this.#advance(now);
    const windowBegan = Math.max(this.#begun, (this.#slot - SLOTS + 1) * SLOT);
    const sum = this.#amounts.reduce((total, amount) => total + amount, 0);
    return (sum * 1000) / Math.max(SLOT, now - windowBegan);
  }

  #advance(now: number): void {
    const slot = Math.floor(now / SLOT);
    for (let steps = Math.min(SLOTS, slot - this.#slot); steps > 0; steps--)
      this.#amounts[(slot - steps + 1) % SLOTS] = 0;
    this.#slot = Math.max(this.#slot, slot);
  }
}
