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
import { fit, painter } from './format/cells.ts';
import { writeDocument, type Format } from './format/documents.ts';
import { percent, UNKNOWN } from './format/human.ts';
import { datasetTarget, type TargetOptions } from './target.ts';

/** Entries on a page. */
const PAGE = 1000;

/** A terminal of so many columns shows etags as a whole; a narrower one their ends, and leaves the room to paths. */
const WIDE = 120;
/** Columns of an etag: MD5 in hexadecimal, and the number of parts. */
const ETAG = 36;
const SHORT_ETAG = 9;
/** Columns of a time: to the minute. */
const TIME = 16;

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
  const long = options.long === true;
  const isNarrow = context.output.terminal && context.output.size().columns < WIDE;
  const etagWidth = isNarrow ? SHORT_ETAG : ETAG;
  let isFirst = true;
  let cursor: string | null = null;
  do {
    const query: { path: string; limit: number; cursor?: string } = { path, limit: PAGE };
    if (cursor !== null) query.cursor = cursor;
    const { entries, next } = await client.call('listFiles', { params, query });
    if (document) all.push(...entries);
    else {
      if (long && isFirst && entries.length > 0) {
        context.output.line(painter(context.output.colour)('title', titleLine(etagWidth)));
      }
      for (const entry of entries) context.output.line(long ? longLine(entry, etagWidth) : shortLine(entry));
    }
    isFirst = false;
    cursor = next;
  } while (cursor !== null && !context.output.gone.aborted);
  if (options.output === 'json' || options.output === 'yaml') writeDocument(all, options.output, context.output);
}

function shortLine({ path, directory }: FileEntry): string {
  return printable(directory ? `${path}/` : path);
}

/** Size, share that is cached, pin, time, etag, path; columns of fixed width, since pages do not wait for each other. */
function longLine(entry: FileEntry, etagWidth: number): string {
  const { directory, size, modified, etag, cached, pinned } = entry;
  const time =
    Math.abs(modified) <= MAX_TIME ? new Date(modified).toISOString().slice(0, TIME).replace('T', ' ') : UNKNOWN;
  return columns(
    directory ? UNKNOWN : formatSize(size),
    directory ? UNKNOWN : percent(cached),
    pinned ? 'pinned' : '',
    directory ? '' : time,
    fit(printable(etag.replaceAll('"', '')), etagWidth, 'left'),
    shortLine(entry),
  );
}

function titleLine(etagWidth: number): string {
  return columns('SIZE', 'CACHED', 'PIN', 'MODIFIED (UTC)', fit('ETAG', etagWidth, 'left'), 'PATH');
}

function columns(size: string, cached: string, pin: string, time: string, etag: string, path: string): string {
  return [
    fit(size, 8, 'right'),
    fit(cached, 6, 'right'),
    fit(pin, 6, 'left'),
    fit(time, TIME, 'left'),
    etag,
    path,
  ].join('  ');
}
