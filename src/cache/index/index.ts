/**
 * The index of a cache folder: the folder's public door.
 */
export { CacheIndex, type CacheIndexOptions } from './cache-index.ts';
export { IndexHost } from './index-host.ts';
export { MAX_WRITER_THREADS } from './writer-pool.ts';
export {
  DirectoryListing,
  FullListing,
  ListingShard,
  type ListingOutcome,
  type ListingStop,
  type PageEffect,
  type ShardKind,
} from './listing-handles.ts';
export { allocatedBytes, blockCount, hasBit } from './bitmap.ts';
export type { AuditResult } from './protocol.ts';
export {
  ROOT_INO,
  type BlockHash,
  type CacheTotals,
  type ColdObject,
  type EntryRow,
  type NameChange,
  type NodeRow,
  type ObjectMap,
  type ObjectRow,
  type ObjectState,
  type Opening,
  type PinnedObject,
  type PinRow,
  type ScrubMark,
  type Skipped,
  type SnapshotInfo,
  type SupersededRow,
} from './rows.ts';
