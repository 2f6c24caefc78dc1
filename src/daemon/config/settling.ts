/**
 * Decides when a changed file is read: not while somebody writes it.
 *
 * A program that writes a file in place, or removes it before writing it anew, leaves it half written or absent for a moment. A
 * half-written file may well be valid YAML with fewer datasets in it, and a dataset that is gone is unmounted. So a change counts
 * when two looks in a row have seen the same.
 *
 * Invariants:
 * 1. A file is named as changed only if its state was the same in this look and the one before, and is not the one taken up last.
 * 2. A file that stays as it is, is named at the second look after its last change.
 */

/** What two looks in a row agree on. */
export interface Settled {
  /** Names whose present state is to be taken up; `accept` says when that is done. */
  readonly changed: readonly string[];
  /** Names that were taken up and are no longer there. */
  readonly gone: readonly string[];
}

/** The state of a file that is not there. */
const ABSENT = '';

/** See the file's header. A state is any text that differs from other states. */
export class Settling {
  /** What was taken up last, by name. */
  readonly #taken = new Map<string, string>();
  /** What the last look saw, where it differs from what was taken up. */
  #seen = new Map<string, string>();

  /** Takes one look. @param states by name; a name that is missing is not there */
  look(states: ReadonlyMap<string, string>): Settled {
    const changed: string[] = [];
    const gone: string[] = [];
    const seen = new Map<string, string>();
    for (const name of new Set([...states.keys(), ...this.#taken.keys()])) {
      const state = states.get(name) ?? ABSENT;
      if (state === (this.#taken.get(name) ?? ABSENT)) continue;
      seen.set(name, state);
      if (this.#seen.get(name) !== state) continue;
      if (state === ABSENT) gone.push(name);
      else changed.push(name);
    }
    this.#seen = seen;
    return { changed, gone };
  }

  /** Notes the state that was taken up. @param state null: the name is gone */
  accept(name: string, state: string | null): void {
    if (state === null) this.#taken.delete(name);
    else this.#taken.set(name, state);
  }
}
