/**
 * Small pure helpers of the scheduler: names of ranges, what is wanted, what a failure says about load.
 */
import type { DlfsError } from '../../base/errors.ts';
import { retryAfterOf } from '../../source/source-failure.ts';
import type { FetchOutcome } from '../policy/concurrency.ts';
import type { BlockRange } from '../policy/geometry.ts';
import type { QueuedRun } from './run-queue.ts';

/** What is wanted of one object and not planned yet. */
export interface Wanted {
  readonly demand: Set<number>;
  readahead: BlockRange[];
  maxRunBlocks: number;
}

/** A range as fields of a log line. */
export function describeRange(range: QueuedRun): { ino: number; first: number; count: number } {
  return { ino: range.ino, first: range.first, count: range.count };
}

/** What a failed run says about the origin's load. */
export function outcomeOf(error: DlfsError): FetchOutcome {
  if (error.code === 'throttled') return { kind: 'throttled', retryAfter: retryAfterOf(error) };
  if (error.code === 'timeout' || error.code === 'endpoint-unreachable') return { kind: 'lost' };
  return { kind: 'neutral' };
}

/** Whether any block of a range is wanted. */
export function isWanted(wanted: Wanted, range: BlockRange): boolean {
  const end = range.first + range.count;
  for (const block of wanted.demand) if (block >= range.first && block < end) return true;
  return wanted.readahead.some((ahead) => ahead.first < end && range.first < ahead.first + ahead.count);
}
