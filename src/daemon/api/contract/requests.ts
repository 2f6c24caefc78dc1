/**
 * Bodies and queries of the API's requests.
 *
 * Invariants:
 * 1. Every list and text has a bound: what comes in is hostile until it is checked, and checking it must be cheap.
 */
import { z } from 'zod';
import { MAX_GLOB_CHARS, MAX_GLOBS } from '../../../dataset/glob/glob-set.ts';

/** A manifest is at most this long, bytes. */
export const MAX_BODY = 1024 * 1024;

const FLAG = z.enum(['true', 'false']).transform((text) => text === 'true');
const GLOB = z.string().min(1).max(MAX_GLOB_CHARS);
const GLOBS = z.array(GLOB).max(MAX_GLOBS);

/** `dryRun`: check, and say what would be done. */
export const APPLY_QUERY = z.strictObject({ dryRun: FLAG.optional() });
/** A manifest; what may be in it is for the manifest's own schema to say. */
export const APPLY_BODY = z.record(z.string().max(256), z.unknown());
/** `force`: also while it is in use. `keepCache`: leave what is cached on the disk. */
export const DELETE_QUERY = z.strictObject({ force: FLAG.optional(), keepCache: FLAG.optional() });
/** A directory of the dataset, and where to go on. */
export const FILES_QUERY = z.strictObject({
  path: z.string().max(4096).optional(),
  /** `next` of the page before. */
  cursor: z.string().max(4096).optional(),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
});
/** Which files; none: all. */
export const WARM_BODY = z.strictObject({
  globs: GLOBS,
  /** Bytes a second at most; null: no limit. */
  bandwidth: z.number().int().min(1).nullable(),
});
/** Which files; `pinned`: also what is pinned. */
export const EVICT_BODY = z.strictObject({ globs: GLOBS, pinned: z.boolean() });
/** Paths or globs. */
export const PINS_BODY = z.strictObject({ globs: GLOBS.min(1) });
/** `repair`: drop what is damaged, so that it is fetched again. */
export const VERIFY_BODY = z.strictObject({ repair: z.boolean() });
/** `dryRun`: say what has changed at the origin, and leave all as it is. */
export const REFRESH_BODY = z.strictObject({ dryRun: z.boolean() });
/** Lines from `level` on, of one dataset or of all; `follow`: and those to come. */
export const LOGS_QUERY = z.strictObject({
  dataset: z.string().max(320).optional(),
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).optional(),
  lines: z.coerce.number().int().min(0).max(10_000).optional(),
  follow: FLAG.optional(),
});
/** Statistics of these datasets only. */
export const STATS_QUERY = z.strictObject({ dataset: z.string().max(320).optional() });
/** A job's id. */
export const JOB_PARAMS = z.strictObject({ id: z.string().regex(/^[a-z0-9-]{1,64}$/, 'not the id of a job') });
