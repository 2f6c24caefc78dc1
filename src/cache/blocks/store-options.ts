/**
 * What a block store is made of.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { NativeHost } from '../../native/host.ts';
import type { Pins } from '../pins/pins.ts';
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
  /** Which objects are not to be evicted. */
  readonly pins: Pick<Pins, 'isPinned' | 'mark'>;
}

/** What dropping objects gave back. */
export interface DropReport {
  /** Allocated bytes, those of open files included. */
  readonly bytes: number;
  readonly files: number;
  /** Unlinked, but open in the kernel: the space comes back with the last close. */
  readonly openBytes: number;
  readonly openFiles: number;
}

/** The sum of several. */
export function sumOf(reports: readonly DropReport[]): DropReport {
  return {
    bytes: reports.reduce((sum, report) => sum + report.bytes, 0),
    files: reports.reduce((sum, report) => sum + report.files, 0),
    openBytes: reports.reduce((sum, report) => sum + report.openBytes, 0),
    openFiles: reports.reduce((sum, report) => sum + report.openFiles, 0),
  };
}
