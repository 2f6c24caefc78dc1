/**
 * What is wrong with a manifest, and where.
 *
 * Invariants:
 * 1. A message is one line without values that may be secret; `describeProblem` puts place and message together.
 */

/** One thing that is wrong. */
export interface ManifestProblem {
  /** The field, `spec.cache.quota.bytes`; empty: the document as a whole. */
  readonly path: string;
  /** What is wrong and what to write instead. */
  readonly message: string;
  /** Counted from 1; null where the manifest did not come as text. */
  readonly line: number | null;
  readonly column: number | null;
  /** Full name of the dataset, as far as it could be read. */
  readonly dataset: string | null;
}

/**
 * One line for people: `datasets.yaml:12:5: spec.cache.qouta: unknown field; did you mean "quota"?`
 * @param file where it came from; null: not a file
 */
export function describeProblem(problem: ManifestProblem, file: string | null): string {
  const { path, message, line, column } = problem;
  const place = [file, line, column].filter((part) => part !== null).join(':');
  return [place, path, message].filter((part) => part !== '').join(': ');
}
