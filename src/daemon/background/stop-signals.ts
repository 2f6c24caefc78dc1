/**
 * The signals that end a process gracefully.
 *
 * Invariants:
 * 1. From its construction to its disposal none of them ends the process by itself.
 */

/** Signals that end it. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** See the file's header. Made with the process's first breath. */
export class StopSignals implements Disposable {
  readonly #first = Promise.withResolvers<NodeJS.Signals>();
  readonly #handler: (signal: NodeJS.Signals) => void;
  #each: (() => void) | null = null;

  constructor() {
    this.#handler = (signal) => {
      this.#first.resolve(signal);
      this.#each?.();
    };
    for (const name of STOP_SIGNALS) process.on(name, this.#handler);
  }

  /** The first signal, or what comes before it. */
  orElse<T>(other: Promise<T>): Promise<NodeJS.Signals | T> {
    return new Promise((resolve, reject) => {
      void this.#first.promise.then(resolve);
      other.then(resolve, reject);
    });
  }

  /** Calls back at each signal that comes from now on, until disposed. */
  onEach(callback: () => void): Disposable {
    this.#each = callback;
    return { [Symbol.dispose]: () => (this.#each = null) };
  }

  [Symbol.dispose](): void {
    for (const name of STOP_SIGNALS) process.off(name, this.#handler);
  }
}
