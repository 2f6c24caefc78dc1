/**
 * The data plane's request for a run: the GET's head, and what its answer is held to.
 */
import { DlfsError } from '../../base/errors.ts';
import type { RunRequest } from '../../native/binding.ts';
import type { Source } from '../../source/source.ts';
import type { NodeRow } from '../index/rows.ts';
import type { BlockGeometry } from '../policy/geometry.ts';
import type { QueuedRun } from './run-queue.ts';

/** A request that makes no progress is given up after this long, in milliseconds; S3 answers within seconds or not at all. */
const STALL_TIMEOUT = 20_000;
const CONNECT_TIMEOUT = 10_000;

/** What a request is made of. */
export interface RunRequestParts {
  readonly source: Source;
  /** Null while the source has none. */
  readonly endpoint: number | null;
  readonly node: NodeRow;
  /** The file's full key. */
  readonly key: string;
  readonly geometry: BlockGeometry;
  /** The run's number. */
  readonly number: number;
  /** Whether its blocks are written to the cache. */
  readonly store: boolean;
}

/**
 * Makes it.
 * @throws DlfsError `endpoint-unreachable` while there is no endpoint; what the source cannot sign for
 */
export function requestOf(run: QueuedRun, parts: RunRequestParts): RunRequest {
  const { source, endpoint, node, key, geometry, number, store } = parts;
  const { ino, first, count, priority } = run;
  const { offset, length } = geometry.bytesOfRange(run);
  // Without an etag the time is all that the origin can be held to.
  const listedMs = node.etag === '' ? node.mtimeMs : null;
  const { head } = source.get(key, node.etag, offset, length, listedMs);
  if (endpoint === null)
    throw new DlfsError('endpoint-unreachable', 'the endpoint has no address', { retryable: true });
  return {
    run: number,
    endpoint,
    ino,
    first,
    count,
    etag: node.etag,
    modified: Math.max(0, Math.floor((listedMs ?? 0) / 1000)),
    demand: priority === 'demand',
    store,
    head,
    offset,
    length,
    connectTimeoutMs: CONNECT_TIMEOUT,
    stallTimeoutMs: STALL_TIMEOUT,
    deadlineMs: 0,
  };
}
