/**
 * Holds the embedded endpoint against versitygw, request by request, so that it cannot drift into a mock.
 *
 * Both serve the same objects to the same keys. Each row of the table is one signed request; status, error code, the
 * headers that a client reads, and the body (a listing as its entries in order) must be the same. Where the two are
 * known to differ, the row says why and pins both answers, so that a change on either side shows.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { BytesContent, ObjectStore, S3Endpoint, fullReadPolicy, storedObject } from '../../demo/endpoint/index.ts';
import type { RawRequest, RawResponse } from '../support/s3/signed-request.ts';
import { RawS3Client, uriEscape, xmlElement } from '../support/s3/signed-request.ts';
import { VersityGw } from '../support/s3/versitygw.ts';

const BUCKET = 'conformance';

/** Keys with everything that a posix backend can hold, their content, and enough siblings for several pages. */
const OBJECTS: readonly (readonly [key: string, body: string])[] = [
  ['a.txt', 'hello world'],
  ['dir/one', '1'],
  ['dir/sub/three', '333'],
  ['dir/two', '22'],
  // '-' and '.' sort before '/', '0' behind it: a walk by folders gets the order of these wrong.
  ['dir-x', 'x'],
  ['dir.y', 'y'],
  ['dir0', '0'],
  ['empty', ''],
  ['marker/', ''],
  ['sp ace/pl+us/per%25cent/am&p;<x>"q\'.txt', 'odd'],
  ['tilde~star*(paren)!$,:;=@.txt', 'reserved'],
  ['üñí/кот/日本語.txt', 'cat'],
  // U+1F600 sorts behind U+FF5E by bytes, before it by UTF-16 units.
  ['z/\u{1F600}', 'emoji'],
  ['z/\uFF5E', 'fullwidth tilde'],
  ...Array.from({ length: 25 }, (_, n) => [`many/${String(n).padStart(2, '0')}`, `number ${String(n)}`] as const),
];

const ETAG = '"5eb63bbbe01eeed093cb22bb8f5acdc3"'; // md5 of 'hello world'
const LAST_MODIFIED = 'Mon, 01 Jan 2024 00:00:00 GMT';

/** What is compared of a response. */
interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** An object's body, a listing's fields, or an error's code and telling elements. */
  readonly body: unknown;
}

/** The headers that a client reads. content-type is the uploader's matter, the rest of them the server's. */
const HEADERS = ['accept-ranges', 'content-range', 'etag', 'last-modified', 'x-amz-bucket-region'];
const ERROR_ELEMENTS = [
  'Code',
  'Condition',
  'Region',
  'ActualObjectSize',
  'RangeRequested',
  'MaxAllowedSkewMilliseconds',
  'HeadersNotSigned',
  'ArgumentName',
];

function unescapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(#x?[0-9a-f]+|\w+);/gi, (_, name: string) =>
    name.startsWith('#')
      ? String.fromCodePoint(name[1] === 'x' ? parseInt(name.slice(2), 16) : Number(name.slice(1)))
      : (names[name] ?? ''),
  );
}

function listing(xml: string): unknown {
  const element = (within: string, name: string): string | null => {
    const text = xmlElement(within, name);
    return text === null ? null : unescapeXml(text);
  };
  const head = xml.replace(/<(Contents|CommonPrefixes)>.*?<\/\1>/gs, '');
  return {
    name: element(head, 'Name'),
    // versitygw leaves empty elements out.
    prefix: element(head, 'Prefix') ?? '',
    delimiter: element(head, 'Delimiter'),
    startAfter: element(head, 'StartAfter'),
    keyCount: element(head, 'KeyCount'),
    maxKeys: element(head, 'MaxKeys'),
    truncated: element(head, 'IsTruncated'),
    hasNextToken: element(head, 'NextContinuationToken') !== null,
    contents: [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, entry = '']) => ({
      key: element(entry, 'Key'),
      etag: element(entry, 'ETag'),
      size: element(entry, 'Size'),
      storageClass: element(entry, 'StorageClass'),
      lastModified: Date.parse(element(entry, 'LastModified') ?? ''),
    })),
    prefixes: [...xml.matchAll(/<CommonPrefixes>(.*?)<\/CommonPrefixes>/gs)].map(([, entry = '']) =>
      element(entry, 'Prefix'),
    ),
  };
}

function outcome(response: RawResponse): Outcome {
  const headers: Record<string, string> = {};
  for (const name of HEADERS) {
    const value = response.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const text = response.body.toString('utf8');
  // Lengths of XML bodies depend on their wording.
  const isXml = text.startsWith('<?xml');
  if (!isXml && response.status < 300 && response.headers.etag !== undefined) {
    headers['content-length'] = response.headers['content-length'] ?? '';
  }
  if (!isXml) return { status: response.status, headers, body: text };
  if (text.includes('<ListBucketResult')) return { status: response.status, headers, body: listing(text) };
  // versitygw leaves an ActualObjectSize of 0 out.
  const defaults = xmlElement(text, 'Code') === 'InvalidRange' ? { ActualObjectSize: '0' } : {};
  const elements = Object.fromEntries(
    ERROR_ELEMENTS.flatMap((name) => {
      const value = xmlElement(text, name);
      return value === null ? [] : [[name, value]];
    }),
  );
  return { status: response.status, headers, body: { ...defaults, ...elements } };
}

/** Headers that the endpoint answers with a status and versitygw does not, with the reason to answer them. */
const HEADER_DEVIATIONS: readonly (readonly [status: number, headers: readonly string[], reason: string])[] = [
  [304, ['etag', 'last-modified'], 'RFC 9110 15.4.5 asks for the ETag, and real S3 sends both'],
  [416, ['content-range'], "RFC 9110 15.5.17 asks for the object's size"],
  [400, ['x-amz-bucket-region'], 'real S3 tells the region to who signed for another one'],
];

/** `ours` without the headers that are known to be the endpoint's alone; each must be missing in `theirs`. */
function withoutKnownHeaders(ours: Outcome, theirs: Outcome): Outcome {
  const headers = { ...ours.headers };
  for (const [status, names, reason] of HEADER_DEVIATIONS) {
    if (ours.status !== status) continue;
    for (const name of names) {
      assert.equal(theirs.headers[name], undefined, `versitygw answers ${name} now; the table says: ${reason}`);
      Reflect.deleteProperty(headers, name);
    }
  }
  return { ...ours, headers };
}

/** A row: a request, and, where the two servers are known to differ, why and how. */
interface Row {
  readonly name: string;
  readonly request: RawRequest;
  readonly deviation?: { readonly reason: string; readonly versitygw: string; readonly endpoint: string };
}

const object = (key: string, headers: Record<string, string> = {}, method = 'GET'): RawRequest => ({
  method,
  path: `/${BUCKET}/${uriEscape(key, true)}`,
  headers,
});
const list = (query = ''): RawRequest => ({
  path: `/${BUCKET}`,
  query: `list-type=2${query === '' ? '' : '&' + query}`,
});

/** A response in one line, as deviations are written down. */
function summary({ status, body }: Outcome): string {
  if (typeof body === 'string') return `${String(status)} ${body}`.trim();
  const { Code, contents, prefixes } = body as {
    Code?: string;
    contents?: { key: string }[];
    prefixes?: string[];
  };
  return `${String(status)} ${Code ?? [...(contents ?? []).map(({ key }) => key), ...(prefixes ?? [])].join(' ')}`.trim();
}

const LIST_ROWS: readonly Row[] = [
  { name: 'all of a bucket', request: list() },
  { name: 'with a slash behind the bucket', request: { path: `/${BUCKET}/`, query: 'list-type=2' } },
  { name: 'by delimiter', request: list('delimiter=%2F') },
  { name: 'by prefix', request: list('prefix=dir%2F') },
  { name: 'by prefix and delimiter', request: list('delimiter=%2F&prefix=dir%2F') },
  { name: 'by a prefix that ends within a name', request: list('delimiter=%2F&prefix=di') },
  { name: 'by a prefix with odd characters', request: list(`prefix=${uriEscape('sp ace/pl+us/')}&delimiter=%2F`) },
  { name: 'by a prefix in UTF-8', request: list(`prefix=${uriEscape('üñí/')}&delimiter=%2F`) },
  { name: 'by a prefix that nothing has', request: list('prefix=nothing') },
  { name: 'by a delimiter of two characters', request: list('delimiter=ir') },
  { name: 'below a directory marker', request: list('delimiter=%2F&prefix=marker%2F') },
  { name: 'two keys a page', request: list('max-keys=2') },
  { name: 'a page that ends at a common prefix', request: list('max-keys=4&delimiter=%2F') },
  { name: 'no keys', request: list('max-keys=0') },
  { name: 'more keys than a page may have', request: list('max-keys=5000') },
  { name: 'a negative number of keys', request: list('max-keys=-1') },
  { name: 'a number of keys that is none', request: list('max-keys=x') },
  { name: 'start-after a key', request: list('start-after=dir%2Fone') },
  { name: 'start-after what is no key', request: list('start-after=dir%2Fp') },
  { name: 'start-after the last key', request: list(`start-after=${uriEscape('üñí/кот/日本語.txt')}`) },
  { name: 'start-after with a delimiter', request: list('delimiter=%2F&start-after=dir-x') },
  { name: 'start-after a common prefix', request: list('delimiter=%2F&start-after=dir%2F') },
  { name: 'start-after a key below a common prefix', request: list('delimiter=%2F&start-after=dir%2Fone') },
  {
    name: 'an encoding that does not exist',
    request: list('encoding-type=base64'),
    deviation: {
      reason: 'versitygw ignores encoding-type (versity/versitygw#813)',
      versitygw: `200 ${[...OBJECTS.map(([key]) => key)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).join(' ')}`,
      endpoint: '400 InvalidArgument',
    },
  },
  {
    name: 'keys form-encoded',
    request: list('encoding-type=url&prefix=sp'),
    deviation: {
      reason: 'versitygw ignores encoding-type (versity/versitygw#813); real S3 encodes a space as "+"',
      versitygw: '200 sp ace/pl+us/per%25cent/am&p;<x>"q\'.txt',
      endpoint: '200 sp+ace/pl%2Bus/per%2525cent/am%26p%3B%3Cx%3E%22q%27.txt',
    },
  },
  {
    name: 'by a token that the server did not issue',
    request: list('continuation-token=many%2F20&prefix=many'),
    deviation: {
      reason: "versitygw's token is the plain last key; real S3's is opaque and checked",
      versitygw: '200 many/21 many/22 many/23 many/24',
      endpoint: '400 InvalidArgument',
    },
  },
  { name: 'a bucket that does not exist', request: { path: '/nosuchbucket', query: 'list-type=2' } },
];

const RANGES = [
  'bytes=0-4',
  'bytes=0-0',
  'bytes=6-',
  'bytes=0-',
  'bytes=-5',
  'bytes=-100',
  'bytes=5-100',
  'bytes=10-10',
  'bytes=11-',
  'bytes=11-12',
  'bytes=100-200',
  'bytes=-0',
  'bytes=5-2',
  'bytes=0-1,3-4',
  'bytes=',
  'bytes=-',
  'bytes=a-b',
  'chars=0-1',
];

const OBJECT_ROWS: readonly Row[] = [
  ...OBJECTS.flatMap(([key]) => [
    { name: `GET ${key}`, request: object(key) },
    { name: `HEAD ${key}`, request: object(key, {}, 'HEAD') },
  ]),
  { name: "GET with the SDK's x-id", request: { ...object('a.txt'), query: 'x-id=GetObject' } },
  { name: 'GET of a missing key', request: object('nope') },
  { name: 'HEAD of a missing key', request: object('nope', {}, 'HEAD') },
  { name: 'GET of a common prefix', request: object('dir') },
  { name: 'GET of a common prefix with its slash', request: object('dir/') },
  { name: 'GET of a key in a bucket that does not exist', request: { path: '/nosuchbucket/a.txt' } },
  {
    name: 'GET of a key with two slashes',
    request: object('dir//one'),
    deviation: {
      reason: 'a posix backend cannot tell "dir//one" from "dir/one"; for S3 they are two keys',
      versitygw: '200 1',
      endpoint: '404 NoSuchKey',
    },
  },
  ...RANGES.map((range) => ({ name: `GET ${range} of 11 bytes`, request: object('a.txt', { range }) })),
  ...['bytes=0-', 'bytes=0-0', 'bytes=-5', 'bytes=-0'].map((range) => ({
    name: `GET ${range} of an empty object`,
    request: object('empty', { range }),
  })),
  { name: 'HEAD with a range', request: object('a.txt', { range: 'bytes=0-4' }, 'HEAD') },
];

const CONDITION_ROWS: readonly Row[] = (
  [
    ['If-Match that holds', { 'if-match': ETAG }],
    ['If-Match without quotes', { 'if-match': ETAG.slice(1, -1) }],
    ['If-Match: *', { 'if-match': '*' }],
    ['If-Match that fails', { 'if-match': '"no"' }],
    ['If-Match that holds, with a range', { 'if-match': ETAG, range: 'bytes=1-2' }],
    ['If-Match that fails, with a range that cannot be satisfied', { 'if-match': '"no"', range: 'bytes=100-' }],
    ['If-None-Match that holds', { 'if-none-match': '"no"' }],
    ['If-None-Match that fails', { 'if-none-match': ETAG }],
    ['If-None-Match: *', { 'if-none-match': '*' }],
    ['If-Modified-Since its own time', { 'if-modified-since': LAST_MODIFIED }],
    ['If-Modified-Since before', { 'if-modified-since': 'Sun, 31 Dec 2023 00:00:00 GMT' }],
    ['If-Modified-Since that is no time', { 'if-modified-since': 'yesterday' }],
    ['If-Unmodified-Since before', { 'if-unmodified-since': 'Sun, 31 Dec 2023 00:00:00 GMT' }],
    ['If-Unmodified-Since after', { 'if-unmodified-since': 'Tue, 02 Jan 2024 00:00:00 GMT' }],
    [
      'If-Match that holds over If-Unmodified-Since that fails',
      { 'if-match': ETAG, 'if-unmodified-since': 'Sun, 31 Dec 2023 00:00:00 GMT' },
    ],
    [
      'If-None-Match that holds over If-Modified-Since that fails',
      { 'if-none-match': '"no"', 'if-modified-since': LAST_MODIFIED },
    ],
    ['If-Match that holds and If-None-Match that fails', { 'if-match': ETAG, 'if-none-match': ETAG }],
    ['If-Match that holds and If-Modified-Since that fails', { 'if-match': ETAG, 'if-modified-since': LAST_MODIFIED }],
    [
      'If-None-Match and If-Unmodified-Since that fail',
      { 'if-none-match': ETAG, 'if-unmodified-since': 'Sun, 31 Dec 2023 00:00:00 GMT' },
    ],
  ] as const
)
  .flatMap(([name, headers]): Row[] => [
    { name: `GET, ${name}`, request: object('a.txt', { ...headers }) },
    { name: `HEAD, ${name}`, request: object('a.txt', { ...headers }, 'HEAD') },
  ])
  .concat([
    { name: 'GET of a missing key, If-Match', request: object('nope', { 'if-match': ETAG }) },
    {
      name: 'GET, If-Unmodified-Since its own time',
      request: object('a.txt', { 'if-unmodified-since': LAST_MODIFIED }),
      deviation: {
        reason: 'versitygw takes "not modified since" its own time for false; RFC 9110 13.1.4 takes it for true',
        versitygw: '412 PreconditionFailed',
        endpoint: '200 hello world',
      },
    },
    {
      name: 'GET, If-Match with a list',
      request: object('a.txt', { 'if-match': `"no", ${ETAG}` }),
      deviation: {
        reason: 'versitygw compares the header as a whole; RFC 9110 13.1.1 allows a list',
        versitygw: '412 PreconditionFailed',
        endpoint: '200 hello world',
      },
    },
  ]);

const NOBODY = { accessKeyId: 'AKNOBODY', secretAccessKey: 'none' };

const AUTHORIZATION_ROWS: readonly Row[] = [
  { name: 'unsigned', request: { ...object('a.txt'), keys: null } },
  { name: 'signed for another region', request: { ...object('a.txt'), region: 'eu-west-1' } },
  { name: 'signed an hour ago', request: { ...object('a.txt'), time: Date.now() - 3600_000 } },
  { name: 'signed an hour ahead', request: { ...object('a.txt'), time: Date.now() + 3600_000 } },
  { name: 'with another path than signed', request: { ...object('a.txt'), sentPath: `/${BUCKET}/dir0` } },
  { name: 'with another query than signed', request: { ...list('prefix=a'), sentQuery: 'list-type=2&prefix=b' } },
  { name: 'with another method than signed', request: { ...object('a.txt'), sentMethod: 'HEAD' } },
  {
    name: 'with a header that is not signed',
    request: { ...object('a.txt'), tampered: { 'x-amz-foo': '1' } },
  },
  {
    name: 'without a payload hash',
    request: { ...object('a.txt'), tampered: { 'x-amz-content-sha256': null } },
  },
  { name: 'with the hash of another payload', request: { ...object('a.txt'), payloadHash: '0'.repeat(64) } },
  {
    name: 'with the hash of its empty payload',
    request: {
      ...object('a.txt'),
      payloadHash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    },
  },
  {
    name: 'with an Authorization header that lacks its parts',
    request: { ...object('a.txt'), tampered: { authorization: 'AWS4-HMAC-SHA256 foo' } },
  },
  {
    name: 'signed by version 2',
    request: { ...object('a.txt'), tampered: { authorization: 'AWS AK:c2lnbmF0dXJl' } },
  },
  {
    name: 'with a key that does not exist',
    request: { ...object('a.txt'), keys: NOBODY },
    deviation: {
      reason: "versitygw in single-account mode answers its own code; real S3's is InvalidAccessKeyId",
      versitygw: '404 XAdminUserNotFound',
      endpoint: '403 InvalidAccessKeyId',
    },
  },
  {
    name: 'with a malformed escape in the path',
    request: { path: `/${BUCKET}/a%zz` },
    deviation: {
      reason: 'versitygw does not handle it',
      versitygw: '500 InternalError',
      endpoint: '400 InvalidURI',
    },
  },
  { name: 'HeadBucket', request: { path: `/${BUCKET}`, method: 'HEAD' } },
  { name: 'HeadBucket of a bucket that does not exist', request: { path: '/nosuchbucket', method: 'HEAD' } },
  { name: 'GetBucketLocation', request: { path: `/${BUCKET}`, query: 'location' } },
];

describe('the embedded endpoint against versitygw', () => {
  const resources = new AsyncDisposableStack();
  let gateway: VersityGw;
  let endpoint: S3Endpoint;
  let clients: { readonly gateway: RawS3Client; readonly endpoint: RawS3Client };

  before(async () => {
    gateway = resources.use(await VersityGw.start());
    await gateway.createBucket(BUCKET);
    await gateway.writeObjects(
      BUCKET,
      OBJECTS.map(([key, body]) => ({ key, body })),
    );
    const { accessKeyId, secretAccessKey } = gateway;
    endpoint = resources.use(
      await S3Endpoint.start({
        buckets: {
          [BUCKET]: {
            objects: new ObjectStore(OBJECTS.map(([key, body]) => storedObject(key, new BytesContent(body)))),
          },
        },
        // versitygw's root key may do everything.
        credentials: [{ accessKeyId, secretAccessKey, policy: fullReadPolicy }],
      }),
    );
    clients = {
      gateway: resources.use(new RawS3Client(gateway.url, gateway)),
      endpoint: resources.use(new RawS3Client(endpoint.url, gateway)),
    };
  });
  after(() => resources.disposeAsync());

  for (const [group, rows] of [
    ['lists', LIST_ROWS],
    ['serves objects', OBJECT_ROWS],
    ['weighs conditions', CONDITION_ROWS],
    ['checks requests', AUTHORIZATION_ROWS],
  ] as const) {
    describe(`${group} alike`, () => {
      for (const { name, request, deviation } of rows) {
        test(deviation === undefined ? name : `${name} (known to differ: ${deviation.reason})`, async () => {
          const theirs = outcome(await clients.gateway.send(request));
          const ours = outcome(await clients.endpoint.send(request));
          if (deviation === undefined) {
            assert.deepEqual(withoutKnownHeaders(ours, theirs), theirs);
          } else {
            assert.equal(summary(theirs), deviation.versitygw);
            assert.equal(summary(ours), deviation.endpoint);
          }
        });
      }
    });
  }

  for (const query of ['', 'delimiter=%2F', 'prefix=many%2F', 'delimiter=%2F&prefix=z%2F', 'start-after=dir-x']) {
    for (const pageSize of [1, 3, 7]) {
      test(`pages of ${String(pageSize)} by "${query}" hold the same entries`, async () => {
        const pages = async (client: RawS3Client): Promise<unknown[]> => {
          const all: unknown[] = [];
          let token: string | null = null;
          do {
            const parts = ['list-type=2', `max-keys=${String(pageSize)}`, query];
            if (token !== null) parts.push(`continuation-token=${uriEscape(token)}`);
            const response = await client.send({
              path: `/${BUCKET}`,
              query: parts.filter((part) => part !== '').join('&'),
            });
            all.push(outcome(response));
            token = xmlElement(response.body, 'NextContinuationToken');
            token &&= unescapeXml(token);
          } while (token !== null);
          return all;
        };
        assert.deepEqual(await pages(clients.endpoint), await pages(clients.gateway));
      });
    }
  }

  for (const server of ['endpoint', 'gateway'] as const) {
    test(`the SDK lists, heads and gets everything from the ${server}`, async () => {
      const client = new S3Client({
        endpoint: server === 'endpoint' ? endpoint.url : gateway.url,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: gateway.accessKeyId, secretAccessKey: gateway.secretAccessKey },
      });
      try {
        const keys: string[] = [];
        for await (const page of paginateListObjectsV2({ client, pageSize: 4 }, { Bucket: BUCKET })) {
          for (const { Key } of page.Contents ?? []) keys.push(Key ?? '');
        }
        assert.deepEqual(keys.toSorted(), OBJECTS.map(([key]) => key).toSorted());
        for (const [Key, body] of OBJECTS) {
          const head = await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key }));
          assert.equal(head.ContentLength, Buffer.byteLength(body), Key);
          assert.equal(head.LastModified?.toUTCString(), LAST_MODIFIED);
          const got = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key, IfMatch: head.ETag }));
          assert.equal(await got.Body?.transformToString(), body, Key);
        }
        const folders = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Delimiter: '/' }));
        assert.deepEqual(
          folders.CommonPrefixes?.map(({ Prefix }) => Prefix),
          ['dir/', 'many/', 'marker/', 'sp ace/', 'z/', 'üñí/'],
        );
        await assert.rejects(client.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'nope' })), NoSuchKey);
      } finally {
        client.destroy();
      }
    });
  }
});
