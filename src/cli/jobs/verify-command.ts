/**
 * `dlfs verify [NAME] [--repair]`.
 *
 * Invariants:
 * 1. Exit code 0 means that everything was looked at and nothing is damaged: nothing was, or all of it was repaired. Damage that stays is
 *    the cache's class of errors, and stands above whatever else happened; otherwise the first failure gives the code.
 * 2. Of several datasets, each is verified whatever became of those before it; -o json and yaml give one document.
 */
import { DlfsError } from '../../base/errors.ts';
import { EXIT, EXIT_CODE_OF, type ExitCode } from '../../base/errors/exit.ts';
import type { JobView } from '../../daemon/api/contract/job-view.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { Context } from '../context.ts';
import { writeDocument } from '../format/documents.ts';
import { reportError } from '../output.ts';
import { nodeTarget } from '../target.ts';
import { linesOf, requireDone, runJob, startJob, type JobOptions, type StartJob } from './job-commands.ts';
import { damageLeft } from './report.ts';

/** What the options say. */
export interface VerifyOptions extends JobOptions {
  readonly repair?: true;
}

/** What became of one of several: `-o json` prints these. */
interface Verified {
  readonly dataset: string;
  /** Null: it could not be started or watched. */
  readonly job: JobView | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Verifies one dataset, or one after the other all of them. @throws DlfsError as the one's job failed */
export async function verifyAll(name: string | null, options: VerifyOptions, context: Context): Promise<ExitCode> {
  const start: StartJob = (client, params) =>
    client.call('verify', { params, body: { repair: options.repair ?? false } });
  if (name === null) return await verifyEach(await allNames(options, context), options, context, start);
  return damageLeft(await runJob(name, options, context, start)) ? EXIT.cache : EXIT.ok;
}

async function verifyEach(
  names: readonly string[],
  options: VerifyOptions,
  context: Context,
  start: StartJob,
): Promise<ExitCode> {
  const { output } = context;
  const document = options.output === 'json' || options.output === 'yaml' ? options.output : null;
  const all: Verified[] = [];
  let exit: ExitCode = EXIT.ok;
  for (const dataset of names) {
    if (document === null) output.line(`${dataset}:`);
    let job: JobView | null = null;
    try {
      const started = await startJob(dataset, options, context, start);
      job = started.job;
      if (document === null) for (const line of linesOf(started.client, job, options, context)) output.line(line);
      if (options.detach !== true) requireDone(job);
      if (damageLeft(job)) exit = EXIT.cache;
      all.push({ dataset, job, error: null });
    } catch (thrown) {
      const error = DlfsError.from(thrown);
      // Told to end, or nobody there: the others would say the same.
      if ((error.code === 'interrupted' && job === null) || error.code === 'no-daemon') throw error;
      const { code, message } = error;
      reportError(error.with({ dataset }));
      if (exit === EXIT.ok) exit = EXIT_CODE_OF[code];
      all.push({ dataset, job, error: { code, message } });
    }
  }
  if (document !== null) writeDocument(all, document, output);
  else if (names.length === 0) output.line('no datasets');
  return exit;
}

async function allNames(options: JobOptions, context: Context): Promise<string[]> {
  const { datasets } = await nodeTarget(options, context).call('listDatasets', {});
  const { namespace } = options;
  return datasets
    .filter((dataset) => namespace === undefined || dataset.namespace === namespace)
    .map((dataset) => fullName(dataset));
}
