/**
 * A request's target taken apart: bucket, key, query, and what kind of request it is.
 *
 * Both addressing styles: a host that ends with the endpoint's domain carries the bucket as its first labels
 * (virtual-host style); otherwise the bucket is the path's first segment.
 *
 * Invariants:
 * 1. Nothing is normalised: `//`, `.` and `..` are bytes of a key like all others.
 * 2. Decoding happens once, here; the signature's check encodes the decoded bytes again (sigv4.ts), so that what was
 *    signed is what is served.
 */

import type { IncomingMessage } from 'node:http';
import type { ByteString } from './byte-string.ts';
import { percentDecode } from './byte-string.ts';
import { S3Error } from './s3-error.ts';

/** What a request is, for policies, counters and faults. */
export type RequestKind = 'list' | 'head' | 'get' | 'other';

/** A decoded query: pairs in the order given. */
export class Query {
  /** Decoded names and values; a parameter without '=' has the value ''. */
  readonly pairs: readonly (readonly [name: ByteString, value: ByteString])[];

  constructor(pairs: readonly (readonly [name: ByteString, value: ByteString])[]) {
    this.pairs = pairs;
  }

  /** The first value of `name`, or null. */
  get(name: string): ByteString | null {
    for (const [candidate, value] of this.pairs) if (candidate === name) return value;
    return null;
  }
}

/** A request's target. */
export interface S3Request {
  readonly method: string;
  readonly kind: RequestKind;
  /** null: the request names no bucket. */
  readonly bucket: string | null;
  /** '' where the request is about the bucket. */
  readonly key: ByteString;
  /** The decoded path as sent (with the bucket in path style): what the signature covers. */
  readonly path: ByteString;
  readonly query: Query;
}

function parseQuery(raw: string): Query {
  if (raw === '') return new Query([]);
  return new Query(
    raw
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const equals = pair.indexOf('=');
        const name = percentDecode(equals < 0 ? pair : pair.slice(0, equals));
        const value = percentDecode(equals < 0 ? '' : pair.slice(equals + 1));
        if (name === null || value === null) throw new S3Error('InvalidURI');
        return [name, value] as const;
      }),
  );
}

/** Parameters that turn a read of an object into another operation, or that this endpoint does not know. */
const OBJECT_SUBRESOURCES = new Set([
  'acl',
  'attributes',
  'legal-hold',
  'partNumber',
  'retention',
  'tagging',
  'torrent',
  'uploadId',
  'versionId',
]);

function kindOf(method: string, bucket: string | null, key: ByteString, query: Query): RequestKind {
  if (bucket === null) return 'other';
  if (key === '') return method === 'GET' && query.get('list-type') === '2' ? 'list' : 'other';
  if (query.pairs.some(([name]) => OBJECT_SUBRESOURCES.has(name))) return 'other';
  return method === 'GET' ? 'get' : method === 'HEAD' ? 'head' : 'other';
}

/** The bucket that the host names, or null: path style. */
function bucketOfHost(host: string, domain: string | null): string | null {
  if (domain === null) return null;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name.endsWith('.' + domain) ? name.slice(0, -domain.length - 1) : null;
}

/**
 * Takes `message`'s target apart.
 * @param domain the domain of virtual-host style, in lower case; null: path style only
 * @throws S3Error InvalidURI
 */
export function parseRequest(message: IncomingMessage, domain: string | null): S3Request {
  const method = message.method ?? '';
  const target = message.url ?? '';
  const mark = target.indexOf('?');
  const path = percentDecode(mark < 0 ? target : target.slice(0, mark));
  if (path?.startsWith('/') !== true) throw new S3Error('InvalidURI');
  const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1));
  const hostBucket = bucketOfHost(message.headers.host ?? '', domain);
  let bucket: string | null = hostBucket;
  let key = path.slice(1);
  if (hostBucket === null) {
    const slash = key.indexOf('/');
    bucket = slash < 0 ? key : key.slice(0, slash);
    key = slash < 0 ? '' : key.slice(slash + 1);
    if (bucket === '') bucket = null;
  }
  return {
    method,
    kind: kindOf(method, bucket, key as ByteString, query),
    bucket,
    key: key as ByteString,
    path,
    query,
  };
}
