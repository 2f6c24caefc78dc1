/**
 * `dlfs pin NAME` without a glob, and `dlfs unpin`.
 */
import { formatSize } from '../../base/size.ts';
import { MAX_GLOBS } from '../../dataset/glob/glob-set.ts';
import type { Context } from '../context.ts';
import { writeDocument, writeTable, type Format } from '../format/documents.ts';
import { age, count, percent } from '../format/human.ts';
import { datasetTarget, nameOf, type TargetOptions } from '../target.ts';
import { chosen } from './job-commands.ts';

/** Lists the pins of a dataset. @throws DlfsError as the daemon says */
export async function pins(
  name: string,
  options: TargetOptions & { readonly output: Format },
  context: Context,
): Promise<void> {
  const target = await datasetTarget(name, options, context);
  const { pins: all } = await target.client.call('listPins', { params: target.params });
  if (options.output === 'json' || options.output === 'yaml') {
    writeDocument(all, options.output, context.output);
    return;
  }
  if (all.length === 0) {
    context.output.line(`nothing of ${nameOf(target)} is pinned`);
    return;
  }
  const now = context.clock.wall();
  writeTable(
    [
      { title: 'PIN', cell: ({ glob }) => glob },
      { title: 'FILES', align: 'right', cell: ({ files }) => count(files) },
      { title: 'SIZE', align: 'right', cell: ({ bytes }) => formatSize(bytes) },
      {
        title: 'CACHED',
        align: 'right',
        cell: ({ bytes, cachedBytes }) => percent(bytes === 0 ? 1 : cachedBytes / bytes),
      },
      { title: 'AGE', align: 'right', cell: ({ since }) => age(now, since) },
    ],
    all,
    options.output,
    context.output,
  );
}

/** Takes pins back. @throws DlfsError `not-found` for one that is none */
export async function unpin(
  name: string,
  globs: readonly string[],
  options: TargetOptions & { readonly all?: true },
  context: Context,
): Promise<void> {
  const target = await datasetTarget(name, options, context);
  const { client, params } = target;
  const { pins: before } = await client.call('listPins', { params });
  const all = options.all === true;
  const wanted = chosen('unpin', globs, all).concat(all ? before.map(({ glob }) => glob) : []);
  for (let at = 0; at < wanted.length; at += MAX_GLOBS) {
    await client.call('unpin', { params, body: { globs: wanted.slice(at, at + MAX_GLOBS) } });
  }
  context.output.line(`${count(wanted.length)} pins of ${nameOf(target)} taken back`);
}
