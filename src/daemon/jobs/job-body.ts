/**
 * What a job's work is given, and what it gives back.
 */
import type { JobProgress, JobReport, JobSpec } from './job-types.ts';

/** The runner, as the work sees it. */
export interface JobContext {
  /** Aborted when the job is cancelled or the process stops: the work ends soon, by throwing `interrupted`. */
  readonly signal: AbortSignal;
  /** Who wants to know how far it is asks this from now on. */
  readonly show: (progress: () => JobProgress) => void;
}

/**
 * Does a job's work.
 * @throws DlfsError why it could not be done; what was done stays
 */
export type JobBody = (context: JobContext) => Promise<JobReport>;

/** Makes the work of a job. @throws DlfsError for what cannot be asked for */
export type JobMaker = (spec: JobSpec) => JobBody;
