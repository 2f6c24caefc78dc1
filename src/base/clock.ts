/**
 * Time, injected: nothing in dlfs calls `Date.now` or `setTimeout` itself.
 *
 * Two scales. *Monotonic* time measures spans and deadlines and never jumps; *wall* time is compared with the origin's dates
 * and may jump. Timers run on the monotonic scale. `ManualClock` (manual-clock.ts) is the other implementation.
 *
 * Invariants:
 * 1. Whoever starts a timer owns it: it is Disposable, and disposing it twice or after it fired does nothing.
 * 2. A timer never fires inside the call that starts it.
 */
import { setTimeout as startTimeout } from 'node:timers';
import { millis, unixMillis, type Millis, type UnixMillis } from './brand.ts';
import { DlfsError } from './errors.ts';

/** A running timer; disposing it cancels it. */
export interface Timer extends Disposable {
  /** Lets the process end although the timer runs. */
  unref(): this;
}

/** Time as a dependency. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start; fractions allowed. */
  monotonic(): Millis;
  /** Wall time in milliseconds since 1970. */
  wall(): UnixMillis;
  /**
   * Calls `callback` once, `delay` milliseconds from now.
   * @param delay ≥ 0; spans beyond 24.8 days are capped there (a 32-bit limit of the platform's timers)
   */
  startTimer(delay: Millis | number, callback: () => void): Timer;
  /**
   * Calls `callback` each `interval` milliseconds, counted from the end of the call before.
   * @param interval > 0
   */
  startInterval(interval: Millis | number, callback: () => void): Timer;
  /**
   * Resolves after `delay` milliseconds.
   * @throws DlfsError `interrupted` with the signal's reason as cause, at once when the signal is aborted
   */
  sleep(delay: Millis | number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that Node's timers take; they fire at once beyond it. */
const MAX_DELAY = 2 ** 31 - 1;

/**
 * `sleep` for any clock, made of its `startTimer`.
 * @throws DlfsError as `Clock.sleep` says
 */
export function sleepOn(clock: Pick<Clock, 'startTimer'>, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer[Symbol.dispose]();
      reject(new DlfsError('interrupted', 'the wait was cancelled', { cause: signal?.reason }));
    };
    const timer = clock.startTimer(delay, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** The machine's own time. */
export class SystemClock implements Clock {
  monotonic(): Millis {
    return millis(performance.now());
  }

  wall(): UnixMillis {
    return unixMillis(Date.now());
  }

  startTimer(delay: number, callback: () => void): Timer {
    return new SystemTimer(startTimeout(callback, Math.min(delay, MAX_DELAY)));
  }

  startInterval(interval: number, callback: () => void): Timer {
    // refresh() restarts the same timer after the callback: spans count from its end, and one handle serves throughout.
    const timeout = startTimeout(
      () => {
        try {
          callback();
        } finally {
          if (!timer.disposed) timeout.refresh();
        }
      },
      Math.min(interval, MAX_DELAY),
    );
    const timer = new SystemTimer(timeout);
    return timer;
  }

  sleep(delay: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delay, signal);
  }
}

class SystemTimer implements Timer {
  readonly #timeout: NodeJS.Timeout;
  disposed = false;

  constructor(timeout: NodeJS.Timeout) {
    this.#timeout = timeout;
  }

  unref(): this {
    this.#timeout.unref();
    return this;
  }

  [Symbol.dispose](): void {
    this.disposed = true;
    clearTimeout(this.#timeout);
  }
}
