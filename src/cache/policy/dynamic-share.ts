/**
 * How many who do not know each other share one supply: a dynamic threshold.
 *
 * Whoever wants more may take it while what he has is below what is free (A. K. Choudhury and E. L. Hahne, "Dynamic queue length
 * thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998, with α = 1). One alone gets half;
 * of k that hold on to what they have each gets 1/(k + 1), and as much stays free for whoever comes next. Nobody is told how many
 * there are, and nothing is divided up for those who want nothing.
 *
 * A smaller α leaves the rest to whoever asks with a larger one: that is how demand goes before readahead.
 *
 * Invariants:
 * 1. What is taken never exceeds the supply.
 * 2. After a taking by α, what that one has is at most α times what is free, or at most his `least`.
 * 3. Each can have his `least` whatever the others hold, as long as that much is free at all.
 */

/** A supply of which many take: bytes, requests. */
export class DynamicSupply {
  readonly capacity: number;
  #taken = 0;

  /** @param capacity > 0 */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** What nobody has. */
  get free(): number {
    return this.capacity - this.#taken;
  }

  /** @param least what is granted at once while any is free; the unit in which work is done */
  join(least: number): DynamicShare {
    return new DynamicShare(this, least);
  }

  /** So much more is taken; less, where negative. Called by shares. */
  add(amount: number): void {
    this.#taken += amount;
  }
}

/** What one has of a supply. Disposing it gives everything back. */
export class DynamicShare implements Disposable {
  readonly #supply: DynamicSupply;
  readonly #least: number;
  #own = 0;

  /** Made by `DynamicSupply.join`. */
  constructor(supply: DynamicSupply, least: number) {
    this.#supply = supply;
    this.#least = least;
  }

  /** What this one has. */
  get own(): number {
    return this.#own;
  }

  /** How much more may be taken now. @param alpha > 0; 1 for what matters most */
  room(alpha: number): number {
    const { free } = this.#supply;
    // The largest x with own + x ≤ α (free − x).
    const byThreshold = (alpha * free - this.#own) / (1 + alpha);
    return Math.max(0, Math.floor(Math.max(byThreshold, Math.min(this.#least - this.#own, free))));
  }

  take(amount: number): void {
    this.#own += amount;
    this.#supply.add(amount);
  }

  give(amount: number): void {
    this.take(-amount);
  }

  [Symbol.dispose](): void {
    this.give(this.#own);
  }
}
