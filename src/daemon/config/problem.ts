/**
 * What is wrong with where datasets come from: for the log, `dlfs get` and `dlfs doctor`.
 *
 * Invariants:
 * 1. A problem stands as long as its cause does; lists of problems are states, not events.
 */
import { describeProblem, type ManifestProblem } from '../../dataset/manifest/index.ts';

/** One problem. */
export interface ConfigProblem extends ManifestProblem {
  /** Absolute path of the file or folder. */
  readonly file: string;
}

/** A problem of a file as a whole. */
export function fileProblem(file: string, message: string): ConfigProblem {
  return { file, path: '', message, line: null, column: null, dataset: null };
}

/** One line: `/etc/dlfs/a.yaml:12:5: spec.cache.qouta: unknown field; did you mean "quota"?` */
export function describeConfigProblem(problem: ConfigProblem): string {
  return describeProblem(problem, problem.file);
}
