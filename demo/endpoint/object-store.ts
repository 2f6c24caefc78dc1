/**
 * The objects of one bucket, in memory, in S3's order.
 *
 * How it works: one sorted array of keys and one map from key to object. A page of a listing is a binary search and a
 * walk over what it returns; below a common prefix nothing is walked (see list-page.ts). Nothing watches the folder that
 * the objects may come from; tests change a store by add, replace and remove.
 *
 * Invariants:
 * 1. The array holds exactly the map's keys, each once, in ascending byte order.
 * 2. An object is immutable; a change of content or metadata is another object under the key.
 */

import { createHash } from 'node:crypto';
import type { ByteString } from './byte-string.ts';
import { byteString, byteStringOf } from './byte-string.ts';
import type { Content } from './content.ts';
import { BytesContent, contentHead } from './content.ts';

/** S3's storage classes that matter here: the archive ones refuse to be read. */
export type StorageClass =
  'STANDARD' | 'STANDARD_IA' | 'INTELLIGENT_TIERING' | 'GLACIER_IR' | 'GLACIER' | 'DEEP_ARCHIVE';

/** Text that a listing shows in place of the truth, for hostile listings; put into the XML as it is, unescaped. */
export interface ListedOverride {
  readonly key?: string;
  readonly size?: string;
  readonly lastModified?: string;
  readonly etag?: string;
}

/** One object. */
export interface StoredObject {
  readonly key: ByteString;
  readonly content: Content;
  /** With its quotes, as in the header. */
  readonly etag: string;
  /** Milliseconds since the epoch, a whole second: S3 knows no smaller unit. */
  readonly lastModified: number;
  readonly storageClass: StorageClass;
  readonly contentType: string;
  /** null: a listing shows the truth. */
  readonly listed: ListedOverride | null;
}

/** What `storedObject` may be told. */
export interface ObjectAttributes {
  /** With or without quotes; without one: the MD5 of content in memory, otherwise derived from key, size and time. */
  readonly etag?: string;
  readonly lastModified?: Date;
  readonly storageClass?: StorageClass;
  readonly contentType?: string;
  readonly listed?: ListedOverride;
}

/** A time for objects whose time does not matter, so that two runs of a test see the same bucket. */
const SOME_TIME = Date.UTC(2024, 0, 1);

/** Objects up to this size in memory get the real MD5 as their ETag, as S3 gives to a plain PUT. */
const MD5_LIMIT = 16 * 1024 * 1024;

/** The part size that a derived ETag claims. */
const CLAIMED_PART = 8 * 1024 * 1024;

/**
 * An ETag for content too large to hash: it looks like that of a multipart upload ("hash-parts"), which no client takes
 * for an MD5 of the bytes.
 */
export function derivedEtag(key: ByteString, size: number, lastModified: number): string {
  const hash = createHash('md5')
    .update(`${String(size)}\0${String(lastModified)}\0${key}`)
    .digest('hex');
  return `"${hash}-${String(Math.max(1, Math.ceil(size / CLAIMED_PART)))}"`;
}

/**
 * Makes an object.
 * @param key text (taken as UTF-8), or the key's bytes where it need not be valid UTF-8
 */
export function storedObject(
  key: string | Uint8Array,
  content: Content,
  attributes: ObjectAttributes = {},
): StoredObject {
  const bytes = typeof key === 'string' ? byteString(key) : byteStringOf(key);
  const lastModified = Math.floor((attributes.lastModified?.getTime() ?? SOME_TIME) / 1000) * 1000;
  return {
    key: bytes,
    content,
    etag: attributes.etag === undefined ? etagFor(bytes, content, lastModified) : quoted(attributes.etag),
    lastModified,
    storageClass: attributes.storageClass ?? 'STANDARD',
    contentType: attributes.contentType ?? 'binary/octet-stream',
    listed: attributes.listed ?? null,
  };
}

function quoted(etag: string): string {
  return etag.startsWith('"') ? etag : `"${etag}"`;
}

function etagFor(key: ByteString, content: Content, lastModified: number): string {
  return content instanceof BytesContent && content.size <= MD5_LIMIT
    ? `"${createHash('md5').update(contentHead(content, content.size)).digest('hex')}"`
    : derivedEtag(key, content.size, lastModified);
}

/** The first index in the sorted `keys`, from `from` on, whose key is not below `key`. */
export function lowerBound(keys: readonly ByteString[], key: ByteString, from = 0): number {
  let [low, high] = [from, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = keys[middle];
    if (candidate !== undefined && candidate < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The objects of one bucket. */
export class ObjectStore {
  readonly #keys: ByteString[] = [];
  readonly #objects = new Map<ByteString, StoredObject>();

  /** @param objects in any order; a key twice is an error */
  constructor(objects: Iterable<StoredObject> = []) {
    for (const object of objects) {
      if (this.#objects.has(object.key)) throw new Error(`two objects with the key ${JSON.stringify(object.key)}`);
      this.#objects.set(object.key, object);
      this.#keys.push(object.key);
    }
    // Without a comparator, sort compares UTF-16 units: for byte strings, that is the order of the bytes.
    this.#keys.sort();
  }

  /** All keys, ascending. A view: it changes with the store. */
  get keys(): readonly ByteString[] {
    return this.#keys;
  }

  /** The object under `key` (bytes), or null. */
  get(key: ByteString): StoredObject | null {
    return this.#objects.get(key) ?? null;
  }

  /** Adds an object under a new key. */
  add(object: StoredObject): void {
    if (this.#objects.has(object.key)) throw new Error(`the key ${JSON.stringify(object.key)} exists already`);
    this.#keys.splice(lowerBound(this.#keys, object.key), 0, object.key);
    this.#objects.set(object.key, object);
  }

  /** Puts another object under an existing key. */
  replace(object: StoredObject): void {
    if (!this.#objects.has(object.key)) throw new Error(`there is no key ${JSON.stringify(object.key)} to replace`);
    this.#objects.set(object.key, object);
  }

  /** Removes the object under `key` (text as UTF-8, or bytes); an error where there is none. */
  remove(key: string | Uint8Array): void {
    const bytes = typeof key === 'string' ? byteString(key) : byteStringOf(key);
    if (!this.#objects.delete(bytes)) throw new Error(`there is no key ${JSON.stringify(bytes)} to remove`);
    this.#keys.splice(lowerBound(this.#keys, bytes), 1);
  }
}
