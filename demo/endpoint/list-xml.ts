/**
 * ListObjectsV2: the query's parameters, and the answer's XML.
 *
 * Invariants:
 * 1. The continuation token is opaque and checked: what this endpoint did not issue is refused, so that no client comes
 *    to rely on its form.
 * 2. Names are escaped for XML, and form-encoded under `encoding-type=url`; only a ListedOverride reaches the XML as it
 *    is.
 */

import { createHash } from 'node:crypto';
import type { ByteString } from './byte-string.ts';
import { byteString, listingEncode, textOf } from './byte-string.ts';
import type { Page } from './list-page.ts';
import type { ObjectStore } from './object-store.ts';
import type { Query } from './request.ts';
import { S3Error, xmlEscape } from './s3-error.ts';

/** S3's largest page. */
const MAX_KEYS = 1000;

/** The parameters of a ListObjectsV2 request. */
export interface ListParameters {
  readonly prefix: ByteString;
  readonly delimiter: ByteString;
  readonly maxKeys: number;
  readonly urlEncoded: boolean;
  /** As given, for the echo; null where absent. */
  readonly startAfter: ByteString | null;
  readonly token: ByteString | null;
  /** The entry the page starts behind: the token's, otherwise start-after, otherwise ''. */
  readonly after: ByteString;
}

const TOKEN_CHECK_LENGTH = 8;

function tokenCheck(last: ByteString): string {
  return createHash('md5').update('dlfs listing ').update(last, 'latin1').digest('hex').slice(0, TOKEN_CHECK_LENGTH);
}

/** The token behind which the page after `last` is found. */
export function issueToken(last: ByteString): string {
  return Buffer.from(tokenCheck(last) + last, 'latin1').toString('base64url');
}

function redeemToken(token: ByteString): ByteString {
  const plain = Buffer.from(token, 'base64url').toString('latin1');
  const last = plain.slice(TOKEN_CHECK_LENGTH) as ByteString;
  if (plain.slice(0, TOKEN_CHECK_LENGTH) !== tokenCheck(last)) {
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
      elements: { ArgumentName: 'continuation-token' },
    });
  }
  return last;
}

/**
 * Reads the parameters of a ListObjectsV2 request.
 * @throws S3Error InvalidArgument
 */
export function listParameters(query: Query): ListParameters {
  const maxKeysText = query.get('max-keys') ?? String(MAX_KEYS);
  const maxKeys = Number(maxKeysText);
  if (!/^\d{1,10}$/.test(maxKeysText) || maxKeys > 0x7fffffff) {
    throw new S3Error('InvalidArgument', {
      message: 'Provided max-keys not an integer or within integer range',
      elements: { ArgumentName: 'max-keys', ArgumentValue: textOf(maxKeysText as ByteString) },
    });
  }
  const encoding = query.get('encoding-type');
  if (encoding !== null && encoding !== 'url') {
    throw new S3Error('InvalidArgument', {
      message: 'Invalid Encoding Method specified in Request',
      elements: { ArgumentName: 'encoding-type', ArgumentValue: textOf(encoding) },
    });
  }
  const empty = '' as ByteString;
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  if (token === '') {
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
      elements: { ArgumentName: 'continuation-token' },
    });
  }
  return {
    prefix: query.get('prefix') ?? empty,
    delimiter: query.get('delimiter') ?? empty,
    maxKeys: Math.min(maxKeys, MAX_KEYS),
    urlEncoded: encoding === 'url',
    startAfter,
    token,
    after: token === null ? (startAfter ?? empty) : redeemToken(token),
  };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** The XML of `page`, which `parameters` asked for, of `bucket`. */
export function listXml(bucket: string, parameters: ListParameters, page: Page, objects: ObjectStore): Buffer {
  const name = (bytes: ByteString): string =>
    parameters.urlEncoded ? xmlEscape(listingEncode(bytes) as ByteString) : xmlEscape(bytes);
  const parts: string[] = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>${xmlEscape(byteString(bucket))}</Name><Prefix>${name(parameters.prefix)}</Prefix>`,
  ];
  if (parameters.startAfter !== null) parts.push(`<StartAfter>${name(parameters.startAfter)}</StartAfter>`);
  if (parameters.token !== null) {
    parts.push(`<ContinuationToken>${xmlEscape(parameters.token)}</ContinuationToken>`);
  }
  const last = page.entries.at(-1);
  if (page.truncated && last !== undefined) {
    parts.push(`<NextContinuationToken>${issueToken(last.name)}</NextContinuationToken>`);
  }
  parts.push(`<KeyCount>${String(page.entries.length)}</KeyCount><MaxKeys>${String(parameters.maxKeys)}</MaxKeys>`);
  if (parameters.delimiter !== '') parts.push(`<Delimiter>${name(parameters.delimiter)}</Delimiter>`);
  if (parameters.urlEncoded) parts.push('<EncodingType>url</EncodingType>');
  parts.push(`<IsTruncated>${String(page.truncated)}</IsTruncated>`);
  for (const entry of page.entries) {
    if (entry.kind === 'prefix') continue;
    const object = objects.get(entry.name);
    if (object === null) continue;
    const { listed } = object;
    const etag = xmlEscape(object.etag as ByteString);
    parts.push(
      `<Contents><Key>${verbatim(listed?.key) ?? name(object.key)}</Key>`,
      `<LastModified>${verbatim(listed?.lastModified) ?? isoTime(object.lastModified)}</LastModified>`,
      `<ETag>${verbatim(listed?.etag) ?? etag}</ETag>`,
      `<Size>${verbatim(listed?.size) ?? String(object.content.size)}</Size>`,
      `<StorageClass>${object.storageClass}</StorageClass></Contents>`,
    );
  }
  for (const entry of page.entries) {
    if (entry.kind === 'prefix') parts.push(`<CommonPrefixes><Prefix>${name(entry.name)}</Prefix></CommonPrefixes>`);
  }
  parts.push('</ListBucketResult>');
  return Buffer.from(parts.join(''), 'latin1');
}

function verbatim(text: string | undefined): string | undefined {
  return text === undefined ? undefined : byteString(text);
}
