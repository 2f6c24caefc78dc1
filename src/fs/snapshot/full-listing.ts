/**
 * A listing of the whole source, in parallel shards.
 *
 * The top of the tree is listed a directory at a time; once there are enough directories for all lanes, each is listed flat
 * with everything below it. The index puts the shards together and switches to the result at once.
 *
 * A directory of the top that nobody has listed yet is listed as a request would have it listed, by `DirectoryListings`: whoever
 * looks into it meanwhile joins, and the origin is asked once. Flat shards let demanded listings go first.
 *
 * Invariants:
 * 1. Every directory is covered by exactly one shard, or by a listing of its own since this one began.
 * 2. A failed shard fails the listing: nothing of it stays but what was visible already.
 */
import PQueue from 'p-queue';
import type { CacheIndex, FullListing } from '../../cache/index/index.ts';
import type { Source } from '../../source/source.ts';
import type { DirectoryListings } from './directory-listings.ts';
import type { Lanes } from './listing-lanes.ts';

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
  readonly directories: Pick<DirectoryListings, 'first' | 'calm'>;
  /** The mounted prefix. */
  readonly prefix: string;
  /** Keys at most. */
  readonly limit: number;
  /** Shared with the listings of other datasets. */
  readonly lanes: Lanes;
  readonly signal: AbortSignal;
  /** `preview`: nothing will be switched. */
  readonly purpose?: 'switch' | 'preview';
}

/**
 * Lists everything.
 * @param finish what is done with the complete listing, or with one that grew too long: it switches, or it looks and lets go
 * @returns what `finish` does
 * @throws DlfsError when a page could not be had
 */
export async function listAll<T>(options: FullListingOptions, finish: (full: FullListing) => Promise<T>): Promise<T> {
  const { index, source, directories, prefix, limit, lanes, signal, purpose = 'switch' } = options;
  await using full = await index.beginFull(limit, purpose);
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let limited = false;
  const stop = (): readonly string[] => {
    limited = true;
    failed.abort();
    return [];
  };

  const shard = async (kind: 'level' | 'subtree', key: string): Promise<readonly string[]> => {
    const below: string[] = [];
    if (limited) return below;
    using _lane = await lanes.take(signal);
    try {
      const lane = await full.shard(kind, key);
      for await (const page of source.list(prefix + key, {
        delimiter: kind === 'level' ? '/' : null,
        signal: either,
      })) {
        const { descend, stopped } = await lane.add(page);
        for (const name of descend) below.push(name);
        if (stopped !== null) return stop();
        await directories.calm();
      }
    } catch (error) {
      if (!limited) throw error; // the other shards are only stopped: the listing ends with what it is, too long
    }
    return limited ? [] : below;
  };

  const levelOf = async (key: string): Promise<readonly string[]> => {
    if (limited) return [];
    const now = await full.cover(key);
    if (now.byItself !== null && !(await directories.first(now.byItself, limit))) await full.stop();
    const { descend, stopped } = now.byItself === null ? now : await full.cover(key);
    if (stopped !== null) return stop();
    return descend ?? (await shard('level', key));
  };

  let level: readonly string[] = [''];
  for (let depth = 0; depth < MAX_LEVELS && level.length > 0 && level.length < ENOUGH; depth++) {
    const found = await inParallel(level, levelOf, failed);
    level = found.flat();
  }
  await inParallel(level, (key) => shard('subtree', key), failed);
  return await finish(full);
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
