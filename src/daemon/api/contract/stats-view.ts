/**
 * Statistics as the API shows them. Counters run from the start of the process; rates are of the last seconds.
 *
 * What the kernel answers from its page cache reaches nobody here: `reads` are what reached dlfs. Sizes are bytes, times seconds.
 */
import { z } from 'zod';

const COUNT = z.number().min(0);
const SHARE = z.number().min(0).max(1).nullable();

/** Statistics of one dataset. */
export const DATASET_STATS = z.object({
  namespace: z.string().nullable(),
  name: z.string(),
  phase: z.string(),
  openMode: z.enum(['stateless', 'passthrough', 'requested']).nullable(),
  dataset: z.object({ files: COUNT, bytes: COUNT, complete: z.boolean() }),
  cache: z.object({
    bytes: COUNT,
    files: COUNT,
    /** Of the dataset's bytes; null while those are not known. */
    share: SHARE,
    pinnedBytes: COUNT,
    /** Null: only the node's limits hold. */
    quotaBytes: COUNT.nullable(),
    quotaFiles: COUNT.nullable(),
    reserveBytes: COUNT,
    state: z.enum(['normal', 'quota', 'floor', 'bypass']),
    evictedFiles: COUNT,
    evictedBytes: COUNT,
    /** Damaged blocks that were fetched again. */
    lostBlocks: COUNT,
    /** Runs that were served without caching. */
    bypassedRuns: COUNT,
  }),
  reads: z.object({
    requests: COUNT,
    bytes: COUNT,
    /** Answered at once from the local disk. */
    hitRequests: COUNT,
    hitBytes: COUNT,
    failed: COUNT,
    opens: COUNT,
    passthroughOpens: COUNT,
    /** Waits that ended because their process was killed. */
    killed: COUNT,
  }),
  /** Null before the first read. */
  hitRate: z.object({ requests: SHARE, bytes: SHARE }),
  /** Seconds that readers waited, by what for; summed over readers. */
  waits: z.object({ origin: COUNT, disk: COUNT, queue: COUNT, metadata: COUNT }),
  origin: z.object({
    requests: COUNT,
    bytes: COUNT,
    listRequests: COUNT,
    failures: COUNT,
    retries: COUNT,
    inFlight: COUNT,
    queued: COUNT,
    /** Bytes a second while something was under way; null before the first. */
    rate: COUNT.nullable(),
  }),
  /** Of the last seconds. */
  now: z.object({
    readBytesPerSecond: COUNT,
    requestsPerSecond: COUNT,
    originBytesPerSecond: COUNT,
    originRequestsPerSecond: COUNT,
  }),
  /** Share of what was fetched ahead that nobody read, of late. */
  prefetchWasted: SHARE,
  /** An estimate: hit bytes ÷ the origin's measured rate, seconds; null while that is not known. */
  timeSavedEstimate: COUNT.nullable(),
  /** Whether opens and reads of cached files may be answered by the kernel unseen. */
  pageCacheHidden: z.string(),
  /** Errors by code. */
  errors: z.record(z.string(), COUNT),
});

/** Statistics of the process and of all its datasets. */
export const NODE_STATS = z.object({
  version: z.string(),
  pid: COUNT,
  uptime: COUNT,
  rss: COUNT,
  descriptors: COUNT,
  descriptorLimit: COUNT,
  threads: COUNT,
  memory: z.object({ used: COUNT, cap: COUNT }),
  /** Milliseconds that the event loop was late, waits for a processor taken off. */
  eventLoop: z.object({ p50: COUNT, p99: COUNT, max: COUNT }),
  disk: z.object({
    folder: z.string(),
    total: COUNT,
    available: COUNT,
    floor: COUNT,
    state: z.enum(['normal', 'quota', 'floor', 'bypass']),
  }),
  cache: z.object({ bytes: COUNT, files: COUNT, limitBytes: COUNT, limitFiles: COUNT.nullable() }),
  datasets: z.array(DATASET_STATS),
});

/** Statistics of one dataset. */
export type DatasetStats = z.infer<typeof DATASET_STATS>;
/** Statistics of the process and all its datasets. */
export type NodeStats = z.infer<typeof NODE_STATS>;
