/**
 * Files that a job could not deal with, counted by why, some of them named; and which failures are a file's own.
 *
 * Invariants:
 * 1. Memory is bounded by the sample.
 */
import { DlfsError, type ErrorCode } from '../../base/errors.ts';
import { MAX_SAMPLE, type Failures } from './job-types.ts';

/** Codes that concern one object; all others would meet the next file as well. */
const OF_ONE_FILE: ReadonlySet<ErrorCode> = new Set([
  'archived',
  'gone',
  'changed-at-origin',
  'not-found',
  'access-denied',
]);

/** Files in a row that were refused: then it is the keys, not the files. */
const MAX_REFUSED = 100;

/** See the file's header. */
export class FailureLog {
  #count = 0;
  readonly #byCode: Partial<Record<ErrorCode, number>> = {};
  readonly #sample: Failures['sample'] = [];
  #refusedInRow = 0;

  /** Failures so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Notes a file's failure.
   * @throws DlfsError the failure itself where it is not the file's own: going on would only repeat it
   */
  note(path: string, thrown: unknown): void {
    const error = DlfsError.from(thrown);
    this.#refusedInRow = error.code === 'access-denied' ? this.#refusedInRow + 1 : 0;
    if (!OF_ONE_FILE.has(error.code) || this.#refusedInRow >= MAX_REFUSED) throw error.with({ key: path });
    this.#count += 1;
    this.#byCode[error.code] = (this.#byCode[error.code] ?? 0) + 1;
    if (this.#sample.length < MAX_SAMPLE) this.#sample.push({ path, code: error.code, message: error.message });
  }

  /** A file went well. */
  succeeded(): void {
    this.#refusedInRow = 0;
  }

  /** All of it. */
  report(): Failures {
    return { count: this.#count, byCode: { ...this.#byCode }, sample: [...this.#sample] };
  }
}
