/**
 * `dlfs ls NAME [PATH] [-l]`: the files of a dataset, and what of them is cached.
 *
 * Invariants:
 * 1. Entries are printed page by page as they come: a directory of a million files needs no memory for all of them.
 */
import { printable } from '../base/printable.ts';
import { formatSize } from '../base/size.ts';
import type { FileEntry } from '../daemon/api/contract/answers.ts';
import type { Context } from './context.ts';
import { fit } from './format/cells.ts';
import { writeDocument, type Format } from './format/documents.ts';
import { percent, UNKNOWN } from './format/human.ts';
import { datasetTarget, type TargetOptions } from './target.ts';

/** Entries on a page. */
const PAGE = 1000;

/** What a Date holds, milliseconds (ECMA-262, 21.4.1.1). */
const MAX_TIME = 8.64e15;

/** What the options say. */
export interface ListFilesOptions extends TargetOptions {
  readonly output: Format;
  readonly long?: true;
}

/** See the file's header. @throws DlfsError `not-found` for a path that is none */
export async function listFiles(
  name: string,
  path: string,
  options: ListFilesOptions,
  context: Context,
): Promise<void> {
  const { client, params } = await datasetTarget(name, options, context);
  const document = options.output === 'json' || options.output === 'yaml';
  const all: FileEntry[] = [];
  let cursor: string | null = null;
  do {
    const query: { path: string; limit: number; cursor?: string } = { path, limit: PAGE };
    if (cursor !== null) query.cursor = cursor;
    const { entries, next } = await client.call('listFiles', { params, query });
    if (document) all.push(...entries);
    else for (const entry of entries) context.output.line(options.long === true ? longLine(entry) : shortLine(entry));
    cursor = next;
  } while (cursor !== null && !context.output.gone.aborted);
  if (options.output === 'json' || options.output === 'yaml') writeDocument(all, options.output, context.output);
}

function shortLine({ path, directory }: FileEntry): string {
  return printable(directory ? `${path}/` : path);
}

/** Size, share that is cached, pin, time, etag, path; columns of fixed width, since pages do not wait for each other. */
function longLine(entry: FileEntry): string {
  const { directory, size, modified, etag, cached, pinned } = entry;
  const time =
    Math.abs(modified) <= MAX_TIME ? new Date(modified).toISOString().slice(0, 19).replace('T', ' ') : UNKNOWN;
  return [
    fit(directory ? UNKNOWN : formatSize(size), 8, 'right'),
    fit(directory ? UNKNOWN : percent(cached), 4, 'right'),
    pinned ? 'pinned' : '      ',
    directory ? ' '.repeat(time.length) : time,
    fit(printable(etag.replaceAll('"', '')), 34, 'left'),
    shortLine(entry),
  ].join('  ');
}
