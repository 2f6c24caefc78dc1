/**
 * Answers of the API that are neither datasets nor statistics nor jobs.
 */
import { z } from 'zod';
import { DATASET_VIEW, PROBLEM } from './dataset-view.ts';

const COUNT = z.number().min(0);

/** Which program answers. */
export const VERSION = z.object({ version: z.string(), api: z.literal('v1'), role: z.enum(['daemon', 'mount']) });
/** Whether the process is alive and ready, and why not. */
export const HEALTH = z.object({ ok: z.boolean(), reasons: z.array(z.string()) });
/** All datasets, and manifests that cannot be served. */
export const DATASETS = z.object({ datasets: z.array(DATASET_VIEW), problems: z.array(PROBLEM) });
/** What applying did. */
export const APPLIED = z.object({
  result: z.enum(['created', 'configured', 'unchanged']),
  /** Names of the fields that changed, and what their change takes. */
  changes: z.array(z.object({ field: z.string(), effect: z.enum(['live', 'reconnect', 'remount', 'generation']) })),
  dataset: DATASET_VIEW.nullable(),
});
/** What deleting did. */
export const DELETED = z.object({
  /** Processes that go on reading what they have open. */
  holders: z.array(z.object({ pid: COUNT, command: z.string() })),
  /** Bytes of cache that were removed. */
  freedBytes: COUNT,
  /** The cache folder, where it was kept. */
  keptCache: z.string().nullable(),
});
/** A file or directory in a listing. */
export const FILE_ENTRY = z.object({
  path: z.string(),
  directory: z.boolean(),
  size: COUNT,
  /** Milliseconds since 1970. */
  modified: z.number(),
  etag: z.string(),
  /** Share that is on the local disk; null for a directory. */
  cached: z.number().min(0).max(1).nullable(),
  pinned: z.boolean(),
});
/** A page of a directory. */
export const FILES = z.object({ entries: z.array(FILE_ENTRY), next: z.string().nullable() });
/** A pin. */
export const PIN = z.object({ glob: z.string(), since: z.number(), files: COUNT, bytes: COUNT, cachedBytes: COUNT });
/** All pins of a dataset. */
export const PINS = z.object({ pins: z.array(PIN) });
/** A line of the log. */
export const LOG_LINE = z.object({
  at: z.number(),
  level: z.string(),
  module: z.string(),
  dataset: z.string().nullable(),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()),
});

/** A line of the log. */
export type LogLine = z.infer<typeof LOG_LINE>;
/** A file or directory in a listing. */
export type FileEntry = z.infer<typeof FILE_ENTRY>;
