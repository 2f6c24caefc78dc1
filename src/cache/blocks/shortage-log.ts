/**
 * One log line for a shortage of room, however often it comes and goes.
 *
 * Invariants:
 * 1. A shortage is told once, and again when it has grown worse; its end once there has been room for a while.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { QuotaState } from '../policy/quota.ts';

/** Room that lasts this long, in milliseconds, is told of: bursts of readahead make and end shortages within seconds. */
const CALM = 10_000;

/** See the file's header. */
export class ShortageLog {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #log: Logger;
  readonly #held: () => string;
  /** The shortage that was told of last; null: that there is room. */
  #said: 'floor' | 'bypass' | null = null;
  #calmSince = Infinity;

  /** @param held what is cached and free, for the lines */
  constructor(clock: Pick<Clock, 'monotonic'>, log: Logger, held: () => string) {
    this.#clock = clock;
    this.#log = log;
    this.#held = held;
  }

  /** The state as it is now. */
  note(state: QuotaState, reason: string | null): void {
    const isShort = state === 'floor' || state === 'bypass';
    this.#calmSince = isShort ? Infinity : Math.min(this.#calmSince, this.#clock.monotonic());
    if (state === this.#said || this.#said === 'bypass') return;
    if (state === 'bypass') {
      this.#log.warn(`no room in the cache (${reason ?? ''}): serving without caching; ${this.#held()}`, { reason });
    } else if (state === 'floor') {
      this.#log.warn(`the cache disk is at its floor of free space: evicting; ${this.#held()}`, { reason });
    } else return;
    this.#said = state;
  }

  /** Called from time to time: tells that there is room again. */
  sayRoom(): void {
    if (this.#said === null || this.#clock.monotonic() - this.#calmSince < CALM) return;
    this.#said = null;
    this.#log.info(`the cache has room again; ${this.#held()}`);
  }
}
