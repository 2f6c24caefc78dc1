/**
 * One log line for a file whose readers ran into `--io-timeout`, however many requests they had.
 *
 * Invariants:
 * 1. A file is named at most once in `QUIET` milliseconds; memory is bounded.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';

/** A stalled reader comes back at once, with each try of its program: once a minute is enough to be seen. */
const QUIET = 60_000;
const MAX_FILES = 1024;

/** See the file's header. */
export class TimeoutLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #saidAt = new Map<number, number>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** A request for this file was answered with an I/O error because the origin did not answer in time. */
  note(ino: number, key: string): void {
    const now = this.#clock.monotonic();
    const before = this.#saidAt.get(ino);
    if (before !== undefined && now - before < QUIET) return;
    this.#saidAt.delete(ino);
    if (this.#saidAt.size >= MAX_FILES) this.#saidAt.delete(this.#saidAt.keys().next().value ?? 0);
    this.#saidAt.set(ino, now);
    this.#log.error(
      `${key}: the origin did not answer within the limit (--io-timeout, or ioTimeout of its manifest): the reader got an I/O error`,
    );
  }
}
