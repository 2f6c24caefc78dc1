/**
 * One eviction at a time, and how one goes: the policy chooses, its victims are dropped; where they are not enough, what was stored a
 * moment ago is committed, so that it may leave as well, and the policy chooses once more.
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
  /** Has what was just stored committed. @returns whether there was any */
  settle(): Promise<boolean>;
}

/** What an eviction came to. */
export interface Evicted {
  readonly files: number;
  readonly bytes: number;
  /** What is still missing. */
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
  if (!isShort(first.shortfall) || !(await steps.settle())) return first;
  const second = await dropChosen(first.shortfall, steps);
  return { files: first.files + second.files, bytes: first.bytes + second.bytes, shortfall: second.shortfall };
}

async function dropChosen<Candidate extends EvictionCandidate>(
  need: EvictionNeed,
  steps: EvictionSteps<Candidate>,
): Promise<Evicted> {
  const { victims, shortfall } = steps.choose(need);
  const bytes = victims.length > 0 ? await steps.drop(victims) : 0;
  return { files: victims.length, bytes, shortfall };
}

function isShort({ bytes, files }: EvictionNeed): boolean {
  return bytes > 0 || files > 0;
}
