/**
 * How a dataset stands, as conditions in the manner of Kubernetes: one for each aspect, with a reason for programs and a sentence for
 * people.
 *
 * Invariants:
 * 1. Each type is there once, from the start, as `Unknown` until something is known.
 * 2. `since` moves when the status changes, not when its reason or message does.
 */
import type { Clock } from '../../base/clock.ts';

/**
 * The aspects:
 *
 * - `Ready`: its directory is mounted, and answers.
 * - `OriginReachable`: the origin's last answer was one.
 * - `SnapshotComplete`: the whole source is listed.
 * - `CacheHealthy`: what is fetched can be cached.
 */
export const CONDITION_TYPES = ['Ready', 'OriginReachable', 'SnapshotComplete', 'CacheHealthy'] as const;

/** One of the aspects. */
export type ConditionType = (typeof CONDITION_TYPES)[number];

/** What is known of an aspect. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  /** One word in CamelCase. */
  readonly reason: string;
  /** A sentence, without a secret. */
  readonly message: string;
  /** When the status became what it is, milliseconds since 1970. */
  readonly since: number;
}

/** What is noted of an aspect. */
export type Observation = Pick<Condition, 'status' | 'reason' | 'message'>;

/** See the file's header. */
export class Conditions {
  readonly #clock: Pick<Clock, 'wall'>;
  readonly #conditions = new Map<ConditionType, Condition>();

  constructor(clock: Pick<Clock, 'wall'>) {
    this.#clock = clock;
    for (const type of CONDITION_TYPES) {
      this.#conditions.set(type, { type, status: 'Unknown', reason: 'Pending', message: '', since: clock.wall() });
    }
  }

  /** All of them, in the order of the types. */
  list(): Condition[] {
    return [...this.#conditions.values()];
  }

  /** One of them. */
  status(type: ConditionType): Condition['status'] {
    return this.#conditions.get(type)?.status ?? 'Unknown';
  }

  /** Notes what is known now. @returns whether that is new */
  note(type: ConditionType, now: Observation): boolean {
    const before = this.#conditions.get(type);
    const isSame = before?.status === now.status && before.reason === now.reason && before.message === now.message;
    if (isSame) return false;
    const since = before?.status === now.status ? before.since : this.#clock.wall();
    this.#conditions.set(type, { type, ...now, since });
    return true;
  }
}
