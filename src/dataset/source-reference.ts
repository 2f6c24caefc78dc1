/**
 * How a source is named on the command line: `s3://BUCKET[/PREFIX]`.
 *
 * The prefix names a directory of the bucket: it is taken letter by letter (no percent-decoding, no resolution of `.` and
 * `..`, as every S3 tool does), and gets the slash at its end that makes it one.
 *
 * Invariants:
 * 1. A parsed bucket can stand in a host name or a path without quoting; a parsed prefix is empty or ends with `/`.
 * 2. `formatSourceReference` of a parsed reference parses to the same reference.
 */
import { DlfsError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';

/** Where the data is: a bucket, or a directory in it. */
export interface SourceReference {
  readonly kind: 's3';
  readonly bucket: string;
  /** Empty, or a key prefix that ends with `/`. */
  readonly prefix: string;
}

const SCHEME = 's3://';

/** Letters that bucket names have ever been made of (upper case and `_`: buckets of before 2018, and other vendors' servers). */
const BUCKET = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_-])?$/;

/** S3's limit of a key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024;

/**
 * Parses the name of a source.
 * @param text for example `s3://bucket` or `s3://bucket/some/directory`
 * @throws DlfsError `invalid-argument`, naming what is wrong with it
 */
export function parseSourceReference(text: string): SourceReference {
  if (!text.startsWith(SCHEME)) throw invalid(text, `a source is written ${SCHEME}BUCKET or ${SCHEME}BUCKET/PREFIX`);
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  if (bucket === '') throw invalid(text, `no bucket; write ${SCHEME}BUCKET/PREFIX`);
  const wrongBucket = wrongWithBucket(bucket);
  if (wrongBucket !== null) throw invalid(text, `"${printable(bucket.slice(0, 200))}" ${wrongBucket}`);
  const prefix = slash < 0 ? '' : rest.slice(slash + 1);
  const wrongPrefix = wrongWithPrefix(prefix);
  if (wrongPrefix !== null) throw invalid(text, `its prefix ${wrongPrefix}`);
  return { kind: 's3', bucket, prefix: asDirectory(prefix) };
}

/** What is wrong with a bucket's name, to stand behind it; null: nothing. */
export function wrongWithBucket(bucket: string): string | null {
  if (BUCKET.test(bucket) && !bucket.includes('..')) return null;
  return `cannot be a bucket's name: letters, digits, ".", "-" and "_" only`;
}

/** The same for a prefix, with or without the slash at its end. */
export function wrongWithPrefix(prefix: string): string | null {
  // eslint-disable-next-line no-control-regex -- control characters are what this refuses
  if (/[\u0000-\u001f\u007f]/.test(prefix)) return 'holds control characters';
  if (!prefix.isWellFormed()) return 'is not valid Unicode';
  return Buffer.byteLength(asDirectory(prefix)) > MAX_KEY_BYTES ? `is longer than ${MAX_KEY_BYTES} bytes` : null;
}

/** A prefix as the directory that it names: empty, or with a slash at its end. */
export function asDirectory(prefix: string): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
}

/** The text that `parseSourceReference` reads back as the same reference. */
export function formatSourceReference(reference: SourceReference): string {
  return `${SCHEME}${reference.bucket}${reference.prefix === '' ? '' : `/${reference.prefix}`}`;
}

function invalid(text: string, why: string): DlfsError {
  return new DlfsError('invalid-argument', `not a source: "${printable(text.slice(0, 200))}": ${why}`);
}
