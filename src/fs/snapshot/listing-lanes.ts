/**
 * How many listings in the background all datasets of a process run at once.
 *
 * Each holds pages in memory and a request at its origin. Datasets share the lanes by a dynamic threshold (policy/dynamic-share.ts):
 * those whose origin stalls keep what they have, and leave enough for the next. Listings that somebody waits for take no lane.
 *
 * Invariants:
 * 1. A lane is taken once and given back once.
 * 2. Who waits longest is looked at first when one is given back.
 */
import { DlfsError } from '../../base/errors.ts';
import { DynamicSupply, type DynamicShare } from '../../cache/policy/dynamic-share.ts';

/**
 * Lanes in all. A page of a thousand keys is some hundreds of kilobytes, and each lane has three under way: well below the heap of
 * the thread that lists.
 */
const LANES = 256;

/** See the file's header. */
export class ListingLanes {
  readonly #supply: DynamicSupply;
  readonly #waiting = new Set<() => void>();

  /** @param lanes in all */
  constructor(lanes: number = LANES) {
    this.#supply = new DynamicSupply(lanes);
  }

  /** Takes a dataset in. */
  join(): DatasetLanes {
    return new DatasetLanes(this.#supply.join(1), this.#waiting);
  }
}

/** Takes lanes for the listings of one dataset. */
export interface Lanes {
  /**
   * Waits for a lane; disposing gives it back.
   * @throws DlfsError `interrupted` when the signal is aborted first
   */
  take(signal: AbortSignal): Promise<Disposable>;
}

/** One dataset's lanes. */
export class DatasetLanes implements Lanes {
  readonly #share: DynamicShare;
  readonly #waiting: Set<() => void>;

  /** Made by `ListingLanes.join`. */
  constructor(share: DynamicShare, waiting: Set<() => void>) {
    this.#share = share;
    this.#waiting = waiting;
  }

  async take(signal: AbortSignal): Promise<Disposable> {
    while (this.#share.room(1) < 1) await this.#given(signal);
    if (signal.aborted) throw new DlfsError('interrupted', 'the listing was cancelled', { cause: signal.reason });
    this.#share.take(1);
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (!isTaken) return;
        isTaken = false;
        this.#share.give(1);
        const waiting = [...this.#waiting];
        this.#waiting.clear();
        for (const wake of waiting) wake();
      },
    };
  }

  #given(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting.delete(wake);
        reject(new DlfsError('interrupted', 'the listing was cancelled', { cause: signal.reason }));
      };
      if (signal.aborted) {
        abort();
        return;
      }
      this.#waiting.add(wake);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
