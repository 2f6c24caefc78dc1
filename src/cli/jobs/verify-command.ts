/**
 * `dlfs verify [NAME] [--repair]`.
 *
 * Invariants:
 * 1. Exit code 0 means that nothing is damaged: nothing was, or all of it was repaired. Damage that stays is the cache's
 *    class of errors.
 */
import { EXIT, type ExitCode } from '../../base/errors/exit.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { JobView } from '../../daemon/api/contract/job-view.ts';
import type { Context } from '../context.ts';
import { nodeTarget } from '../target.ts';
import { runJob, type JobOptions } from './job-commands.ts';
import { damageLeft } from './report.ts';

/** Verifies one dataset, or one after the other all of them. @throws DlfsError as a job failed */
export async function verifyAll(
  name: string | null,
  options: JobOptions & { readonly repair?: true },
  context: Context,
): Promise<ExitCode> {
  const names = name === null ? await allNames(options, context) : [name];
  let damaged = false;
  for (const one of names) {
    if (name === null && options.output === 'table') context.output.line(`${one}:`);
    const repair = options.repair ?? false;
    const job: JobView = await runJob(one, options, context, (client, params) =>
      client.call('verify', { params, body: { repair } }),
    );
    damaged ||= damageLeft(job);
  }
  if (names.length === 0) context.output.line('no datasets');
  return damaged ? EXIT.cache : EXIT.ok;
}

async function allNames(options: JobOptions, context: Context): Promise<string[]> {
  const { datasets } = await nodeTarget(options, context).call('listDatasets', {});
  const { namespace } = options;
  return datasets
    .filter((dataset) => namespace === undefined || dataset.namespace === namespace)
    .map((dataset) => fullName(dataset));
}
