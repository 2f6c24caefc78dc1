/**
 * Statistics as a busy node has them, for screens and metrics.
 */
import type { DatasetStats, NodeStats } from '../../src/daemon/api/contract/stats-view.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** One dataset. @param index makes it different from others */
export function sampleDataset(index: number, over: Partial<DatasetStats> = {}): DatasetStats {
  const busy = index % 7 === 0;
  return {
    namespace: index % 3 === 0 ? null : `team-${index % 3}`,
    name: `dataset-${String(index).padStart(3, '0')}`,
    phase: 'Ready',
    openMode: index % 2 === 0 ? 'stateless' : 'passthrough',
    dataset: { files: 1000 * index, bytes: index * GIB, complete: true },
    cache: {
      bytes: (index * GIB) / 2,
      files: 500 * index,
      share: index === 0 ? null : 0.5,
      pinnedBytes: 0,
      quotaBytes: 100 * GIB,
      quotaFiles: null,
      reserveBytes: GIB,
      state: 'normal',
      evictedFiles: index,
      evictedBytes: index * MIB,
      lostBlocks: 0,
      bypassedRuns: 0,
    },
    reads: {
      requests: 1000 * index,
      bytes: 1000 * index * MIB,
      hitRequests: 900 * index,
      hitBytes: 950 * index * MIB,
      failed: 0,
      opens: 10,
      passthroughOpens: 5,
      killed: 0,
    },
    hitRate: { requests: index === 0 ? null : 0.9, bytes: index === 0 ? null : 0.9995 },
    waits: { origin: index, disk: index / 10, queue: 0.1, metadata: 0.05 },
    origin: {
      requests: 100 * index,
      bytes: 50 * index * MIB,
      listRequests: 3,
      failures: 0,
      retries: 0,
      inFlight: busy ? 12 : 0,
      queued: 0,
      rate: 100 * MIB,
    },
    now: {
      readBytesPerSecond: busy ? index * 10 * MIB : 0,
      requestsPerSecond: busy ? 800 : 0,
      originBytesPerSecond: busy ? 5 * MIB : 0,
      originRequestsPerSecond: busy ? 40 : 0,
    },
    prefetchWasted: 0.02,
    timeSavedEstimate: index * 60,
    pageCacheHidden: 'opens, and reads of what the kernel still holds in memory',
    errors: index === 5 ? { timeout: 3 } : {},
    ...over,
  };
}

/** A node with so many datasets; one has failed, one is degraded. */
export function sampleNode(datasets: number): NodeStats {
  return {
    version: '0.1.0',
    pid: 1234,
    uptime: 100_000,
    rss: 410 * MIB,
    descriptors: 1200,
    descriptorLimit: 1_048_576,
    threads: 48,
    memory: { used: 120 * MIB, cap: 512 * MIB },
    eventLoop: { p50: 0.1, p99: 4.2, max: 19 },
    disk: { folder: '/var/cache/dlfs', total: 2000 * GIB, available: 700 * GIB, floor: 300 * GIB, state: 'normal' },
    cache: { bytes: 900 * GIB, files: 1_200_345, limitBytes: 1024 * GIB, limitFiles: null },
    datasets: Array.from({ length: datasets }, (_, index) =>
      sampleDataset(index, index === 11 ? { phase: 'Failed' } : index === 12 ? { phase: 'Degraded' } : {}),
    ),
  };
}
