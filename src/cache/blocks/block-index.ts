/**
 * What the block store needs of the index: an excerpt of `CacheIndex` (src/cache/index), so that tests can see what it uses.
 */
import type { BlockRange } from '../policy/geometry.ts';
import type { BlockHash, CacheTotals, ColdObject, NodeRow, ObjectMap, ObjectState } from '../index/rows.ts';

/** The excerpt; reads are synchronous and take microseconds, writes go to the worker. */
export interface BlockIndex {
  node(ino: number): NodeRow | null;
  object(ino: number): ObjectMap | null;
  hashes(ino: number, first: number, limit: number): { readonly idx: number[]; readonly hash: bigint[] };
  totals(): CacheTotals;
  coldest(limit: number): readonly ColdObject[];
  recentBlocks(): Iterable<BlockHash>;
  commitBlocks(batch: readonly BlockHash[]): Promise<readonly number[]>;
  setState(ino: number, state: ObjectState): Promise<void>;
  dropBlocks(ino: number, ranges: readonly BlockRange[]): Promise<unknown>;
  dropObjects(inos: readonly number[]): Promise<void>;
  touch(batch: readonly { readonly ino: number; readonly usedMs: number }[]): Promise<void>;
  forgetRecent(): Promise<void>;
}
