/**
 * Reads the body of a ListObjectsV2 answer.
 *
 * The SDK signs and sends the request; its own reader of the answer is not used, because it guesses where a listing must not
 * be guessed (unknown entities vanish, characters above U+FFFF in references come out wrong, repeated fields overwrite each
 * other) and costs several times as much. What a page says of itself is checked here; how pages follow each other in
 * `list-order.ts`.
 *
 * Keys: with `EncodingType` url, names are percent-encoded with `+` for a space (as by an HTML form); without it they are plain
 * XML text, in which a server has no way to write most control characters. Names that are no UTF-8, and those with a plain
 * U+FFFD (what servers and decoders put where they had no character), are counted and left out.
 *
 * Invariants:
 * 1. All or nothing: a page is whole and every field of it valid, or the result is a DlfsError `protocol` that names the field
 *    and the key.
 * 2. Work and memory are linear in the body.
 */
import { DlfsError } from '../../base/errors.ts';
import type { ListedObject } from '../../dataset/listing.ts';
import { XmlReader } from './xml.ts';

/** A page as one answer gave it. */
export interface ListResult {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly string[];
  readonly undecodable: number;
  /** Where the next page begins; null on the last one. */
  readonly nextToken: string | null;
}

/** Classes whose objects GetObject refuses until they are restored (GLACIER_IR reads at once). */
const ARCHIVE_CLASSES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** Longer tokens do not occur; AWS's have about 100 characters. */
const MAX_TOKEN = 8192;

const SIZE = /^[0-9]{1,16}$/;
const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;
const ETAG = /^[\x20-\x7e]{0,1024}$/;
const ROOT = 'ListBucketResult';
const REPLACEMENT = '\uFFFD';

/** Fields of an entry that are read; the rest is passed over. */
type Fields = Partial<Record<'Key' | 'Size' | 'LastModified' | 'ETag' | 'StorageClass' | 'RestoreExpiryDate', string>>;

/**
 * Reads an answer.
 * @param body the whole body of a 200
 * @param nowMs wall time, for restored objects whose copy expires
 * @throws DlfsError `protocol` where it breaks S3's contract, `endpoint-not-s3` where it is nothing like it
 */
export function parseListResult(body: Buffer, nowMs: number): ListResult {
  const text = body.toString('utf8');
  const root = /^\uFEFF?\s*(?:<\?xml[^>]{0,200}\?>)?\s*(?:<!--[\s\S]{0,1000}?-->\s*)?<([A-Za-z:]{1,64})/.exec(
    text.slice(0, 2000),
  )?.[1];
  if (root !== ROOT) throw notAListing(root, text);
  return new Page(text, nowMs).read();
}

function notAListing(root: string | undefined, text: string): DlfsError {
  if (root === 'ListAllMyBucketsResult') {
    return new DlfsError(
      'endpoint-not-s3',
      'it answered a listing of a bucket with the list of buckets; in path style (--path-style, or pathStyle of a manifest) the bucket stands in the path',
    );
  }
  if (/^\s*<(?:!doctype\s+html|html|head|body)/i.test(text))
    return new DlfsError('endpoint-not-s3', 'it answers with a web page, not with a listing');
  // Half a document may be any: whether it is S3 that broke off cannot be told.
  if (text.trim() === '') return new DlfsError('protocol', 'the listing is empty: the body has no bytes');
  if (root === undefined && text.trimStart().startsWith('<')) {
    return new DlfsError(
      'protocol',
      'the listing is not the XML that S3 sends: no element ListBucketResult at its beginning',
    );
  }
  return new DlfsError(
    'endpoint-not-s3',
    root === undefined ? 'it answers, but not with XML' : `it answered a listing with <${root}>`,
  );
}

/** One parse. */
class Page {
  readonly #xml: XmlReader;
  readonly #nowMs: number;
  readonly #contents: Fields[] = [];
  readonly #rolledUp: string[] = [];
  readonly #single = new Map<string, string>();

  constructor(text: string, nowMs: number) {
    this.#xml = new XmlReader(text, 'the listing');
    this.#nowMs = nowMs;
  }

  read(): ListResult {
    if (this.#xml.next() !== ROOT) throw fault(`does not begin with <${ROOT}>`);
    for (let name = this.#xml.next(); name !== null; name = this.#xml.next()) this.#field(name);
    if (this.#xml.next() !== null) throw fault('goes on after its end');
    const decode = this.#decoder();
    let undecodable = 0;
    const objects: ListedObject[] = [];
    for (const fields of this.#contents) {
      const key = decode(required(fields.Key, 'Key', ''));
      if (key === null) undecodable += 1;
      else objects.push(this.#object(key, fields));
    }
    const prefixes: string[] = [];
    for (const text of this.#rolledUp) {
      const prefix = decode(text);
      if (prefix === null) undecodable += 1;
      else prefixes.push(prefix);
    }
    return { objects, prefixes, undecodable, nextToken: this.#nextToken() };
  }

  #field(name: string): void {
    switch (name) {
      case 'Contents':
        this.#contents.push(this.#entry());
        break;
      case 'CommonPrefixes':
        for (let child = this.#xml.next(); child !== null; child = this.#xml.next()) {
          if (child === 'Prefix') this.#rolledUp.push(this.#xml.leaf());
          else this.#xml.skip();
        }
        break;
      case 'IsTruncated':
      case 'NextContinuationToken':
      case 'EncodingType':
        if (this.#single.has(name)) throw fault(`says ${name} twice`);
        this.#single.set(name, this.#xml.leaf());
        break;
      default:
        this.#xml.skip();
    }
  }

  #entry(): Fields {
    const fields: Fields = {};
    for (let name = this.#xml.next(); name !== null; name = this.#xml.next()) {
      switch (name) {
        case 'Key':
        case 'Size':
        case 'LastModified':
        case 'ETag':
        case 'StorageClass':
          set(fields, name, this.#xml.leaf());
          break;
        case 'RestoreStatus':
          for (let inner = this.#xml.next(); inner !== null; inner = this.#xml.next()) {
            if (inner === 'RestoreExpiryDate') set(fields, inner, this.#xml.leaf());
            else this.#xml.skip();
          }
          break;
        default:
          this.#xml.skip();
      }
    }
    return fields;
  }

  #object(key: string, fields: Fields): ListedObject {
    const sizeText = required(fields.Size, 'Size', key);
    const size = SIZE.test(sizeText) ? Number(sizeText) : Number.NaN;
    if (!Number.isSafeInteger(size)) throw fault(`gives ${quote(key)} the size ${quote(sizeText)}`);
    const dateText = required(fields.LastModified, 'LastModified', key);
    const mtimeMs = DATE.test(dateText) ? Date.parse(dateText) : Number.NaN;
    if (!Number.isFinite(mtimeMs)) throw fault(`gives ${quote(key)} the date ${quote(dateText)}`);
    const etag = fields.ETag ?? '';
    if (!ETAG.test(etag)) throw fault(`gives ${quote(key)} an ETag that no header can carry`);
    const restored = Date.parse(fields.RestoreExpiryDate ?? '') > this.#nowMs;
    return { key, size, mtimeMs, etag, archived: ARCHIVE_CLASSES.has(fields.StorageClass ?? '') && !restored };
  }

  #decoder(): (text: string) => string | null {
    const encoding = this.#single.get('EncodingType') ?? '';
    if (encoding === 'url') return decodeFormName;
    if (encoding !== '') throw fault(`encodes its keys as ${quote(encoding)}, which was not asked for`);
    return decodePlainName;
  }

  #nextToken(): string | null {
    const truncated = (this.#single.get('IsTruncated') ?? 'false').trim();
    if (truncated === 'false') return null;
    if (truncated !== 'true') throw fault(`says IsTruncated ${quote(truncated)}`);
    const token = this.#single.get('NextContinuationToken') ?? '';
    if (token === '') throw fault('goes on, but names no NextContinuationToken: a server without ListObjectsV2?');
    if (token.length > MAX_TOKEN) throw fault(`names a NextContinuationToken of ${token.length} characters`);
    return token;
  }
}

/**
 * Decodes a name of a listing with encoding type url.
 * @returns null where its bytes are no UTF-8, or its percent signs no encoding
 */
function decodeFormName(text: string): string | null {
  if (text.includes(REPLACEMENT)) return null;
  if (!text.includes('%')) return text.includes('+') ? text.replaceAll('+', ' ') : text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

function decodePlainName(text: string): string | null {
  return text.includes(REPLACEMENT) ? null : text;
}

function set(fields: Fields, name: keyof Fields, value: string): void {
  if (fields[name] !== undefined) throw fault(`says ${name} of one entry twice`);
  fields[name] = value;
}

function required(value: string | undefined, name: string, key: string): string {
  if (value === undefined || (value === '' && name === 'Key'))
    throw fault(`has an entry without ${name}${key === '' ? '' : `: ${quote(key)}`}`);
  return value;
}

/** A text of the origin within a message: short, printable, in quotes. */
export function quote(text: string): string {
  const cut = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return JSON.stringify(cut.toWellFormed());
}

function fault(what: string): DlfsError {
  return new DlfsError('protocol', `the listing ${what}`);
}
