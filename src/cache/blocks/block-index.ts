/**
 * What the block store needs of the index: an excerpt of `CacheIndex` (src/cache/index), so that tests can see what it uses.
 */
import type { BlockHash, CacheTotals, ColdObject, NodeRow, ObjectMap, ObjectState } from '../index/rows.ts';

/** A block to be committed: its data is on disk. */
export interface StoredBlock {
  readonly ino: number;
  readonly idx: number;
  readonly hash: bigint;
}

/** The excerpt; reads are synchronous and take microseconds, writes go to the worker. */
export interface BlockIndex {
  node(ino: number): NodeRow | null;
  object(ino: number): ObjectMap | null;
  hashes(ino: number): { readonly idx: readonly number[]; readonly hash: readonly bigint[] };
  totals(): CacheTotals;
  coldest(limit: number): readonly ColdObject[];
  recentBlocks(): readonly BlockHash[];
  commitBlocks(batch: readonly StoredBlock[]): Promise<unknown>;
  setState(ino: number, state: ObjectState): Promise<unknown>;
  dropBlocks(ino: number, first: number, count: number): Promise<unknown>;
  dropObjects(inos: readonly number[]): Promise<unknown>;
  touch(batch: readonly { readonly ino: number; readonly usedMs: number }[]): Promise<unknown>;
  forgetRecent(): Promise<unknown>;
}
