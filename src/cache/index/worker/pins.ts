/**
 * The rows of `pin` and `scrub`, and the mark of pinned objects.
 *
 * Which object a pin's glob means is the caller's to find out; here its answer is kept, so that the order of eviction is read
 * without pinned objects in it.
 *
 * Invariants:
 * 1. A mark on an object without a pin, or none on one with, is a matter of speed alone: who evicts asks the globs.
 * 2. `Store.pinnedBytes` and `pinnedFiles` are sums over marked objects.
 */
import Database, { type Database as Connection, type Statement } from 'better-sqlite3';
import type { PinRow, ScrubMark } from '../rows.ts';
import type { Store } from './store.ts';

const ADD = 'INSERT OR IGNORE INTO pin(glob, at) VALUES(?, ?)';

function addRows(statement: Statement, pins: readonly PinRow[]): void {
  for (const { glob, atMs } of pins) statement.run(glob, Math.trunc(atMs));
}

/** See the file's header. */
export class Pins {
  readonly #store: Pick<Store, 'pinnedBytes' | 'pinnedFiles' | 'touch'>;
  readonly #add;
  readonly #remove;
  readonly #mark;
  readonly #saveScrub;

  constructor(store: Pick<Store, 'database' | 'pinnedBytes' | 'pinnedFiles' | 'touch'>) {
    const { database } = store;
    this.#store = store;
    this.#add = database.prepare(ADD);
    this.#remove = database.prepare('DELETE FROM pin WHERE glob = ?');
    this.#mark = database.prepare<[number, number, number], { bytes: number }>(
      'UPDATE object SET pinned = ? WHERE ino = ? AND pinned <> ? RETURNING bytes',
    );
    this.#saveScrub = database.prepare(
      'UPDATE scrub SET ino = ?, began_at = ?, blocks = ?, bytes = ?, damaged = ?, passes = ?, passed_at = ? WHERE id = 1',
    );
  }

  /** Adds pins; one that is there keeps its time. */
  add(pins: readonly PinRow[]): void {
    addRows(this.#add, pins);
  }

  /** Removes pins by their globs. */
  remove(globs: readonly string[]): void {
    for (const glob of globs) this.#remove.run(glob);
  }

  /** Takes objects out of the order of eviction, or back into it. Numbers without an object are ignored. */
  mark(inos: readonly number[], pinned: boolean): void {
    const value = pinned ? 1 : 0;
    for (const ino of inos) {
      const changed = this.#mark.get(value, ino, value);
      if (changed === undefined) continue;
      this.#store.pinnedBytes += pinned ? changed.bytes : -changed.bytes;
      this.#store.pinnedFiles += pinned ? 1 : -1;
      this.#store.touch();
    }
  }

  /** Notes how far the background verification has come. */
  saveScrub(mark: ScrubMark): void {
    const { ino, beganAtMs, blocks, bytes, damaged, passes, passedAtMs } = mark;
    this.#saveScrub.run(ino, Math.trunc(beganAtMs), blocks, bytes, damaged, passes, Math.trunc(passedAtMs));
  }
}

/**
 * Takes over the pins of a database that was set aside, as far as they can be read: all else can be learnt again from the
 * origin, but these were somebody's wish.
 */
export function salvagePins(from: string, into: Connection): void {
  try {
    using stack = new DisposableStack();
    const source = new Database(from, { readonly: true, fileMustExist: true });
    stack.defer(() => source.close());
    const rows = source.prepare<[], { glob: unknown; at: unknown }>('SELECT glob, at FROM pin').all();
    const pins = rows.flatMap(({ glob, at }) =>
      typeof glob === 'string' && typeof at === 'number' && Number.isSafeInteger(at) ? [{ glob, atMs: at }] : [],
    );
    const add = into.prepare(ADD);
    into
      .transaction(() => {
        addRows(add, pins);
      })
      .immediate();
  } catch {
    // It was set aside because it cannot be read.
  }
}
