/**
 * What a listing of a source is made of.
 *
 * A listing comes in pages. Keys are full keys, decoded; a delimited listing (one directory) rolls everything below the
 * next slash up into a prefix that ends with it.
 *
 * Invariants, kept by every source:
 * 1. Objects of a page are in key order without duplicates, and so are its prefixes; every name of a page comes after every
 *    name of the pages before it. The order is that of `compareKeys`.
 * 2. Every key and prefix begins with the prefix that was asked for.
 * 3. Sizes are safe integers ≥ 0; mtimes are finite; etags are printable ASCII, as the origin wrote them.
 */

/** One object at the origin. */
export interface ListedObject {
  /** The full key, decoded. */
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** LastModified, milliseconds since 1970. */
  readonly mtimeMs: number;
  /** As the origin wrote it, quotes included; empty where it gave none. */
  readonly etag: string;
  /** In a storage class that must be restored before it can be read. */
  readonly archived: boolean;
}

/** One page of a listing. */
export interface ListPage {
  /** The objects, in key order. */
  readonly objects: readonly ListedObject[];
  /** What the delimiter rolled up, each with its trailing delimiter, in key order; empty without a delimiter. */
  readonly prefixes: readonly string[];
  /** Names on this page that are no text in UTF-8, so that nobody could ask for them: left out, counted here. */
  readonly undecodable: number;
  /** Whether the listing ends with this page. */
  readonly last: boolean;
}

/** The first surrogate code unit; below it UTF-16 order is code point order. */
const FIRST_SURROGATE = 0xd800;
/** The first code unit above the surrogates: less than any code point that a surrogate pair encodes. */
const AFTER_SURROGATES = 0xe000;

/**
 * The order of keys: that of their UTF-8 bytes, which is that of their code points. JavaScript's `<` differs from it for
 * characters above U+FFFF.
 * @returns negative, 0 or positive, as for `Array.prototype.sort`
 */
export function compareKeys(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let index = 0; index < shorter; index += 1) {
    let a = left.charCodeAt(index);
    let b = right.charCodeAt(index);
    if (a === b) continue;
    if (a >= FIRST_SURROGATE && b >= FIRST_SURROGATE) {
      a = a >= AFTER_SURROGATES ? a - 0x800 : a + 0x2000;
      b = b >= AFTER_SURROGATES ? b - 0x800 : b + 0x2000;
    }
    return a - b;
  }
  return left.length - right.length;
}
