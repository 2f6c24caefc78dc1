/**
 * `dlfs delete NAME`: ends a dataset.
 */
import { printable } from '../../base/printable.ts';
import { formatSize } from '../../base/size.ts';
import type { Context } from '../context.ts';
import { datasetTarget, nameOf, type TargetOptions } from '../target.ts';

/** What the options say. */
export interface DeleteOptions extends TargetOptions {
  readonly force?: true;
  readonly keepCache?: true;
}

/** See the file's header. @throws DlfsError `mount-busy` naming who uses it, `conflict` naming the file that owns it */
export async function deleteDataset(name: string, options: DeleteOptions, context: Context): Promise<void> {
  const target = await datasetTarget(name, options, context);
  const { force = false, keepCache = false } = options;
  const done = await target.client.call('deleteDataset', {
    params: target.params,
    query: { force: force ? 'true' : 'false', keepCache: keepCache ? 'true' : 'false' },
  });
  const { output } = context;
  output.line(`${nameOf(target)} deleted`);
  if (done.keptCache !== null) output.line(`its cache stays in ${done.keptCache}`);
  else if (done.freedBytes > 0) output.line(`its cache is removed: ${formatSize(done.freedBytes)}`);
  if (done.holders.length > 0) {
    const who = done.holders.map(({ pid, command }) => `${printable(command)} (pid ${pid})`).join(', ');
    output.line(`open files are read on by ${who}`);
  }
}
