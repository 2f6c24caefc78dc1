/**
 * Which objects were used, gathered for the index: reads that the data plane saw, and names that were looked up
 * (docs/decisions/0005-recency.md).
 *
 * Invariants:
 * 1. An object is told once a flush, however often it was read.
 */
import type { Clock } from '../../base/clock.ts';
import type { NativeHost } from '../../native/host.ts';
import type { BlockIndex } from './block-index.ts';

/** What the feed is made of. */
export interface RecencyFeedOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly index: Pick<BlockIndex, 'touch'>;
  readonly clock: Clock;
}

/** Objects told at a time. */
const PORTION = 1000;

/** See the file's header. */
export class RecencyFeed {
  readonly #o: RecencyFeedOptions;
  readonly #noted = new Set<number>();

  constructor(options: RecencyFeedOptions) {
    this.#o = options;
  }

  /** The object was used without a read that the data plane sees. */
  note(ino: number): void {
    this.#noted.add(ino);
  }

  /** Tells the index. @throws DlfsError when it cannot take it */
  async flush(): Promise<void> {
    const { host, volume, index, clock } = this.#o;
    const inos = new Set([...host.engine.drainTouched(volume), ...this.#noted]);
    this.#noted.clear();
    if (inos.size === 0) return;
    const usedMs = clock.wall();
    const all = [...inos];
    // In portions: neither this loop nor the index's worker is held for long.
    for (let at = 0; at < all.length; at += PORTION) {
      await index.touch(all.slice(at, at + PORTION).map((ino) => ({ ino, usedMs })));
    }
  }
}
