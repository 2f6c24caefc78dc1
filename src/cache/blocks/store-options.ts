/**
 * What a block store is made of.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { NativeHost } from '../../native/host.ts';
import type { PlannedReader } from '../policy/self-evict.ts';
import type { AccountLimits } from '../policy/space-ledger.ts';
import type { BlockIndex } from './block-index.ts';
import type { DiskBudget } from './disk-budget.ts';

/** What the store is made of. */
export interface BlockStoreOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly index: BlockIndex;
  readonly blockSize: number;
  /** The cache folder, for messages. */
  readonly folder: string;
  /** The dataset, for logs. */
  readonly name: string;
  /** What the dataset may have of the disk. */
  readonly limits: AccountLimits;
  /** The disk, shared by all datasets. */
  readonly budget: DiskBudget;
  /** Whether whole files are published for passthrough, at first. */
  readonly publish: boolean;
  /** Whether the last user of the folder ended cleanly. */
  readonly clean: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a run for this object is under way. */
  readonly busy: (ino: number) => boolean;
  /** Where the object's readers are, for an object that is larger than the cache. */
  readonly readers: (ino: number) => readonly PlannedReader[];
}
