/**
 * Whose slice is next, among all databases of a thread.
 *
 * One slice runs in a turn of the thread's event loop, so that requests are answered between any two, however many databases
 * have bulk work to do.
 *
 * Invariants:
 * 1. Work that somebody waits for goes first, except that every eighth slice is of the others, where there are any.
 * 2. Within a class, in the order of asking.
 */

/** Calls back when it is the caller's turn. */
export interface Turns {
  /**
   * Asks for one turn.
   * @param urgent somebody waits for what is done in it
   */
  defer(callback: () => void, urgent: boolean): void;
  /** Somebody now waits for what a turn that was asked for is to do. */
  hurry(callback: () => void): void;
}

/** Of so many slices one goes to work that nobody waits for. */
const BACKGROUND_EVERY = 8;

/** See the file's header. */
export class ThreadTurns implements Turns {
  readonly #soon: (callback: () => void) => void;
  readonly #urgent = new Set<() => void>();
  readonly #others = new Set<() => void>();
  #isArmed = false;
  #urgentInRow = 0;

  /** @param soon calls back in a later turn of the event loop: `setImmediate` */
  constructor(soon: (callback: () => void) => void) {
    this.#soon = soon;
  }

  defer(callback: () => void, urgent: boolean): void {
    (urgent ? this.#urgent : this.#others).add(callback);
    this.#arm();
  }

  hurry(callback: () => void): void {
    if (this.#others.delete(callback)) this.#urgent.add(callback);
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#soon(() => {
      this.#isArmed = false;
      const next = this.#take();
      if (this.#urgent.size + this.#others.size > 0) this.#arm();
      next?.();
    });
  }

  #take(): (() => void) | undefined {
    const background = this.#urgent.size === 0 || (this.#urgentInRow >= BACKGROUND_EVERY - 1 && this.#others.size > 0);
    const queue = background ? this.#others : this.#urgent;
    this.#urgentInRow = background ? 0 : this.#urgentInRow + 1;
    for (const callback of queue) {
      queue.delete(callback);
      return callback;
    }
    return undefined;
  }
}
