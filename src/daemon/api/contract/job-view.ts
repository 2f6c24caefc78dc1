/**
 * Jobs as the API shows them: what was asked for, how far it is, how it ended.
 */
import { z } from 'zod';
import { JOB_PROGRESS, JOB_REPORT } from '../../jobs/job-types.ts';

/** What kinds of jobs there are. */
export const JOB_KIND = z.enum(['warm', 'evict', 'pin', 'verify', 'refresh', 'prefetch', 'scrub']);

/** See the file's header. */
export const JOB_VIEW = z.object({
  id: z.string(),
  kind: JOB_KIND,
  namespace: z.string().nullable(),
  dataset: z.string(),
  /** In a few words: the globs, the options. */
  what: z.string(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']),
  created: z.number(),
  ended: z.number().nullable(),
  progress: JOB_PROGRESS,
  /** What came of it, by kind; null until it has ended. */
  report: JOB_REPORT.nullable(),
  /** Why it failed. */
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

/** All jobs of the process, newest first. */
export const JOBS = z.object({ jobs: z.array(JOB_VIEW) });

/** See the file's header. */
export type JobView = z.infer<typeof JOB_VIEW>;
