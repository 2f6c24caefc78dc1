/**
 * Cookies of directory entries, and entries packed for the data plane.
 *
 * A cookie names a place in a directory for ever: an entry's is its inode number plus two, in ascending order, so a reader goes on
 * where it was after a refresh, a restart, or in another process.
 *
 * Invariants:
 * 1. Cookies of a directory ascend; 1 and 2 are those of `.` and `..`, entries follow.
 * 2. Nothing is kept between two calls.
 */
import type { NodeRow } from '../../../cache/index/rows.ts';

const DOT = 1;
const DOT_DOT = 2;
const FIRST_ENTRY = 2;
/** Doubles of one entry: see `Engine.replyDir`. */
const FIELDS = 6;

/** The inode number after which entries follow a cookie. */
export function inoBefore(cookie: number): number {
  return Math.max(0, cookie - FIRST_ENTRY);
}

/** Entries packed as `Engine.replyDir` takes them. */
export interface PackedEntries {
  readonly meta: Float64Array;
  readonly names: Uint8Array;
}

/**
 * Packs entries that follow `cookie`.
 * @param self the directory's own number, and its parent's, for the dot entries
 */
export function packEntries(
  cookie: number,
  self: { ino: number; parent: number },
  rows: readonly NodeRow[],
): PackedEntries {
  const dots: [string, number, number][] = [];
  if (cookie < DOT) dots.push(['.', self.ino, DOT]);
  if (cookie < DOT_DOT) dots.push(['..', self.parent === 0 ? self.ino : self.parent, DOT_DOT]);
  const meta = new Float64Array((rows.length + dots.length) * FIELDS);
  const names: string[] = [];
  let at = 0;
  const put = (name: string, ino: number, size: number, mtimeMs: number, dir: boolean, place: number): void => {
    meta.set([ino, size, mtimeMs, dir ? 1 : 0, place, Buffer.byteLength(name)], at);
    at += FIELDS;
    names.push(name);
  };
  for (const [name, ino, place] of dots) put(name, ino, 0, 0, true, place);
  for (const row of rows) put(row.name, row.ino, row.size, row.mtimeMs, row.dir, row.ino + FIRST_ENTRY);
  return { meta, names: Buffer.from(names.join('')) };
}
