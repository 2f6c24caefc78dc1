/**
 * The parts of one dataset that its jobs work on.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { Fills } from '../../cache/fetch/fills.ts';
import type { CacheIndex } from '../../cache/index/index.ts';
import type { Pins } from '../../cache/pins/pins.ts';
import type { GlobWalk } from '../../fs/snapshot/glob-walk.ts';
import type { SnapshotKeeper } from '../../fs/snapshot/snapshot-keeper.ts';
import type { NativeHost } from '../../native/host.ts';

/** See the file's header. */
export interface DatasetJobParts {
  readonly index: CacheIndex;
  readonly store: BlockStore;
  readonly keeper: SnapshotKeeper;
  readonly fills: Fills;
  readonly pins: Pins;
  readonly walk: GlobWalk;
  readonly host: NativeHost;
  readonly volume: number;
  /** The folder of cache files. */
  readonly objects: string;
  readonly blockSize: number;
  /** Bytes of block buffers of the process. */
  readonly memory: number;
  readonly clock: Clock;
  readonly log: Logger;
}
