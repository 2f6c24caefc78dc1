/**
 * The order of measurement: round by round, in each all lanes in turn, so that a machine that becomes slower becomes slower
 * for all. Each round starts with the next lane.
 */
import type { Metrics, Round } from './row.ts';
import type { Lane } from './scenario.ts';

/** Elements in their order from the `by`-th on, then those before it. */
export function rotate<T>(elements: readonly T[], by: number): T[] {
  if (elements.length === 0) return [];
  const at = by % elements.length;
  return [...elements.slice(at), ...elements.slice(0, at)];
}

/** A lane that could not be measured. */
export interface LaneFailure {
  readonly lane: string;
  readonly message: string;
}

/** What the rounds gave. */
export interface Measured {
  readonly rounds: readonly Round[];
  /** A lane that failed is left out from then on, of that round, too. */
  readonly failures: readonly LaneFailure[];
}

/**
 * Measures all lanes.
 * @param count of rounds
 * @param signal ends it between two measurements, by its reason
 * @param watch is told each measurement's result
 */
export async function measureRounds(
  lanes: readonly Lane[],
  steps: readonly string[],
  count: number,
  signal: AbortSignal,
  watch: (lane: string, step: string, round: number, metrics: Metrics) => void,
): Promise<Measured> {
  const rounds: Record<string, Metrics>[] = [];
  const failures: LaneFailure[] = [];
  for (let number = 0; number < count; number++) {
    const round: Record<string, Metrics> = {};
    for (const step of steps) {
      for (const lane of rotate(lanes, number)) {
        if (failures.some((failure) => failure.lane === lane.name)) continue;
        signal.throwIfAborted();
        try {
          const metrics = await lane.measure(step, number);
          round[lane.name] = { ...round[lane.name], ...metrics };
          watch(lane.name, step, number, metrics);
        } catch (error) {
          signal.throwIfAborted();
          failures.push({ lane: lane.name, message: error instanceof Error ? error.message : String(error) });
          Reflect.deleteProperty(round, lane.name);
        }
      }
    }
    rounds.push(round);
  }
  return { rounds, failures };
}
