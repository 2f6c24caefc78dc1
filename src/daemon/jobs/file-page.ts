/**
 * `ls`: a page of a directory, or one file, with what is known of each.
 *
 * Entries come in the order of their keys, a page at a time; the cursor is the last name of the page before, so that a page is right
 * whatever was added or removed meanwhile.
 */
import { DlfsError } from '../../base/errors.ts';
import { ROOT_INO, type NodeRow } from '../../cache/index/rows.ts';
import { takesAll } from '../../dataset/glob/glob-set.ts';
import type { FileEntry } from '../api/contract/answers.ts';
import type { DatasetJobParts } from './dataset-parts.ts';

/** Entries of a page if nobody says, and at most: a few milliseconds. */
const DEFAULT_LIMIT = 200;
const MAX_LIMIT = 1000;
/** Characters of a cursor: a name of 255 bytes, encoded. */
const MAX_CURSOR = 400;

/** What is asked for. */
export interface FilePageRequest {
  /** Relative to the dataset's root; the root if left out. */
  readonly path?: string | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

/** A page. */
export interface FilePage {
  readonly entries: FileEntry[];
  /** Leads to the next page; null: this was the last. */
  readonly next: string | null;
}

type Parts = Pick<DatasetJobParts, 'index' | 'keeper' | 'store' | 'pins'>;

/**
 * Reads a page; a directory that nobody has listed yet is listed first.
 * @throws DlfsError `not-found`, `invalid-argument` for a path or cursor that is none; what a listing failed with
 */
export async function filePage(parts: Parts, request: FilePageRequest): Promise<FilePage> {
  const { index } = parts;
  const limit = Math.max(1, Math.min(MAX_LIMIT, request.limit ?? DEFAULT_LIMIT));
  const after = decodeCursor(request.cursor);
  const { node, path } = await resolve(parts, request.path ?? '');
  if (!node.dir) return { entries: [entryOf(parts, node, path)], next: null };
  while (!index.isListed(node.ino)) await parts.keeper.progress(node.ino);
  const rows = index.entriesAfter(node.ino, after, limit + 1);
  const shown = rows.slice(0, limit);
  const above = path === '' ? '' : `${path}/`;
  const last = shown.at(-1);
  return {
    entries: shown.map((row) => entryOf(parts, row, above + row.name)),
    next: rows.length > limit && last !== undefined ? encodeCursor(last) : null,
  };
}

async function resolve(parts: Parts, given: string): Promise<{ readonly node: NodeRow; readonly path: string }> {
  const { index, keeper } = parts;
  const components = given.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..') || given.includes('\0'))
    throw new DlfsError('invalid-argument', 'not a path of the dataset: paths are relative to its root', {
      key: given,
    });
  let node = index.node(ROOT_INO);
  for (const [depth, name] of components.entries()) {
    const parent = node;
    if (parent?.dir !== true) break;
    node = index.lookup(parent.ino, name);
    while (node === null && !index.isListed(parent.ino) && !keeper.decided(parent.ino, name)) {
      await keeper.progress(parent.ino);
      node = index.lookup(parent.ino, name);
    }
    if (node !== null && !node.dir && depth < components.length - 1) node = null;
  }
  const path = components.join('/');
  if (node === null) throw new DlfsError('not-found', 'no such file or directory in the dataset', { key: path });
  return { node, path };
}

function entryOf({ store, pins }: Parts, node: NodeRow, path: string): FileEntry {
  if (node.dir) {
    const place = pins.set?.placeAt(path.split('/')) ?? null;
    const pinned = place !== null && takesAll(place);
    return { path, directory: true, size: 0, modified: 0, etag: '', cached: null, pinned };
  }
  return {
    path,
    directory: false,
    size: node.size,
    modified: node.mtimeMs,
    etag: node.etag,
    cached: store.residentShare(node.ino),
    pinned: pins.covers(path),
  };
}

/** Names are stored as the origin has them: a directory's ends with a slash. */
function encodeCursor(node: NodeRow): string {
  return Buffer.from(node.dir ? `${node.name}/` : node.name).toString('base64url');
}

function decodeCursor(cursor: string | undefined): string {
  if (cursor === undefined || cursor === '') return '';
  const name = cursor.length > MAX_CURSOR ? '' : Buffer.from(cursor, 'base64url').toString();
  if (name === '' || Buffer.from(name).toString('base64url') !== cursor)
    throw new DlfsError('invalid-argument', 'not a cursor of a page before: begin again without one');
  return name;
}
