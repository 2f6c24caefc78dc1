/**
 * Statistics of one dataset as the API shows them, from the counters of its parts.
 */
import type { DatasetStats } from '../api/contract/stats-view.ts';
import type { DatasetServer } from '../dataset/dataset-server.ts';
import type { HostedDataset } from './hosted.ts';
import type { TrafficMeter, TrafficReading } from './traffic.ts';

const NS = 1e-9;

/** What a reading for `TrafficMeter` is made of. */
export function trafficReading(server: DatasetServer): TrafficReading {
  const volume = server.counters();
  const { gets, running } = server.scheduler.stats();
  return {
    readBytes: volume.readBytes,
    reads: volume.reads,
    originBytes: volume.fetchedBytes,
    originRequests: gets,
    inFlight: running,
  };
}

/** The statistics. @param traffic of this dataset */
export function datasetStats(hosted: HostedDataset, traffic: TrafficMeter): DatasetStats {
  const { namespace, name, phase, server, errors } = hosted;
  const codes = Object.fromEntries(errors.counts());
  if (server === null) return { ...UNSERVED, namespace, name, phase, errors: codes };
  const counters = server.counters();
  const { cache, fetch, prefetch, snapshot, openMode } = server.stats();
  const { quota } = server.options;
  const rates = traffic.rates();
  const limit = Number.isFinite(quota.files) ? quota.files : null;
  return {
    ...{ namespace, name, phase, openMode, errors: codes },
    dataset: { files: snapshot.files, bytes: snapshot.bytes, complete: snapshot.complete },
    cache: {
      bytes: Math.max(0, cache.bytes),
      files: Math.max(0, cache.files),
      // Allocated bytes are whole disk blocks: a dataset that is cached as a whole takes a little more than its bytes.
      share: snapshot.complete && snapshot.bytes > 0 ? Math.min(1, Math.max(0, cache.bytes) / snapshot.bytes) : null,
      pinnedBytes: server.index.totals().pinnedBytes,
      quotaBytes: Number.isFinite(quota.bytes) ? quota.bytes : null,
      quotaFiles: limit,
      reserveBytes: quota.reserve,
      state: cache.state,
      evictedFiles: cache.evictedFiles,
      evictedBytes: cache.evictedBytes,
      lostBlocks: cache.lostBlocks,
      bypassedRuns: cache.bypassedRuns,
    },
    reads: {
      requests: counters.reads,
      bytes: counters.readBytes,
      hitRequests: counters.hitReads,
      hitBytes: counters.hitBytes,
      failed: counters.failedReads,
      opens: counters.opens,
      passthroughOpens: counters.passthroughOpens,
      killed: counters.killed,
    },
    hitRate: {
      requests: ratio(counters.hitReads, counters.reads),
      bytes: ratio(counters.hitBytes, counters.readBytes),
    },
    waits: {
      origin: counters.waitedOriginNs * NS,
      disk: (counters.waitedDiskNs + counters.hitDiskNs) * NS,
      queue: (counters.waitedQueueNs + counters.waitedIndexNs) * NS,
      metadata: counters.metadataNs * NS,
    },
    origin: {
      requests: fetch.gets,
      bytes: counters.fetchedBytes,
      listRequests: server.listRequests,
      failures: fetch.failures,
      retries: fetch.retries,
      inFlight: fetch.running,
      queued: fetch.queued,
      rate: rates.originRate,
    },
    now: {
      readBytesPerSecond: rates.readBytesPerSecond,
      requestsPerSecond: rates.requestsPerSecond,
      originBytesPerSecond: rates.originBytesPerSecond,
      originRequestsPerSecond: rates.originRequestsPerSecond,
    },
    prefetchWasted: prefetch.wastedShare,
    timeSavedEstimate: rates.originRate === null ? null : counters.hitBytes / rates.originRate,
    pageCacheHidden: HIDDEN[openMode],
  };
}

const HIDDEN = {
  stateless: 'opens, and reads of what the kernel still holds in memory; both are faster than any of these figures',
  passthrough: 'reads of whole cached files (the kernel reads the cache file itself); each open is counted',
  requested: 'reads of what the kernel still holds in memory; each open is a request of its own',
} as const;

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.min(1, part / whole);
}

/** A dataset that is not served: nothing is known, nothing happens. */
const UNSERVED: Omit<DatasetStats, 'namespace' | 'name' | 'phase' | 'errors'> = {
  openMode: null,
  dataset: { files: 0, bytes: 0, complete: false },
  cache: {
    ...{ bytes: 0, files: 0, share: null, pinnedBytes: 0, quotaBytes: null, quotaFiles: null, reserveBytes: 0 },
    ...{ state: 'normal', evictedFiles: 0, evictedBytes: 0, lostBlocks: 0, bypassedRuns: 0 },
  },
  reads: {
    ...{ requests: 0, bytes: 0, hitRequests: 0, hitBytes: 0, failed: 0, opens: 0, passthroughOpens: 0, killed: 0 },
  },
  hitRate: { requests: null, bytes: null },
  waits: { origin: 0, disk: 0, queue: 0, metadata: 0 },
  origin: {
    ...{ requests: 0, bytes: 0, listRequests: 0, failures: 0, retries: 0, inFlight: 0, queued: 0, rate: null },
  },
  now: { readBytesPerSecond: 0, requestsPerSecond: 0, originBytesPerSecond: 0, originRequestsPerSecond: 0 },
  prefetchWasted: null,
  timeSavedEstimate: null,
  pageCacheHidden: 'nothing: it is not served',
};
