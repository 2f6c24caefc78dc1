/**
 * All metrics, declared once: what Prometheus scrapes and what docs/METRICS.md says are made of this table.
 *
 * Every value is read from the statistics that the API shows, so that the two cannot disagree.
 *
 * Invariants:
 * 1. Labels have bounded values: datasets of this node, codes of the closed set, a handful of words. Never a path, a key, a pid.
 * 2. Names follow Prometheus' rules: base units, `_total` for counters.
 */
import { EXIT, EXIT_CODE_OF } from '../../base/errors/exit.ts';
import type { DatasetStats, NodeStats } from '../api/contract/stats-view.ts';

/** A value with the labels that tell it from its siblings. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Common {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  /** One sentence; the generated page and `# HELP` show it. */
  readonly help: string;
  /** Labels beside `namespace` and `dataset`. */
  readonly labels: readonly string[];
}

/** A metric of the process. */
export interface NodeMetric extends Common {
  readonly of: 'node';
  readonly read: (stats: NodeStats) => readonly Sample[];
}

/** A metric of each dataset. */
export interface DatasetMetric extends Common {
  readonly of: 'dataset';
  readonly read: (stats: DatasetStats) => readonly Sample[];
}

/** One metric. */
export type Metric = NodeMetric | DatasetMetric;

/** Classes of errors that reading a dataset may meet. */
const READING: ReadonlySet<number> = new Set([EXIT.access, EXIT.data, EXIT.endpoint, EXIT.cache]);
/** States of a cache. */
const CACHE_STATES = ['normal', 'quota', 'floor', 'bypass'] as const;
/** Phases of a dataset. */
const PHASES = ['Pending', 'Ready', 'Degraded', 'Failed', 'Terminating'] as const;

/**
 * A zero for each error that reading may meet: origin, data, access, cache. A counter that appears with its first error has no
 * increase that Prometheus could see, so that the one error which matters would be missing.
 */
const NO_ERRORS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(EXIT_CODE_OF)
    .filter(([, exit]) => READING.has(exit))
    .map(([code]) => [code, 0]),
);

/** A value without further labels; null: not known, no sample. */
const one = (value: number | null): readonly Sample[] => (value === null ? [] : [[{}, value]]);

/** One sample a word, 1 for the one that holds. */
const oneOf = (label: string, words: readonly string[], now: string): readonly Sample[] =>
  words.map((word) => [{ [label]: word }, word === now ? 1 : 0]);

function node(
  type: Common['type'],
  name: string,
  help: string,
  read: (stats: NodeStats) => number | readonly Sample[],
  labels: readonly string[] = [],
): NodeMetric {
  const samples = (stats: NodeStats): readonly Sample[] => {
    const value = read(stats);
    return typeof value === 'number' ? one(value) : value;
  };
  return { of: 'node', name: `dlfs_${name}`, type, help, labels, read: samples };
}

function dataset(
  type: Common['type'],
  name: string,
  help: string,
  read: (stats: DatasetStats) => number | null | readonly Sample[],
  labels: readonly string[] = [],
): DatasetMetric {
  const samples = (stats: DatasetStats): readonly Sample[] => {
    const value = read(stats);
    return typeof value === 'number' || value === null ? one(value) : value;
  };
  return { of: 'dataset', name: `dlfs_dataset_${name}`, type, help, labels, read: samples };
}

/** The table. */
export const METRICS: readonly Metric[] = [
  node('gauge', 'info', 'Always 1; the version stands in its label.', ({ version }) => [[{ version }, 1]], ['version']),
  node('gauge', 'uptime_seconds', 'Seconds since the process started.', ({ uptime }) => uptime),
  node('gauge', 'datasets', 'Datasets by phase.', phaseCounts, ['phase']),
  node('gauge', 'resident_memory_bytes', 'Resident memory of the process.', ({ rss }) => rss),
  node('gauge', 'buffer_bytes', 'Block buffers in use.', ({ memory }) => memory.used),
  node('gauge', 'buffer_limit_bytes', 'Hard cap of block buffers (--memory).', ({ memory }) => memory.cap),
  node('gauge', 'open_descriptors', 'Open descriptors of the process.', ({ descriptors }) => descriptors),
  node('gauge', 'descriptor_limit', 'RLIMIT_NOFILE of the process.', ({ descriptorLimit }) => descriptorLimit),
  node('gauge', 'threads', 'Threads of the process.', ({ threads }) => threads),
  node(
    'gauge',
    'event_loop_delay_seconds',
    'How late the control plane was of late, waits for a processor taken off, by quantile.',
    ({ eventLoop }) => [
      [{ quantile: '0.5' }, eventLoop.p50 / 1000],
      [{ quantile: '0.99' }, eventLoop.p99 / 1000],
      [{ quantile: '1' }, eventLoop.max / 1000],
    ],
    ['quantile'],
  ),
  node('gauge', 'cache_bytes', 'Bytes that all caches together have allocated.', ({ cache }) => cache.bytes),
  node('gauge', 'cache_limit_bytes', 'Bytes that they may have (--cache-size).', ({ cache }) => cache.limitBytes),
  node('gauge', 'cache_files', 'Cache files of all datasets.', ({ cache }) => cache.files),
  node('gauge', 'cache_disk_bytes', 'Size of the disk that carries the cache.', ({ disk }) => disk.total),
  node('gauge', 'cache_disk_free_bytes', 'What of it is free.', ({ disk }) => disk.available),
  node('gauge', 'cache_disk_floor_bytes', 'What of it is kept free (--cache-floor).', ({ disk }) => disk.floor),
  node(
    'gauge',
    'cache_state',
    '1 for the state of the cache disk: normal, quota (evicting for the size), floor (evicting for free space), bypass (serving without caching).',
    ({ disk }) => oneOf('state', CACHE_STATES, disk.state),
    ['state'],
  ),

  dataset('gauge', 'phase', '1 for the phase of the dataset.', ({ phase }) => oneOf('phase', PHASES, phase), ['phase']),
  dataset('gauge', 'files', 'Files that the snapshot lists.', ({ dataset: { files } }) => files),
  dataset('gauge', 'bytes', 'Bytes of them.', ({ dataset: { bytes } }) => bytes),
  dataset('gauge', 'snapshot_complete', '1 when the whole source is listed.', (stats) =>
    stats.dataset.complete ? 1 : 0,
  ),
  dataset('gauge', 'cache_bytes', 'Bytes that the cache holds.', ({ cache }) => cache.bytes),
  dataset('gauge', 'cache_files', 'Cache files.', ({ cache }) => cache.files),
  dataset('gauge', 'cache_quota_bytes', 'Quota in bytes; absent where there is none.', ({ cache }) => cache.quotaBytes),
  dataset('gauge', 'cache_reserve_bytes', 'Bytes that no other dataset may take.', ({ cache }) => cache.reserveBytes),
  dataset('gauge', 'pinned_bytes', 'Cached bytes that are pinned.', ({ cache }) => cache.pinnedBytes),
  dataset(
    'gauge',
    'cache_state',
    '1 for the state of its cache, as of the node.',
    ({ cache }) => oneOf('state', CACHE_STATES, cache.state),
    ['state'],
  ),
  dataset(
    'counter',
    'evicted_bytes_total',
    'Bytes that left the cache to make room.',
    ({ cache }) => cache.evictedBytes,
  ),
  dataset('counter', 'evicted_files_total', 'Files that did.', ({ cache }) => cache.evictedFiles),
  dataset('counter', 'lost_blocks_total', 'Damaged blocks that were fetched again.', ({ cache }) => cache.lostBlocks),
  dataset(
    'counter',
    'bypassed_runs_total',
    'Fetches served without caching for want of room.',
    (stats) => stats.cache.bypassedRuns,
  ),
  dataset(
    'counter',
    'reads_total',
    'Reads that reached dlfs; those that the page cache answers do not.',
    ({ reads }) => reads.requests,
  ),
  dataset('counter', 'read_bytes_total', 'Bytes that they asked for and got.', ({ reads }) => reads.bytes),
  dataset(
    'counter',
    'hit_reads_total',
    'Reads answered at once from the local disk.',
    ({ reads }) => reads.hitRequests,
  ),
  dataset('counter', 'hit_bytes_total', 'Bytes of them.', ({ reads }) => reads.hitBytes),
  dataset('counter', 'failed_reads_total', 'Reads that ended with an error.', ({ reads }) => reads.failed),
  dataset('counter', 'opens_total', 'Opens that reached dlfs (passthrough mounts only).', ({ reads }) => reads.opens),
  dataset(
    'counter',
    'passthrough_opens_total',
    'Opens that read the cache file directly.',
    ({ reads }) => reads.passthroughOpens,
  ),
  dataset(
    'counter',
    'killed_waits_total',
    'Waits that ended because their process was killed.',
    ({ reads }) => reads.killed,
  ),
  dataset(
    'counter',
    'wait_seconds_total',
    'Seconds that readers waited, summed over readers, by what for: origin, disk, queue, metadata.',
    ({ waits }) => Object.entries(waits).map(([kind, value]): Sample => [{ for: kind }, value]),
    ['for'],
  ),
  dataset('counter', 'origin_requests_total', 'GetObject requests.', ({ origin }) => origin.requests),
  dataset('counter', 'origin_bytes_total', 'Bytes of their answers.', ({ origin }) => origin.bytes),
  dataset('counter', 'origin_list_requests_total', 'Listing requests.', ({ origin }) => origin.listRequests),
  dataset('counter', 'origin_failures_total', 'GetObject requests that failed.', ({ origin }) => origin.failures),
  dataset('counter', 'origin_retries_total', 'Those that were tried again.', ({ origin }) => origin.retries),
  dataset('gauge', 'origin_in_flight', 'GetObject requests under way.', ({ origin }) => origin.inFlight),
  dataset('gauge', 'origin_queued', 'Fetches that wait for their turn.', ({ origin }) => origin.queued),
  dataset(
    'gauge',
    'origin_rate_bytes',
    'Bytes a second from the origin while something was under way; absent before the first.',
    ({ origin }) => origin.rate,
  ),
  dataset(
    'gauge',
    'prefetch_wasted_ratio',
    'Share of what was fetched ahead of late that nobody read; absent before.',
    (stats) => stats.prefetchWasted,
  ),
  dataset(
    'gauge',
    'time_saved_seconds',
    'An estimate: bytes from the cache ÷ the measured rate of the origin.',
    (stats) => stats.timeSavedEstimate,
  ),
  dataset(
    'counter',
    'errors_total',
    'Errors by code (docs/SEMANTICS.md).',
    ({ errors }) => Object.entries({ ...NO_ERRORS, ...errors }).map(([code, value]): Sample => [{ code }, value]),
    ['code'],
  ),
];

function phaseCounts({ datasets }: NodeStats): readonly Sample[] {
  return PHASES.map((phase) => [{ phase }, datasets.filter((one) => one.phase === phase).length]);
}
