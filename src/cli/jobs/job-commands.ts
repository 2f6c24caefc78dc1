/**
 * Commands that start a job: warm, evict, pin, verify, refresh; and `dlfs jobs`, which shows and cancels them.
 *
 * Each starts its job and watches it; `--detach` leaves it to the daemon and prints its id. A job that fails gives the exit code of its
 * error.
 */
import { DlfsError, type ErrorCode } from '../../base/errors.ts';
import { isErrorCode } from '../../base/errors/code.ts';
import type { ApiClient } from '../../daemon/api/client/api-client.ts';
import type { JobView } from '../../daemon/api/contract/job-view.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { Context } from '../context.ts';
import { writeDocument, writeTable, type Format } from '../format/documents.ts';
import { age, percent } from '../format/human.ts';
import { datasetTarget, nodeTarget, type TargetOptions } from '../target.ts';
import { followJob, jobsCommand, progressOf } from './follow.ts';
import { describeReport } from './report.ts';

/** What the options of all of them say. */
export interface JobOptions extends TargetOptions {
  readonly output: Format;
  readonly detach?: true;
}

/** Starts a job. */
export type StartJob = (client: ApiClient, params: { namespace: string; name: string }) => Promise<JobView>;

/**
 * Starts a job and watches it, unless told to leave it alone.
 * @throws DlfsError as the job failed
 */
export async function runJob(name: string, options: JobOptions, context: Context, start: StartJob): Promise<JobView> {
  const { client, job } = await startJob(name, options, context, start);
  if (options.output === 'json' || options.output === 'yaml') writeDocument(job, options.output, context.output);
  else for (const line of linesOf(client, job, options, context)) context.output.line(line);
  if (options.detach !== true) requireDone(job);
  return job;
}

/**
 * Starts a job and watches it to its end, unless told to leave it alone; says nothing of what came of it.
 * @throws DlfsError where it cannot be started, or the daemon stops meanwhile
 */
export async function startJob(
  name: string,
  options: JobOptions,
  context: Context,
  start: StartJob,
): Promise<{ readonly client: ApiClient; readonly job: JobView }> {
  const { client, params } = await datasetTarget(name, options, context);
  const started = await start(client, params);
  return { client, job: options.detach === true ? started : await watched(client, started, context) };
}

/** What a person is told of a job that `startJob` gave. */
export function linesOf(client: ApiClient, job: JobView, { detach }: JobOptions, context: Context): string[] {
  if (detach !== true) return describeReport(job);
  return [`job ${job.id} started; watch it: ${jobsCommand(client, job.id, context)}`];
}

/** Takes a job that has ended badly for an error. @throws DlfsError as it failed */
export function requireDone(job: JobView): void {
  if (job.state === 'failed') throw failureOf(job);
  if (job.state === 'cancelled') throw new DlfsError('interrupted', `job ${job.id} was cancelled`);
}

async function watched(client: ApiClient, job: JobView, context: Context): Promise<JobView> {
  const done = await followJob(client, job, context);
  if (done.state === 'queued' || done.state === 'running') {
    const how = `when it is back: ${jobsCommand(client, job.id, context)}`;
    throw new DlfsError('no-daemon', `the daemon stopped before job ${job.id} ended; ${how}`);
  }
  return done;
}

async function finish(client: ApiClient, job: JobView, format: Format, context: Context): Promise<void> {
  const done = await watched(client, job, context);
  if (format === 'json' || format === 'yaml') writeDocument(done, format, context.output);
  else for (const line of describeReport(done)) context.output.line(line);
  requireDone(done);
}

function failureOf({ id, error }: JobView): DlfsError {
  const code: ErrorCode = error !== null && isErrorCode(error.code) ? error.code : 'internal';
  return new DlfsError(code, error?.message ?? `job ${id} failed`);
}

/** `dlfs jobs [ID] [--cancel]`. @throws DlfsError `not-found` */
export async function jobs(
  id: string | null,
  options: TargetOptions & { readonly output: Format; readonly cancel?: true },
  context: Context,
): Promise<void> {
  const client = nodeTarget(options, context);
  if (id === null) {
    const { jobs: all } = await client.call('listJobs', {});
    if (options.output === 'json' || options.output === 'yaml') writeDocument(all, options.output, context.output);
    else if (all.length === 0) context.output.line('no jobs');
    else writeJobs(all, options.output, context);
    return;
  }
  const params = { id };
  if (options.cancel === true) {
    const job = await client.call('cancelJob', { params });
    context.output.line(`job ${job.id} is ${job.state}`);
    return;
  }
  const job = await client.call('getJob', { params });
  await finish(client, job, options.output, context);
}

function writeJobs(all: readonly JobView[], format: 'table' | 'wide', context: Context): void {
  const now = context.clock.wall();
  writeTable(
    [
      { title: 'ID', cell: (job) => job.id },
      { title: 'KIND', cell: (job) => job.kind },
      { title: 'DATASET', cell: (job) => fullName({ namespace: job.namespace, name: job.dataset }) },
      { title: 'STATE', cell: (job) => [job.state, job.state === 'failed' ? 'bad' : 'plain'] },
      { title: 'DONE', align: 'right', cell: (job) => percent(shareOf(job)) },
      { title: 'AGE', align: 'right', cell: (job) => age(now, job.created) },
      { title: 'WHAT', cell: (job) => job.what },
      { title: 'PROGRESS', wide: true, cell: (job) => progressOf(job) },
      { title: 'ERROR', wide: true, cell: (job) => job.error?.message ?? '' },
    ],
    all,
    format,
    context.output,
  );
}

function shareOf({ state, progress }: JobView): number | null {
  if (state === 'done') return 1;
  const { bytes, totalBytes, files, totalFiles } = progress;
  if (totalBytes !== null && totalBytes > 0) return bytes / totalBytes;
  return totalFiles === null || totalFiles === 0 ? null : files / totalFiles;
}

/**
 * Globs, or all: nobody means everything by writing nothing where something is taken away.
 * @throws DlfsError `invalid-argument` for neither or both
 */
export function chosen(name: string, globs: readonly string[], all: boolean): string[] {
  if (all === globs.length > 0) {
    throw new DlfsError('invalid-argument', `write which files to ${name}: globs, or --all`);
  }
  return [...globs];
}
