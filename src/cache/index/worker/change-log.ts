/**
 * What a listing changed: counts of files, and names for the kernel's caches.
 *
 * Names are bounded: whoever gets an overflow drops all cached names instead.
 */
import type { NameChange } from '../rows.ts';

/** The most names that one listing tells; beyond, dropping everything is cheaper than telling. */
export const CHANGE_LIMIT = 100_000;

/** The most names of one reply: a turn of the caller's event loop has to take them all. */
export const CHANGES_PER_REPLY = 1000;

/** See the file's header. */
export class ChangeLog {
  /** Files that are new. */
  added = 0;
  /** Files whose version or attributes changed. */
  changed = 0;
  /** Files that are gone. */
  removed = 0;
  /** Names were lost for want of room. */
  overflow = false;

  readonly #limit: number;
  #told = 0;
  #names: NameChange[] = [];

  constructor(limit = CHANGE_LIMIT) {
    this.#limit = limit;
  }

  /** Adds a name. */
  name(change: NameChange): void {
    if (this.#told >= this.#limit) {
      this.overflow = true;
      return;
    }
    this.#told += 1;
    this.#names.push(change);
  }

  /** Hands out what has not been handed out yet, a bounded part of it. */
  take(): { changes: NameChange[]; more: boolean } {
    const changes = this.#names.splice(0, CHANGES_PER_REPLY);
    return { changes, more: this.#names.length > 0 };
  }
}
