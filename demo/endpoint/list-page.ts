/**
 * One page of a listing, as a pure function of the sorted keys and of where the page before ended.
 *
 * How it works: a binary search finds the first candidate; each key is either an entry or, where the delimiter occurs
 * behind the prefix, stands for a common prefix, and the search jumps behind all keys that share it. So a page costs its
 * own entries and a few binary searches, whatever lies below the common prefixes.
 *
 * Invariants:
 * 1. Entries ascend; a key or common prefix at or below `after` never appears (so a page's last entry is where the next
 *    page starts, and a common prefix is never told twice).
 * 2. `truncated` is true exactly if another page would not be empty.
 */

import type { ByteString } from './byte-string.ts';
import { lowerBound } from './object-store.ts';

/** What a page is asked for. */
export interface PageQuery {
  readonly prefix: ByteString;
  /** '' means none. */
  readonly delimiter: ByteString;
  /** The entry to start behind; '' means from the start. */
  readonly after: ByteString;
  /** Most entries, common prefixes included. */
  readonly maxKeys: number;
}

/** A page: its entries in order. */
export interface Page {
  readonly entries: readonly PageEntry[];
  readonly truncated: boolean;
}

/** A key, or a common prefix that stands for all keys below it. */
export interface PageEntry {
  readonly kind: 'key' | 'prefix';
  readonly name: ByteString;
}

/** The first index from `from` on whose key does not start with `prefix`; the key at `from` does. */
function endOfPrefix(keys: readonly ByteString[], prefix: ByteString, from: number): number {
  const inside = (index: number): boolean => keys[index]?.startsWith(prefix) === true;
  // Doubling steps first: most common prefixes are short runs in a long array.
  let [low, step] = [from, 1];
  while (low + step < keys.length && inside(low + step)) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, keys.length);
  while (low + 1 < high) {
    const middle = (low + high) >>> 1;
    if (inside(middle)) low = middle;
    else high = middle;
  }
  return high;
}

/** The page of `keys` (ascending) that `query` asks for. */
export function listPage(keys: readonly ByteString[], query: PageQuery): Page {
  const { prefix, delimiter, after, maxKeys } = query;
  const entries: PageEntry[] = [];
  // S3 answers an empty, complete page to max-keys=0.
  if (maxKeys === 0) return { entries, truncated: false };
  let index = lowerBound(keys, after > prefix ? after : prefix);
  for (;;) {
    const key = keys[index];
    if (key?.startsWith(prefix) !== true) return { entries, truncated: false };
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const kind = cut < 0 ? 'key' : 'prefix';
    const name = cut < 0 ? key : (key.slice(0, cut + delimiter.length) as ByteString);
    if (name > after || (after === '' && name === '')) {
      if (entries.length === maxKeys) return { entries, truncated: true };
      entries.push({ kind, name });
    }
    index = cut < 0 ? index + 1 : endOfPrefix(keys, name, index);
  }
}
