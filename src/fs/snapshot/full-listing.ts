/**
 * A listing of the whole source, in parallel shards.
 *
 * The top of the tree is listed a directory at a time; once there are enough directories for all lanes, each is listed flat
 * with everything below it. The index puts the shards together and switches to the result at once.
 *
 * Invariants:
 * 1. Every directory is covered by exactly one shard.
 * 2. A failed shard fails the listing: nothing of it stays.
 */
import PQueue from 'p-queue';
import type { CacheIndex, ListingOutcome } from '../../cache/index/index.ts';
import type { Source } from '../../source/source.ts';

/** Shards at once. Each is one serial listing; the origin's latency is hidden by their number, our own CPU is one worker's. */
const LANES = 8;
/** From this many directories on a level, each becomes a flat shard. */
const ENOUGH = LANES * 2;
/** Levels that are listed a directory at a time at most: a deep chain of single directories. */
const MAX_LEVELS = 6;

/** What a listing needs. */
export interface FullListingOptions {
  readonly index: CacheIndex;
  readonly source: Source;
  /** The mounted prefix. */
  readonly prefix: string;
  /** Keys at most. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/**
 * Lists everything and switches to it.
 * @returns what changed; `stopped` where the listing grew too long and nothing was switched
 * @throws DlfsError when a page could not be had
 */
export async function listAll(options: FullListingOptions): Promise<ListingOutcome> {
  const { index, source, prefix, limit, signal } = options;
  await using full = await index.beginFull(limit);
  const failed = new AbortController();
  let limited = false;
  const either = AbortSignal.any([signal, failed.signal]);

  const shard = async (kind: 'level' | 'subtree', key: string): Promise<readonly string[]> => {
    const below: string[] = [];
    if (limited) return below;
    try {
      const lane = await full.shard(kind, key);
      for await (const page of source.list(prefix + key, {
        delimiter: kind === 'level' ? '/' : null,
        signal: either,
      })) {
        const { descend, stopped } = await lane.add(page);
        for (const name of descend) below.push(name);
        if (stopped !== null) {
          limited = true;
          failed.abort();
          break;
        }
      }
    } catch (error) {
      if (!limited) throw error; // the other shards are only stopped: the listing ends with what it is, too long
    }
    return limited ? [] : below;
  };

  let level: readonly string[] = [''];
  for (let depth = 0; depth < MAX_LEVELS && level.length > 0 && level.length < ENOUGH; depth++) {
    const found = await inParallel(level, (key) => shard('level', key), failed);
    level = found.flat();
  }
  await inParallel(level, (key) => shard('subtree', key), failed);
  return await full.finish();
}

/** Runs all; the first failure stops the others and is thrown. */
async function inParallel<T>(
  keys: readonly string[],
  run: (key: string) => Promise<T>,
  failed: AbortController,
): Promise<T[]> {
  const queue = new PQueue({ concurrency: LANES });
  try {
    return await Promise.all(keys.map((key) => queue.add(() => run(key))));
  } catch (error) {
    failed.abort();
    queue.clear();
    await queue.onIdle();
    throw error;
  }
}
