/**
 * Globs that have matched nothing yet, so that a misspelt one is an error and not a job of nothing.
 */
import { DlfsError } from '../../base/errors.ts';
import type { GlobSet } from '../../dataset/glob/glob-set.ts';
import type { GlobWalk, MatchedFile } from './glob-walk.ts';

/** Globs named in the error at most. */
const NAMED = 3;

/** See the file's header. */
export class Unmatched {
  readonly #set: GlobSet;
  readonly #left: Set<number>;

  constructor(set: GlobSet) {
    this.#set = set;
    this.#left = new Set(set.globs.keys());
  }

  /** Whether every glob has matched something. */
  get isEmpty(): boolean {
    return this.#left.size === 0;
  }

  /** The globs that have not. */
  get globs(): string[] {
    return [...this.#left].map((id) => this.#set.globs[id] ?? '');
  }

  /** Notes files that were found. */
  note(files: Iterable<Pick<MatchedFile, 'globs'>>): void {
    if (this.#left.size === 0) return;
    for (const { globs } of files) for (const id of globs) this.#left.delete(id);
  }

  /** @throws DlfsError `not-found` naming globs that match no file */
  requireNone(): void {
    const { globs } = this;
    if (globs.length === 0) return;
    const named = globs.slice(0, NAMED).join(', ');
    const more = globs.length > NAMED ? ` and ${globs.length - NAMED} more` : '';
    throw new DlfsError(
      'not-found',
      `no file of the dataset matches ${named}${more}: paths are relative to its root; "dlfs ls" shows what there is`,
    );
  }
}

/**
 * Looks whether each glob matches some file, and stops as soon as that is known.
 * @throws DlfsError `not-found` naming those that do not; `interrupted`; what a listing failed with
 */
export async function requireMatches(walk: GlobWalk, set: GlobSet, signal?: AbortSignal): Promise<void> {
  const unmatched = new Unmatched(set);
  for await (const files of walk.files(set, signal === undefined ? {} : { signal })) {
    unmatched.note(files);
    if (unmatched.isEmpty) return;
  }
  unmatched.requireNone();
}
