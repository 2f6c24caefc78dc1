/**
 * Which blocks of one object leave when the object is larger than the cache.
 *
 * Such an object reads through: its own blocks make room for its next ones. LRU by object has nothing to say here, so the
 * order follows its readers: a block that every reader has passed will not be read again in this pass, and of those the
 * furthest behind leaves first; only then blocks ahead of a reader, the one that is reached last first (Belady's rule with the
 * readers' directions as the forecast; L. A. Belady, IBM Systems Journal 5(2), 1966).
 *
 * Invariants:
 * 1. A block in flight, or in a range to keep, never leaves.
 * 2. No block ahead of a reader leaves while one that all readers have passed could.
 * 3. Of the passed blocks none leaves before one that is further behind.
 * 4. The result names at most `need` blocks and `headroom` passed ones more, in ranges that are disjoint and each within the
 *    resident ones.
 */
import type { BlockRange } from './geometry.ts';

/** Where a reader is. */
export interface ReaderPosition {
  /** The last block it asked for. */
  readonly block: number;
  /** Which way it goes. */
  readonly direction: 1 | -1;
}

/** A reader whose next blocks are known. */
export interface PlannedReader extends ReaderPosition {
  /** What is being fetched ahead of it, or has been and was not read yet. */
  readonly planned: readonly BlockRange[];
}

/** Input of `selfEvict`. */
export interface SelfEviction {
  /** What of the object is on disk: disjoint ranges, ascending. */
  readonly resident: readonly BlockRange[];
  /** Who reads it now; without readers the lowest blocks, which came first, leave first. */
  readonly readers: readonly ReaderPosition[];
  /** True for a block that must not leave now. */
  readonly busy: (block: number) => boolean;
  /** Ranges to keep besides: what has been planned ahead of the readers. */
  readonly keep?: readonly BlockRange[];
  /** Blocks to free, ≥ 0. */
  readonly need: number;
  /** Blocks to free besides, as long as all readers have passed them: the next ones then find room without a wait. */
  readonly headroom?: number;
  /**
   * Blocks just behind a reader that count as still ahead of it: the kernel's parallel READs of one stream arrive out of
   * order, by up to its own readahead (4 MiB here).
   */
  readonly margin?: number;
}

/**
 * @returns the blocks to drop, as ranges in the order in which they should leave; fewer than needed where the rest is busy,
 *   kept or absent
 */
export function selfEvict(input: SelfEviction): BlockRange[] {
  const keep = input.keep ?? [];
  const stays = (block: number): boolean =>
    keep.some((range) => block >= range.first && block < range.first + range.count) || input.busy(block);
  const taken: number[] = [];
  const take = (blocks: Iterable<number>, most: number): void => {
    if (taken.length >= most) return;
    for (const block of blocks) {
      if (stays(block)) continue;
      taken.push(block);
      if (taken.length >= most) return;
    }
  };
  const margin = input.margin ?? 0;
  const readers = input.readers.map(({ block, direction }) => ({ block: block - direction * margin, direction }));
  take(passed(input.resident, readers), input.need + (input.headroom ?? 0));
  if (taken.length < input.need) take(ahead(input.resident, readers), input.need);
  return toRanges(taken);
}

/** What all readers have passed, the furthest behind first. The common case, all going one way, needs no sort. */
function* passed(resident: readonly BlockRange[], readers: readonly ReaderPosition[]): Generator<number> {
  if (readers.every((reader) => reader.direction === 1)) {
    yield* ascending(resident, Math.min(Infinity, ...readers.map((reader) => reader.block)));
  } else if (readers.every((reader) => reader.direction === -1)) {
    yield* descending(resident, Math.max(...readers.map((reader) => reader.block)));
  } else {
    const behindAll = [...ascending(resident, Infinity)].filter((block) => nextUse(block, readers) === Infinity);
    yield* behindAll.sort((a, b) => behind(b, readers) - behind(a, readers) || a - b);
  }
}

/** What some reader has still before it, the one that is reached last first. */
function ahead(resident: readonly BlockRange[], readers: readonly ReaderPosition[]): number[] {
  const before = [...ascending(resident, Infinity)].filter((block) => nextUse(block, readers) !== Infinity);
  return before.sort((a, b) => nextUse(b, readers) - nextUse(a, readers) || b - a);
}

/** Blocks until the next reader reaches this one; Infinity where all have passed it. */
function nextUse(block: number, readers: readonly ReaderPosition[]): number {
  return readers.reduce((least, reader) => {
    const distance = (block - reader.block) * reader.direction;
    return distance >= 0 ? Math.min(least, distance) : least;
  }, Infinity);
}

/** Blocks since the last reader passed this one. */
function behind(block: number, readers: readonly ReaderPosition[]): number {
  return readers.reduce((least, reader) => Math.min(least, Math.abs(block - reader.block)), Infinity);
}

function* ascending(ranges: readonly BlockRange[], end: number): Generator<number> {
  for (const { first, count } of ranges) {
    for (let block = first; block < Math.min(first + count, end); block++) yield block;
  }
}

function* descending(ranges: readonly BlockRange[], above: number): Generator<number> {
  for (const { first, count } of ranges.toReversed()) {
    for (let block = first + count - 1; block >= first && block > above; block--) yield block;
  }
}

/** Joins neighbours that leave one after the other, so that one punch serves them. */
function toRanges(blocks: readonly number[]): BlockRange[] {
  const ranges: { first: number; count: number }[] = [];
  for (const block of blocks) {
    const last = ranges.at(-1);
    if (last !== undefined && block === last.first + last.count) last.count += 1;
    else if (last !== undefined && block === last.first - 1) {
      last.first = block;
      last.count += 1;
    } else ranges.push({ first: block, count: 1 });
  }
  return ranges;
}
