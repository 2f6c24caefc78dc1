/**
 * How far this machine's clock is from the origin's, for signatures.
 *
 * S3 refuses requests signed more than fifteen minutes away from its own time, and says so; then its Date is believed. Small
 * differences are left alone: a Date has whole seconds and has travelled.
 *
 * Invariants:
 * 1. One warning a process, however often it is corrected.
 * 2. The offset stays within a hundred years: a Date from nowhere breaks no arithmetic.
 */
import { parseHttpDate } from '../http-date.ts';
import type { Logger } from '../../base/log.ts';

/** Below this an offset counts as none; milliseconds. A third of what S3 lets pass. */
const TOLERATED_MS = 300_000;

const MAX_OFFSET_MS = 100 * 365 * 86_400_000;

/** See the file's header. */
export class ClockSkew {
  readonly #log: Logger;
  #offsetMs = 0;
  #warned = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Add this to the machine's wall time; milliseconds. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /**
   * Takes an offset that somebody else measured.
   * @returns whether it changed
   */
  adopt(offsetMs: number): boolean {
    if (!(Math.abs(offsetMs) <= MAX_OFFSET_MS)) return false;
    const next = Math.abs(offsetMs) < TOLERATED_MS ? 0 : offsetMs;
    if (Math.abs(next - this.#offsetMs) < 1000) return false;
    this.#offsetMs = next;
    if (next !== 0 && !this.#warned) {
      this.#warned = true;
      const by = Math.round(Math.abs(next) / 1000);
      this.#log.warn(
        `this machine's clock is ${by} s ${next > 0 ? 'behind' : 'ahead of'} the origin's: corrected for signatures; set it`,
        { offsetMs: next },
      );
    }
    return true;
  }

  /**
   * Takes the origin's own time from a refusal.
   * @param date a Date field, or the ServerTime of an error
   * @param nowMs this machine's wall time
   * @returns whether the offset changed
   */
  correct(date: string | null, nowMs: number): boolean {
    const serverMs = date === null ? null : parseHttpDate(date);
    return serverMs === null ? false : this.adopt(serverMs - nowMs);
  }
}
