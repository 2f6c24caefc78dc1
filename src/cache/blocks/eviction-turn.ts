/**
 * One eviction at a time, and how one goes: the policy chooses, its victims are dropped; where they are not enough, an object that is larger than
 * the cache gives up blocks of its own; and where that is none, what was stored a moment ago is committed, so that it may leave as well, and
 * the policy chooses once more. In that order, since a stream through a large object should not wait for a sync each time.
 *
 * Invariants:
 * 1. No two evictions of one turn overlap; whoever comes meanwhile waits, and decides anew.
 * 2. The policy is asked at most twice an eviction: each ends.
 */
import type { EvictionCandidate, EvictionChoice, EvictionNeed } from '../policy/eviction.ts';

/** What an eviction is made of. */
export interface EvictionSteps<Candidate extends EvictionCandidate> {
  /** Names victims. */
  choose(need: EvictionNeed): EvictionChoice<Candidate>;
  /** Drops them. @returns bytes */
  drop(victims: readonly Candidate[]): Promise<number>;
  /** Drops blocks of the object that asks. @returns bytes; 0 where it has none to give up */
  dropOwn(bytes: number): Promise<number>;
  /** Has what was just stored committed. @returns whether there was any */
  settle(): Promise<boolean>;
}

/** What an eviction came to. */
export interface Evicted {
  readonly files: number;
  readonly bytes: number;
}

/** A choice that was dropped. */
interface Dropped extends Evicted {
  /** What the choice could not name victims for. */
  readonly shortfall: EvictionNeed;
}

/** See the file's header. */
export class EvictionTurn {
  #running: Promise<void> | null = null;

  /** Whether an eviction is under way. */
  get isTaken(): boolean {
    return this.#running !== null;
  }

  /**
   * Runs an eviction, or waits for the one that is under way.
   * @returns whether anything was freed
   * @throws what `work` throws
   */
  async take(work: () => Promise<boolean>): Promise<boolean> {
    if (this.#running !== null) {
      await this.#running;
      return true; // somebody made room meanwhile: decide anew
    }
    const running = work();
    this.#running = running.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await running;
    } finally {
      this.#running = null;
    }
  }
}

/**
 * One eviction; see the file's header.
 * @throws what the steps throw
 */
export async function evict<Candidate extends EvictionCandidate>(
  need: EvictionNeed,
  steps: EvictionSteps<Candidate>,
): Promise<Evicted> {
  const first = await dropChosen(need, steps);
  if (!isShort(first.shortfall)) return first;
  const own = first.shortfall.bytes > 0 ? await steps.dropOwn(first.shortfall.bytes) : 0;
  const missing = { bytes: Math.max(0, first.shortfall.bytes - own), files: first.shortfall.files };
  const second = isShort(missing) && (await steps.settle()) ? await dropChosen(missing, steps) : null;
  return {
    files: first.files + (second?.files ?? 0),
    bytes: first.bytes + own + (second?.bytes ?? 0),
  };
}

async function dropChosen<Candidate extends EvictionCandidate>(
  need: EvictionNeed,
  steps: EvictionSteps<Candidate>,
): Promise<Dropped> {
  const { victims, shortfall } = steps.choose(need);
  const bytes = victims.length > 0 ? await steps.drop(victims) : 0;
  return { files: victims.length, bytes, shortfall };
}

function isShort({ bytes, files }: EvictionNeed): boolean {
  return bytes > 0 || files > 0;
}
