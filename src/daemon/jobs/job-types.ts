/**
 * Jobs as plain data: what can be asked for, how far it is, what came of it. What crosses the API, and what is kept over a
 * restart, is of these schemas.
 *
 * Sizes are bytes, times milliseconds since 1970 unless a name says otherwise.
 *
 * Invariants:
 * 1. Every list has a bound: samples name what to look at, counts tell how much there is.
 */
import { z } from 'zod';
import { MAX_GLOB_CHARS, MAX_GLOBS } from '../../dataset/glob/glob-set.ts';
import { ERROR_CODES, type ErrorCode } from '../../base/errors/code.ts';

const COUNT = z.number().min(0);
const GLOBS = z.array(z.string().min(1).max(MAX_GLOB_CHARS)).max(MAX_GLOBS);
/** Bytes a second at most; null: no limit. */
const BANDWIDTH = z.number().int().min(1).nullable();

/** How far a job is. Totals grow while files are still being found. */
export const JOB_PROGRESS = z.object({
  files: COUNT,
  totalFiles: COUNT.nullable(),
  bytes: COUNT,
  totalBytes: COUNT.nullable(),
  /** Of `bytes`, what was on the disk before. */
  skippedBytes: COUNT,
  bytesPerSecond: COUNT,
  /** Seconds; null where it cannot be told. */
  left: COUNT.nullable(),
});

/** Names in a sample at most. */
export const MAX_SAMPLE = 100;

/** What a job is to do. No globs: all files. */
export const JOB_SPEC = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('warm'), globs: GLOBS, bandwidth: BANDWIDTH }),
  /** `pinned`: also what is pinned. */
  z.strictObject({ kind: z.literal('evict'), globs: GLOBS, pinned: z.boolean() }),
  z.strictObject({ kind: z.literal('pin'), globs: GLOBS.min(1), bandwidth: BANDWIDTH }),
  /** `repair`: fetch damaged blocks again at once, delete orphans. */
  z.strictObject({ kind: z.literal('verify'), repair: z.boolean(), bandwidth: BANDWIDTH }),
  z.strictObject({ kind: z.literal('refresh'), dryRun: z.boolean() }),
  /** All files, as far as there is room: what `cache.prefetch: all` asks for. */
  z.strictObject({ kind: z.literal('prefetch') }),
]);

/** What a job is to do. */
export type JobSpec = z.infer<typeof JOB_SPEC>;

/** A file that could not be dealt with. */
export const FILE_FAILURE = z.object({ path: z.string(), code: z.string(), message: z.string() });

const CODES = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];

/** Files that could not be dealt with. */
export const FAILURES = z.object({
  count: COUNT,
  /** Files by the code of their error. */
  byCode: z.partialRecord(z.enum(CODES), COUNT),
  sample: z.array(FILE_FAILURE).max(MAX_SAMPLE),
});

/** What came of warming, and of fetching what is pinned. */
export const WARM_REPORT = z.object({
  kind: z.literal('warm'),
  /** Files that the globs mean, and their sizes. */
  files: COUNT,
  bytes: COUNT,
  /** Of the bytes: fetched now, by the job or by readers meanwhile. */
  fetchedBytes: COUNT,
  /** Of the bytes: on the disk before. */
  residentBytes: COUNT,
  failed: FAILURES,
  seconds: COUNT,
});

/** What came of evicting. Bytes are what the disk had allocated. */
export const EVICT_REPORT = z.object({
  kind: z.literal('evict'),
  /** Files whose blocks have left, and what they took. */
  files: COUNT,
  freedBytes: COUNT,
  /** Of what left: still open in the kernel; its space comes back with the last close. */
  heldFiles: COUNT,
  heldBytes: COUNT,
  /** Spared because they are pinned. */
  pinnedFiles: COUNT,
  pinnedBytes: COUNT,
  /** Spared because they were being fetched or verified all the while. */
  busyFiles: COUNT,
});

/** Blocks with a number of bytes, and some of their files. */
const BLOCKS = z.object({ blocks: COUNT, bytes: COUNT, sample: z.array(z.string()).max(MAX_SAMPLE) });

/** What came of verifying. */
export const VERIFY_REPORT = z.object({
  kind: z.literal('verify'),
  repair: z.boolean(),
  checked: z.object({ files: COUNT, blocks: COUNT, bytes: COUNT }),
  /** Blocks that do not match their hash or could not be read. They are served no more, with and without `repair`. */
  damaged: BLOCKS,
  /** Blocks whose cache file is not there. They are served no more, either. */
  missing: BLOCKS,
  /** Cache files that the index does not know, and space that no known block uses; with `repair` they are deleted. */
  orphans: z.object({ files: COUNT, bytes: COUNT, excessFiles: COUNT }),
  /** Blocks that were fetched again and are whole. */
  repaired: z.object({ blocks: COUNT, bytes: COUNT }),
  /** Files with blocks that could not be fetched again. */
  notRepaired: FAILURES,
  seconds: COUNT,
});

/** What a listing changed, or would change. */
export const REFRESH_REPORT = z.object({
  kind: z.literal('refresh'),
  /** Nothing was switched. */
  dryRun: z.boolean(),
  /** False: the listing was longer than `--list-limit`, and nothing is known of what has changed. */
  complete: z.boolean(),
  /** Files. */
  added: COUNT,
  changed: COUNT,
  removed: COUNT,
  /** Some of the names; a directory's ends with a slash and stands for what is below it. */
  sample: z.object({
    added: z.array(z.string()).max(MAX_SAMPLE),
    changed: z.array(z.string()).max(MAX_SAMPLE),
    removed: z.array(z.string()).max(MAX_SAMPLE),
  }),
  seconds: COUNT,
});

/** What came of fetching the whole dataset ahead. */
export const PREFETCH_REPORT = z.object({
  kind: z.literal('prefetch'),
  /** Files that were dealt with, of all. */
  files: COUNT,
  totalFiles: COUNT,
  fetchedBytes: COUNT,
  /** On the disk before. */
  residentBytes: COUNT,
  /** The cache had no room for the rest. */
  full: z.boolean(),
  failed: FAILURES,
  seconds: COUNT,
});

/** What came of a job. */
export const JOB_REPORT = z.discriminatedUnion('kind', [
  PREFETCH_REPORT,
  WARM_REPORT,
  EVICT_REPORT,
  VERIFY_REPORT,
  REFRESH_REPORT,
]);

/** States of a job; the last three are final. */
export const JOB_STATE = z.enum(['queued', 'running', 'done', 'failed', 'cancelled']);

/** A job. */
export const JOB = z.object({
  id: z.string().regex(/^[a-z]+-[0-9a-z]{8}$/),
  spec: JOB_SPEC,
  state: JOB_STATE,
  /** When it was asked for, started (last), ended. */
  createdMs: z.number(),
  startedMs: z.number().nullable(),
  endedMs: z.number().nullable(),
  progress: JOB_PROGRESS,
  report: JOB_REPORT.nullable(),
  /** Why it failed. */
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

/** A job. */
export type Job = z.infer<typeof JOB>;
/** States of a job. */
export type JobState = z.infer<typeof JOB_STATE>;
/** How far it is. */
export type JobProgress = z.infer<typeof JOB_PROGRESS>;
/** What came of it. */
export type JobReport = z.infer<typeof JOB_REPORT>;
/** Files that could not be dealt with. */
export type Failures = z.infer<typeof FAILURES>;
/** What came of warming. */
export type WarmReport = z.infer<typeof WARM_REPORT>;
/** What came of evicting. */
export type EvictReport = z.infer<typeof EVICT_REPORT>;
/** What came of verifying. */
export type VerifyReport = z.infer<typeof VERIFY_REPORT>;
/** What a listing changed. */
export type RefreshReport = z.infer<typeof REFRESH_REPORT>;

/** Progress before anything is known. */
export const NO_PROGRESS: JobProgress = {
  files: 0,
  totalFiles: null,
  bytes: 0,
  totalBytes: null,
  skippedBytes: 0,
  bytesPerSecond: 0,
  left: null,
};

/** Whether a job has ended. */
export function isFinal(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

/** What a job is to do, in a few words for people. */
export function describeSpec(spec: JobSpec): string {
  if (spec.kind === 'refresh') return spec.dryRun ? 'dry run' : '';
  if (spec.kind === 'prefetch') return 'everything that fits';
  if (spec.kind === 'verify') return spec.repair ? 'repair' : '';
  const globs = spec.globs.length > 3 ? [...spec.globs.slice(0, 3), `… ${spec.globs.length - 3} more`] : spec.globs;
  const what = globs.length === 0 ? 'everything' : globs.join(' ');
  return spec.kind === 'evict' && spec.pinned ? `${what}, pinned files too` : what;
}
