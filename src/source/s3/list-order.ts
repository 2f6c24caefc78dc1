/**
 * Holds the pages of one listing together: a state machine without I/O.
 *
 * Each answer alone may be well-formed and the whole still be a lie: pages that overlap, names that nobody asked for, a
 * continuation that leads in a circle. Whoever builds an index by merging would then lose or invent files.
 *
 * Invariants:
 * 1. What `accept` returns keeps the promises of `dataset/listing.ts`; anything else throws `protocol`, naming the keys.
 * 2. A listing ends: after at most `MAX_EMPTY_PAGES` pages in a row without a name, and `MAX_NAMES` names.
 * 3. Memory is one key and one token, not the listing.
 */
import { DlfsError } from '../../base/errors.ts';
import { compareKeys, type ListedObject, type ListPage } from '../../dataset/listing.ts';
import { MAX_KEY_BYTES } from '../../dataset/source-reference.ts';
import { quote, type ListResult } from './list-result.ts';

/** S3 may answer pages without names while it walks over deleted versions; a thousand of them (a million versions) is no such walk. */
export const MAX_EMPTY_PAGES = 1000;

/** Ten times the largest listing that a limit of dlfs allows by default, and days of listing. */
export const MAX_NAMES = 100_000_000;

/** What a listing was asked for. */
export interface ListOrderOptions {
  readonly prefix: string;
  readonly delimiter: '/' | null;
  /** Empty: from the beginning. */
  readonly startAfter: string;
  /** Other limits than the constants, for tests. */
  readonly maxEmptyPages?: number;
  readonly maxNames?: number;
}

/** See the file's header. One instance a listing; pages are given in the order in which they came. */
export class ListOrder {
  readonly #options: ListOrderOptions;
  #last: string;
  #token: string | null = null;
  #emptyPages = 0;
  #names = 0;

  constructor(options: ListOrderOptions) {
    this.#options = options;
    this.#last = options.startAfter;
  }

  /**
   * Checks the next page.
   * @throws DlfsError `protocol`
   */
  accept(result: ListResult): ListPage {
    const { objects, prefixes } = result;
    let lastKey = this.#last;
    for (const object of objects) {
      this.#checkObject(object);
      this.#checkAfter(object.key, lastKey);
      lastKey = object.key;
    }
    let lastPrefix = this.#last;
    for (const prefix of prefixes) {
      this.#checkPrefix(prefix);
      this.#checkAfter(prefix, lastPrefix);
      lastPrefix = prefix;
    }
    this.#last = compareKeys(lastKey, lastPrefix) > 0 ? lastKey : lastPrefix;
    this.#count(objects.length + prefixes.length + result.undecodable);
    this.#checkToken(result.nextToken);
    return { objects, prefixes, undecodable: result.undecodable, last: result.nextToken === null };
  }

  #checkObject({ key }: ListedObject): void {
    const { prefix, delimiter } = this.#options;
    if (!key.startsWith(prefix)) throw fault(`holds ${quote(key)}, which is not below ${quote(prefix)}`);
    if (delimiter !== null && key.includes(delimiter, prefix.length))
      throw fault(`of one directory holds ${quote(key)} of a deeper one`);
    // Keys are of at most 1024 bytes; 3 bytes a UTF-16 unit is the most, so short ones need no count.
    if (key.length * 3 > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw fault(`holds a key of ${Buffer.byteLength(key)} bytes: ${quote(key)}`);
    }
  }

  #checkPrefix(name: string): void {
    const { prefix, delimiter } = this.#options;
    if (delimiter === null) throw fault(`rolled ${quote(name)} up although no delimiter was given`);
    if (!name.startsWith(prefix)) throw fault(`holds ${quote(name)}, which is not below ${quote(prefix)}`);
    if (name.indexOf(delimiter, prefix.length) !== name.length - 1)
      throw fault(`of one directory holds ${quote(name)}, which is none directly below it`);
  }

  #checkAfter(name: string, before: string): void {
    // A directory that a start in its middle cuts sorts before that start.
    const cut = before === this.#options.startAfter && name.endsWith('/') && before.startsWith(name);
    if (!cut && before !== '' && compareKeys(name, before) <= 0) {
      throw fault(
        `is not in key order: ${quote(name)} comes after ${quote(before)}; directory buckets and servers that list unordered cannot be used`,
      );
    }
  }

  #count(names: number): void {
    const { maxEmptyPages = MAX_EMPTY_PAGES, maxNames = MAX_NAMES } = this.#options;
    this.#emptyPages = names === 0 ? this.#emptyPages + 1 : 0;
    this.#names += names;
    if (this.#emptyPages > maxEmptyPages)
      throw fault(`does not end: ${this.#emptyPages} pages in a row without a name`);
    if (this.#names > maxNames) throw fault(`does not end: more than ${maxNames} names`);
  }

  #checkToken(token: string | null): void {
    if (token !== null && token === this.#token)
      throw fault(`goes in a circle: two pages in a row continue at ${quote(token)}`);
    this.#token = token;
  }
}

function fault(what: string): DlfsError {
  return new DlfsError('protocol', `the listing ${what}`);
}
