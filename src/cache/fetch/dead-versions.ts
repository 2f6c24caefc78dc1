/**
 * Versions that the origin is known not to have any more, or not to hand out: asked for once, then refused at once.
 *
 * Invariants:
 * 1. Bounded: the oldest is forgotten, which costs one request to learn it again.
 * 2. A version that is restored or comes back is asked for again after `FORGIVE_AFTER`.
 */
import type { Clock } from '../../base/clock.ts';
import type { DlfsError } from '../../base/errors.ts';

const MAX = 10_000;
/** A minute: a restored archive object is read soon after, a vanished one costs a request a minute. */
const FORGIVE_AFTER = 60_000;

/** See the file's header. */
export class DeadVersions {
  readonly #clock: Clock;
  readonly #dead = new Map<number, { readonly error: DlfsError; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the version cannot be had; null where nothing is known against it. */
  of(ino: number): DlfsError | null {
    const known = this.#dead.get(ino);
    if (known === undefined) return null;
    if (this.#clock.monotonic() - known.at < FORGIVE_AFTER) return known.error;
    this.#dead.delete(ino);
    return null;
  }

  /** Notes why. */
  add(ino: number, error: DlfsError): void {
    if (this.#dead.size >= MAX) this.#dead.delete(this.#dead.keys().next().value ?? 0);
    this.#dead.set(ino, { error, at: this.#clock.monotonic() });
  }
}
