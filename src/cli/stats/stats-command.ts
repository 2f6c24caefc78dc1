/**
 * `dlfs stats [NAME] [--watch]`: what is cached, what it saved, what is waited for.
 */
import type { NodeStats } from '../../daemon/api/contract/stats-view.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { ApiClient } from '../../daemon/api/client/api-client.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import { painter } from '../format/cells.ts';
import { writeDocument, type Format } from '../format/documents.ts';
import { datasetTarget, nodeTarget, type TargetOptions } from '../target.ts';
import { detailScreen } from './detail.ts';
import { statsScreen, type ScreenSize } from './screen.ts';
import { watchScreen } from './watch.ts';

/** What the options say. */
export interface StatsOptions extends TargetOptions {
  readonly output: Format;
  readonly watch?: true;
  /** Milliseconds between two screens. */
  readonly every: number;
}

/** See the file's header. @throws DlfsError as the daemon says */
export async function showStats(name: string | null, options: StatsOptions, context: Context): Promise<void> {
  const { client, dataset } = await targetOf(name, options, context);
  const ask = (signal?: AbortSignal): Promise<NodeStats> =>
    client.call('stats', { query: dataset === null ? {} : { dataset } }, signal === undefined ? {} : { signal });
  const paint = painter(context.output.colour);
  const draw = (stats: NodeStats, size: ScreenSize): string[] => {
    if (dataset === null) return statsScreen(stats, size, paint);
    const [one] = stats.datasets;
    if (one === undefined) throw new DlfsError('not-found', `the dataset ${dataset} is gone`);
    return detailScreen(one, size, paint);
  };
  if (options.watch === true) {
    if (!context.output.terminal) {
      throw new DlfsError('invalid-argument', '--watch draws on a terminal; for programs: dlfs stats -o json');
    }
    await watchScreen({ ask, draw, every: options.every }, context);
    return;
  }
  const stats = await ask();
  if (options.output === 'json' || options.output === 'yaml') {
    writeDocument(dataset === null ? stats : stats.datasets[0], options.output, context.output);
    return;
  }
  const { columns } = context.output.size();
  const wide = options.output === 'wide' ? Math.max(columns, 200) : columns;
  for (const line of draw(stats, { columns: wide, rows: Infinity })) context.output.line(line);
}

async function targetOf(
  name: string | null,
  options: StatsOptions,
  context: Context,
): Promise<{ readonly client: ApiClient; readonly dataset: string | null }> {
  if (name === null) return { client: nodeTarget(options, context), dataset: null };
  const { client, ref } = await datasetTarget(name, options, context);
  return { client, dataset: fullName(ref) };
}
