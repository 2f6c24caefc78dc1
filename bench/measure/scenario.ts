/**
 * A scenario: what is measured, on which lanes, and which rows come of it.
 */
import type { Lab } from '../lab/lab.ts';
import type { Metrics, RowSpec } from './row.ts';

/** One of those that are compared, ready to be measured again and again. */
export interface Lane {
  readonly name: string;
  /** How dlfs opened files, as far as it is known yet; null for others. */
  readonly openMode: () => string | null;
  /**
   * Measures once.
   * @param step one of the scenario's
   * @param round from 0; a seed where a fresh choice is needed
   */
  readonly measure: (step: string, round: number) => Promise<Metrics>;
}

/** See the file's header. */
export interface Scenario {
  /** For ONLY= and the name of the result; kebab case. */
  readonly name: string;
  readonly title: string;
  /** Rounds of a full run. */
  readonly rounds: number;
  /** Names of the lanes, in the order in which the first round measures them. */
  readonly lanes: readonly string[];
  /** Parts of a round; all lanes are measured in one before the next. */
  readonly steps: readonly string[];
  readonly rows: readonly RowSpec[];
  /** What a reader of the rows must know. */
  readonly notes: readonly string[];
  /**
   * Makes the lanes.
   * @param wanted which of `lanes` to make
   * @param stack takes what the lanes hold
   */
  prepare(lab: Lab, wanted: readonly string[], stack: AsyncDisposableStack): Promise<readonly Lane[]>;
}
