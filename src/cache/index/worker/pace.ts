/**
 * How much one step of bulk work does before its transaction may be committed.
 *
 * The figures keep a step to some milliseconds, so that a slice ends near its time. Tests take small steps, to come to every
 * place where a transaction may end.
 */

/** Sizes of steps. */
export interface Pace {
  /** Entries of a listing merged in one step: about five milliseconds when all are new. */
  readonly entries: number;
  /** Rows read by one step of a merge. */
  readonly rows: number;
  /** Rows changed by one step that buries, undoes or purges. */
  readonly changes: number;
  /** Differences of a directory listed again that are applied in one transaction: some twenty milliseconds. */
  readonly together: number;
}

/** The pace in use. */
export const PACE: Pace = { entries: 400, rows: 2000, changes: 300, together: 1000 };
