/**
 * From measurements to a row of the table: which figure of which lane, held against which others, with which target.
 *
 * A scenario measures its lanes (dlfs, ext4, the peers) in turn, round by round. What is compared is compared within a
 * round, where both saw the same machine; the row's value is the median over the rounds.
 *
 * Invariants:
 * 1. A row whose lane or whole reference was not measured has no verdict; it is never "met".
 * 2. "met" follows from the median as it is stored, not as it is printed.
 */
import { summarise, type Summary } from './statistics.ts';

/** Numbers that one measurement of one lane gave, by name, for example `MB/s`. */
export type Metrics = Readonly<Record<string, number>>;

/** One round: what each lane gave. */
export type Round = Readonly<Record<string, Metrics>>;

/** What is to be reached. */
export interface Target {
  readonly relation: '>=' | '<=' | '<';
  readonly value: number;
}

/** Which figure a row shows. */
export interface RowSpec {
  /** Unique over all scenarios, in kebab case. */
  readonly id: string;
  /** The figure in words. */
  readonly figure: string;
  /** Which of a lane's metrics; unique within the scenario. */
  readonly metric: string;
  /** The metric's unit, for people. */
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** Lanes to compare with; the best of them counts. Empty: the figure stands for itself. */
  readonly against: readonly string[];
  /** null: reported only. */
  readonly target: Target | null;
  /** How the samples of the rounds become the row's value; the worst is for what must hold every time. */
  readonly take?: 'median' | 'worst';
}

/** Whether a target was reached. */
export type Verdict = 'met' | 'missed' | 'reported' | 'not measured';

/** A row of the table. */
export interface Row {
  readonly id: string;
  readonly figure: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** How dlfs opened files; null where it took no part. */
  readonly openMode: string | null;
  /** Of each lane that was measured. */
  readonly lanes: Readonly<Record<string, Summary>>;
  readonly against: readonly string[];
  /** The ratio, or the figure itself where nothing is compared; null: not measured. */
  readonly value: Summary | null;
  /** What counts against the target: the median or the worst of the rounds. */
  readonly counted: number | null;
  readonly target: Target | null;
  readonly verdict: Verdict;
}

/** The lane that is ours. */
export const OURS = 'dlfs';

/** Whether a value reaches a target. */
export function reaches(value: number, { relation, value: bound }: Target): boolean {
  switch (relation) {
    case '>=':
      return value >= bound;
    case '<=':
      return value <= bound;
    case '<':
      return value < bound;
  }
}

/** What to reach, for people: `>= 0.85 x ext4`. */
export function describeTarget({ target, against }: Pick<RowSpec, 'target' | 'against'>): string {
  if (target === null) return 'reported';
  const { relation, value } = target;
  const versus = against.length === 0 ? '' : ` x ${against.length === 1 ? '' : 'best of '}${against.join(', ')}`;
  return `${relation} ${value}${versus}`;
}

/** Makes the row of a specification out of the rounds. */
export function evaluate(spec: RowSpec, rounds: readonly Round[], openMode: string | null): Row {
  const { id, figure, metric, unit, better, against, target, take = 'median' } = spec;
  const samples = rounds.flatMap((round) => sampleOf(spec, round) ?? []);
  const value = samples.length === 0 ? null : summarise(samples);
  const counted = value === null ? null : take === 'median' ? value.median : worst(samples, target);
  return {
    ...{ id, figure, metric, unit, better, openMode, against, target, value, counted },
    lanes: lanesOf(metric, rounds),
    verdict: verdictOf(counted, target),
  };
}

function verdictOf(counted: number | null, target: Target | null): Verdict {
  if (counted === null || Number.isNaN(counted)) return 'not measured';
  if (target === null) return 'reported';
  return reaches(counted, target) ? 'met' : 'missed';
}

/** The sample farthest from the target. */
function worst(samples: readonly number[], target: Target | null): number {
  return target?.relation === '>=' ? Math.min(...samples) : Math.max(...samples);
}

/** The row's sample of one round; null where something is missing. */
function sampleOf({ metric, better, against }: RowSpec, round: Round): number | null {
  const own = round[OURS]?.[metric];
  if (own === undefined) return null;
  if (against.length === 0) return own;
  const others = against.flatMap((name) => round[name]?.[metric] ?? []);
  // All of them: the best of those that happened to work is not the best.
  if (others.length < against.length) return null;
  const best = better === 'higher' ? Math.max(...others) : Math.min(...others);
  return best === 0 ? null : own / best;
}

function lanesOf(metric: string, rounds: readonly Round[]): Record<string, Summary> {
  const samples = new Map<string, number[]>();
  for (const round of rounds) {
    for (const [name, metrics] of Object.entries(round)) {
      const value = metrics[metric];
      if (value === undefined) continue;
      const list = samples.get(name) ?? [];
      list.push(value);
      samples.set(name, list);
    }
  }
  return Object.fromEntries([...samples].map(([name, list]) => [name, summarise(list)]));
}
