/**
 * What the fetch scheduler is made of, and what it tells of itself.
 */
import type { Clock } from '../../base/clock.ts';
import type { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { NativeHost } from '../../native/host.ts';
import type { Source } from '../../source/source.ts';
import type { BlockStore } from '../blocks/store.ts';
import type { NodeRow } from '../index/rows.ts';
import type { ConcurrencySnapshot } from '../policy/concurrency.ts';
import type { BatchPlanner } from './batch-planner.ts';
import type { FetchShares } from './fetch-shares.ts';
import type { QueuedRun } from './run-queue.ts';

/** What the scheduler is made of. */
export interface SchedulerOptions {
  readonly host: NativeHost;
  readonly volume: number;
  /** The data plane's endpoint; null while the source has none yet. */
  readonly endpoint: () => number | null;
  readonly source: Source;
  readonly store: BlockStore;
  readonly blockSize: number;
  /** What all datasets share of memory and requests. */
  readonly shares: FetchShares;
  /** Calls `plan` at the end of a batch that wanted something. */
  readonly planner: BatchPlanner;
  /** How long a reader waits at most, at first. */
  readonly ioTimeoutMs: number;
  readonly node: (ino: number) => NodeRow | null;
  /** Full key of a file. */
  readonly keyOf: (ino: number) => string;
  /** The origin has another version of this file, or none: its directory wants a fresh listing. */
  readonly onChanged: (ino: number) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** Who waits for what jobs have queued; hears of all runs of an object, whoever wanted them. */
export interface RunObserver {
  /** Blocks of the object have arrived, or a run of it has ended or may be asked for again. */
  moved(ino: number): void;
  /** Nobody tries any longer to fetch the range. */
  gaveUp(range: QueuedRun, error: DlfsError): void;
}

/** Counters for stats. */
export interface SchedulerStats {
  readonly gets: number;
  readonly bytes: number;
  readonly failures: number;
  readonly retries: number;
  readonly demandRuns: number;
  readonly readaheadRuns: number;
  /** For jobs and scrubs. */
  readonly fillRuns: number;
  readonly queued: number;
  readonly running: number;
  readonly concurrency: ConcurrencySnapshot;
}
