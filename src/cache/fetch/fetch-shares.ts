/**
 * What all schedulers of a process share: the memory that runs in flight may fill, and the requests that may be under way.
 *
 * Each dataset's scheduler joins and is given what a dynamic threshold allows (policy/dynamic-share.ts), so that a dataset whose
 * origin stalls keeps what it has, and no more, from the others.
 *
 * Invariants:
 * 1. Who was refused is told once when something was given back; those who wait longest are told first.
 * 2. They are told in a later microtask: whoever gives back is not interrupted by what others do with it.
 */
import type { AdmissionShare } from '../policy/concurrency.ts';
import { DynamicSupply, type DynamicShare } from '../policy/dynamic-share.ts';
import type { FetchPriority } from '../policy/runs.ts';

/** What there is to share. */
export interface FetchSupplies {
  /** Bytes of block buffers. */
  readonly bytes: number;
  /** Requests under way, each with a socket. */
  readonly requests: number;
}

/**
 * Demand may take what is free, readahead seven ninths of that: alone, readahead then leaves an eighth of what demand may have, as
 * it does of every other limit. In the same way jobs leave a quarter, and a scrub half.
 */
const ALPHA: Readonly<Record<FetchPriority, number>> = { demand: 1, readahead: 7 / 9, fill: 3 / 5, scrub: 1 / 3 };

/** See the file's header. */
export class FetchShares {
  readonly #bytes: DynamicSupply;
  readonly #requests: DynamicSupply;
  readonly #waiting = new Set<() => void>();
  #isTelling = false;

  constructor(supplies: FetchSupplies) {
    this.#bytes = new DynamicSupply(supplies.bytes);
    this.#requests = new DynamicSupply(supplies.requests);
  }

  /** What nobody has. */
  get free(): FetchSupplies {
    return { bytes: this.#bytes.free, requests: this.#requests.free };
  }

  /**
   * Takes a scheduler in.
   * @param block bytes of its blocks: a run of one is granted as long as there is room at all
   * @param onRoom called after something was given back, where the scheduler had been refused before
   */
  join(block: number, onRoom: () => void): FetchShare {
    return new FetchShare(this, this.#bytes.join(block), this.#requests.join(1), onRoom);
  }

  /** Tells `onRoom` when something has been given back. */
  wait(onRoom: () => void): void {
    this.#waiting.add(onRoom);
  }

  /** Nobody is to be told any more. */
  forget(onRoom: () => void): void {
    this.#waiting.delete(onRoom);
  }

  /** Something was given back. */
  given(): void {
    if (this.#isTelling || this.#waiting.size === 0) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      const told = [...this.#waiting];
      this.#waiting.clear();
      for (const onRoom of told) onRoom();
    });
  }
}

/** One scheduler's share. Disposing it gives everything back. */
export class FetchShare implements AdmissionShare, Disposable {
  readonly #all: FetchShares;
  readonly #bytes: DynamicShare;
  readonly #requests: DynamicShare;
  readonly #onRoom: () => void;

  /** Made by `FetchShares.join`. */
  constructor(all: FetchShares, bytes: DynamicShare, requests: DynamicShare, onRoom: () => void) {
    this.#all = all;
    this.#bytes = bytes;
    this.#requests = requests;
    this.#onRoom = onRoom;
  }

  room(priority: FetchPriority): number {
    const alpha = ALPHA[priority];
    return this.#requests.room(alpha) < 1 ? 0 : this.#bytes.room(alpha);
  }

  take(bytes: number): void {
    this.#requests.take(1);
    this.#bytes.take(bytes);
  }

  give(bytes: number): void {
    this.#requests.give(1);
    this.#bytes.give(bytes);
    this.#all.given();
  }

  refused(): void {
    this.#all.wait(this.#onRoom);
  }

  [Symbol.dispose](): void {
    this.#all.forget(this.#onRoom);
    this.#bytes[Symbol.dispose]();
    this.#requests[Symbol.dispose]();
    this.#all.given();
  }
}
