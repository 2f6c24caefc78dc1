/**
 * The statistics of one mount as plain data.
 */
import { memoryUsage } from 'node:process';
import type { BlockStore } from '../cache/blocks/store.ts';
import type { SpaceStats } from '../cache/blocks/space.ts';
import type { FetchScheduler } from '../cache/fetch/scheduler.ts';
import type { SchedulerStats } from '../cache/fetch/scheduler-options.ts';
import type { CacheIndex } from '../cache/index/index.ts';
import type { ReadPath } from '../fs/read/read-path.ts';
import type { PrefetchStats } from '../fs/readahead/directory.ts';
import type { KeeperStats, SnapshotKeeper } from '../fs/snapshot/snapshot-keeper.ts';
import type { Engine, EngineStats } from '../native/binding.ts';
import type { LoopDelay, LoopDelayMeter } from './loop-delay.ts';
import type { EffectiveOpen } from './open-mode.ts';

/** See the file's header. */
export interface ServingStats {
  readonly source: string;
  readonly openMode: EffectiveOpen;
  readonly engine: EngineStats;
  readonly cache: SpaceStats & {
    readonly lostBlocks: number;
    /** The disk is at its floor, or there is no room. */ readonly atFloor: boolean;
  };
  readonly fetch: SchedulerStats;
  readonly prefetch: PrefetchStats;
  readonly snapshot: {
    readonly complete: boolean;
    readonly files: number;
    readonly dirs: number;
    readonly bytes: number;
    readonly skipped: number;
  };
  readonly listing: KeeperStats;
  /** Milliseconds; the thread's waits for a processor taken off. */
  readonly eventLoop: LoopDelay;
  /** Bytes. */
  readonly rss: number;
}

/** The parts that are asked. */
export interface StatsParts {
  readonly openMode: EffectiveOpen;
  readonly describe: string;
  readonly engine: Engine;
  readonly store: BlockStore;
  readonly scheduler: FetchScheduler;
  readonly readPath: ReadPath;
  readonly index: CacheIndex;
  readonly keeper: SnapshotKeeper;
  readonly meter: LoopDelayMeter;
}

/** Asks all parts. */
export function collectStats(parts: StatsParts): ServingStats {
  const space = parts.store.space.stats();
  const { complete, files, dirs, bytes, skipped } = parts.index.snapshot();
  return {
    source: parts.describe,
    openMode: parts.openMode,
    engine: parts.engine.stats(),
    cache: {
      ...space,
      lostBlocks: parts.store.lostBlocks,
      atFloor: space.state === 'floor' || space.state === 'bypass',
    },
    fetch: parts.scheduler.stats(),
    prefetch: parts.readPath.prefetchStats(),
    snapshot: { complete, files, dirs, bytes, skipped: skipped.reduce((sum, one) => sum + one.count, 0) },
    listing: parts.keeper.stats(),
    eventLoop: parts.meter.read(),
    rss: memoryUsage.rss(),
  };
}
