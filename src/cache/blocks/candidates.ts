/**
 * Who could leave the cache: objects by last use, as far as the policy reads.
 *
 * Invariants:
 * 1. What is pinned or in use is never given as one that may leave.
 * 2. Pinned objects are not even read, but for those whose mark in the index is not there yet; meeting one, it is set.
 */
import type { EvictionCandidate } from '../policy/eviction.ts';
import type { BlockStoreOptions } from './store-options.ts';

/** Candidates are read by pages that grow by this factor, while most of them cannot leave. */
const PAGE_GROWTH = 4;
/** Milliseconds for which an object in use is spared. */
const SPARED = 2_000;

/**
 * The candidates, coldest first.
 * @param first how many are likely to be looked at
 * @param isInUse whether something of the object is being fetched, committed, dropped or read back
 */
export function* candidates(
  options: Pick<BlockStoreOptions, 'host' | 'volume' | 'index' | 'clock' | 'pins'>,
  first: number,
  isInUse: (ino: number) => boolean,
): Generator<EvictionCandidate> {
  const { host, volume, index, clock, pins } = options;
  const now = clock.wall();
  const unmarked: number[] = [];
  try {
    for (let seen = 0, page = first; ; page *= PAGE_GROWTH) {
      const colds = index.coldest(page);
      for (const cold of colds.slice(seen)) {
        const isPinned = !cold.superseded && pins.isPinned(cold.ino);
        if (isPinned) unmarked.push(cold.ino);
        const pinnedUntil = isPinned ? Infinity : isInUse(cold.ino) ? now + SPARED : undefined;
        yield {
          id: cold.ino,
          bytes: cold.bytes,
          files: 1,
          lastUsed: cold.usedMs,
          superseded: cold.superseded,
          open: host.engine.openCount(volume, cold.ino) > 0,
          ...(pinnedUntil === undefined ? {} : { pinnedUntil }),
        };
      }
      if (colds.length < page) return;
      seen = colds.length;
    }
  } finally {
    // Without the mark the next eviction reads past them again: a matter of speed, not of right.
    if (unmarked.length > 0) pins.mark(unmarked).catch(() => undefined);
  }
}
