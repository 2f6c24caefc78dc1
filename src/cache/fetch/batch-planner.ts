/**
 * Plans the fetches of those datasets that a batch of events has made want something, once a batch.
 *
 * Invariants:
 * 1. A batch costs the datasets that it concerns, not those that are served.
 */

/** See the file's header. Disposing it forgets who wanted something. */
export class BatchPlanner implements Disposable {
  readonly #wanting = new Set<() => void>();
  readonly #registration: Disposable;

  /** @param host tells of the end of each batch */
  constructor(host: { onBatchEnd(listener: () => void): Disposable }) {
    this.#registration = host.onBatchEnd(() => {
      if (this.#wanting.size === 0) return;
      const plans = [...this.#wanting];
      this.#wanting.clear();
      for (const plan of plans) plan();
    });
  }

  /** Calls `plan` at the end of the batch. */
  wanted(plan: () => void): void {
    this.#wanting.add(plan);
  }

  /** It is not to be called any more. */
  forget(plan: () => void): void {
    this.#wanting.delete(plan);
  }

  [Symbol.dispose](): void {
    this.#registration[Symbol.dispose]();
    this.#wanting.clear();
  }
}
