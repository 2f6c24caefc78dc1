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
import type { EntryRow } from '../../../cache/index/rows.ts';

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
  rows: readonly EntryRow[],
): PackedEntries {
  const dots: EntryRow[] = [];
  if (cookie < DOT) dots.push(dotEntry('.', self.ino));
  if (cookie < DOT_DOT) dots.push(dotEntry('..', self.parent === 0 ? self.ino : self.parent));
  const meta = new Float64Array((rows.length + dots.length) * FIELDS);
  const texts: string[] = [];
  let at = 0;
  // A loop over plain places: this runs once an entry of every directory that is listed.
  const put = (row: EntryRow, place: number): void => {
    meta[at] = row.ino;
    meta[at + 1] = row.size;
    meta[at + 2] = row.mtimeMs;
    meta[at + 3] = row.dir;
    meta[at + 4] = place;
    meta[at + 5] = Buffer.byteLength(row.name);
    at += FIELDS;
    texts.push(row.name);
  };
  for (const dot of dots) put(dot, dot.name === '.' ? DOT : DOT_DOT);
  for (const row of rows) put(row, row.ino + FIRST_ENTRY);
  return { meta, names: Buffer.from(texts.join('')) };
}

function dotEntry(name: string, ino: number): EntryRow {
  return { ino, name, dir: 1, size: 0, mtimeMs: 0 };
}
