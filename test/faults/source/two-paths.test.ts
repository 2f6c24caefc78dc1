/**
 * Holds the two paths to a bucket together: what the SDK lists and reads, and what the lean GET reads, against servers that
 * check signatures.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { GetObjectCommand, S3Client, type S3ServiceException } from '@aws-sdk/client-s3';
import {
  BytesContent,
  fullReadPolicy,
  makeCertificate,
  ObjectStore,
  readPolicy,
  S3Endpoint,
  storedObject,
  type RequestRecord,
} from '../../../demo/endpoint/index.ts';
import { VersityGw } from '../../support/s3/versitygw.ts';
import { ForwardProxy } from './forward-proxy.ts';
import { environmentOf, failedReply, listAll, openSource, send, type Keys, type OpenedSource } from './set-up.ts';

/** Keys with every character that a path, an XML text or a URL could trip over. */
const ODD_KEYS: readonly string[] = [
  'plain.txt',
  'dir/inner/file',
  ' leading and trailing ',
  'a+b c%20d%2Fe%',
  'question?mark#hash&amp=1;x',
  'quote\'"<xml>&lt;]]>',
  '(round)[square]{curly}*!~$@:,|\\^`',
  'ünïcödé/日本語/\u{1F600}',
  '\uE000 before \u{10000}',
  'tab\tline\nreturn\rend',
  '~tilde/.hidden/..dots../...',
  'HTTP/1.1\r\nhost: evil',
  '=equals/?/x',
];

/** Only for servers that keep any key: no folder can hold these names. */
const IMPOSSIBLE_KEYS: readonly string[] = [
  'a//b',
  '/leading',
  'up/../down',
  './dot',
  '..',
  'nul\0byte',
  '\u0001control',
  'slash/',
  'x'.repeat(1024),
];

const bodyOf = (key: string): string => `the bytes of ${JSON.stringify(key)}, long enough for a range`;

const contentOf = (key: string): BytesContent => new BytesContent(Buffer.from(bodyOf(key)));

/** A server with ODD_KEYS in bucket `data`. */
interface Server {
  readonly url: string;
  readonly keys: Keys;
  readonly objects: readonly string[];
}

async function withClient<T>(server: Server, use: (client: S3Client) => Promise<T>): Promise<T> {
  const client = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: server.keys,
    maxAttempts: 1,
  });
  try {
    return await use(client);
  } finally {
    client.destroy();
  }
}

function holdTogether(open: () => Promise<OpenedSource>, server: () => Server): void {
  let opened: OpenedSource;
  before(async () => {
    opened = await open();
    await opened.source.ready();
  });
  after(() => opened[Symbol.asyncDispose]());

  test('every listed key is read by both paths with the same bytes', async () => {
    const { source } = opened;
    const { keys, etags } = await listAll(source, '', null, 5);
    assert.deepEqual(new Set(keys), new Set(server().objects));
    await withClient(server(), async (client) => {
      for (const key of keys) {
        const etag = etags.get(key) ?? '';
        const lean = await send(source, source.get(key, etag, 4, 20));
        const theirs = await client.send(
          new GetObjectCommand({ Bucket: 'data', Key: key, Range: 'bytes=4-23', IfMatch: etag }),
        );
        const expected = Buffer.from(bodyOf(key)).subarray(4, 24).toString('latin1');
        assert.equal(lean.status, 206, JSON.stringify(key));
        assert.equal(lean.body.toString('latin1'), expected);
        assert.equal(Buffer.from((await theirs.Body?.transformToByteArray()) ?? []).toString('latin1'), expected);
        assert.equal(lean.headers.get('etag'), theirs.ETag);
        assert.equal(lean.headers.get('content-range'), theirs.ContentRange);
      }
    });
  });

  test('what fails fails alike', async () => {
    const { source } = opened;
    const cases = [
      {
        key: 'plain.txt',
        etag: '"00000000000000000000000000000000"',
        offset: 0,
        code: 'changed-at-origin',
        theirs: 'PreconditionFailed',
      },
      { key: 'missing.txt', etag: '', offset: 0, code: 'gone', theirs: 'NoSuchKey' },
      { key: 'plain.txt', etag: '', offset: 1_000_000, code: 'protocol', theirs: 'InvalidRange' },
    ] as const;
    await withClient(server(), async (client) => {
      for (const { key, etag, offset, code, theirs } of cases) {
        const failure = source.failure(key, failedReply(await send(source, source.get(key, etag, offset, 10))));
        assert.deepEqual([failure.code, failure.key, failure.retryable], [code, key, false]);
        const condition = etag === '' ? {} : { IfMatch: etag };
        await assert.rejects(
          client.send(
            new GetObjectCommand({ Bucket: 'data', Key: key, Range: `bytes=${offset}-${offset + 9}`, ...condition }),
          ),
          (error: unknown) => (error as S3ServiceException).name === theirs,
        );
      }
    });
  });

  test('pages of any size, whole or by directory, give the same names', async () => {
    const whole = await listAll(opened.source, '', null);
    assert.equal(whole.pages, 1);
    for (const pageSize of [1, 2, 3, 1000]) {
      assert.deepEqual((await listAll(opened.source, '', null, pageSize)).keys, whole.keys);
      const top = await listAll(opened.source, '', '/', pageSize);
      assert.deepEqual(
        new Set([...top.keys, ...top.prefixes]),
        new Set(whole.keys.map((key) => /^[^/]*\/?/.exec(key)?.[0] ?? '')),
      );
    }
  });

  test('a listing that starts after a key holds what comes after it', async () => {
    const { keys } = await listAll(opened.source, '', null);
    for (const startAfter of [keys[0]!, keys[4]!, keys.at(-1)!]) {
      const rest: string[] = [];
      const options = { delimiter: null, startAfter, pageSize: 3, signal: new AbortController().signal };
      for await (const page of opened.source.list('', options)) rest.push(...page.objects.map(({ key }) => key));
      assert.deepEqual(rest, keys.slice(keys.indexOf(startAfter) + 1));
    }
  });
}

describe('versitygw', () => {
  let gateway: VersityGw;
  before(async () => {
    gateway = await VersityGw.start();
    await gateway.createBucket('data');
    await gateway.writeObjects(
      'data',
      ODD_KEYS.filter((key) => !key.includes('/..')).map((key) => ({ key, body: bodyOf(key) })),
    );
  });
  after(() => gateway[Symbol.asyncDispose]());
  const server = (): Server => ({
    url: gateway.url,
    keys: gateway,
    objects: ODD_KEYS.filter((key) => !key.includes('/..')),
  });
  holdTogether(() => openSource({ source: 's3://data', endpoint: gateway.url }, environmentOf(gateway)), server);
});

describe('the embedded endpoint', () => {
  const keys: Keys = { accessKeyId: 'AKTEST', secretAccessKey: 'secret/of+test', sessionToken: 'token/with+signs==' };
  const objects = [...ODD_KEYS, ...IMPOSSIBLE_KEYS];
  const seen: RequestRecord[] = [];
  let endpoint: S3Endpoint;
  let proxy: ForwardProxy;
  before(async () => {
    endpoint = await S3Endpoint.start({
      buckets: {
        data: { objects: new ObjectStore(objects.map((key) => storedObject(key, contentOf(key)))) },
        paid: { objects: new ObjectStore([storedObject('k', contentOf('k'))]), requesterPays: true },
      },
      credentials: [
        { ...keys, policy: fullReadPolicy },
        { accessKeyId: 'AKNARROW', secretAccessKey: 'narrow', policy: readPolicy('dir/') },
      ],
      anonymous: readPolicy('dir/'),
      domain: 's3.virtual.example',
      onRequest: (record) => seen.push(record),
    });
    proxy = await ForwardProxy.start({ target: endpoint.port });
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await endpoint[Symbol.asyncDispose]();
  });
  const server = (): Server => ({ url: endpoint.url, keys, objects });

  describe('in path style with a session token', () => {
    holdTogether(() => openSource({ source: 's3://data', endpoint: endpoint.url }, environmentOf(keys)), server);
  });

  describe('in virtual-host style through a proxy', () => {
    const environment = (): Record<string, string> =>
      environmentOf(keys, { http_proxy: `http://127.0.0.1:${proxy.port}` });
    holdTogether(
      () => openSource({ source: 's3://data', endpoint: 'http://s3.virtual.example' }, environment()),
      server,
    );

    test('both paths name the bucket in the host', async () => {
      await using opened = await openSource(
        { source: 's3://data', endpoint: 'http://s3.virtual.example' },
        environment(),
      );
      await opened.source.ready();
      proxy.asked.length = 0;
      await listAll(opened.source, '', null);
      const { head, host } = opened.source.get('plain.txt', '', 0, 1);
      await send(opened.source, { head, host });
      assert.equal(host, 'data.s3.virtual.example');
      assert.deepEqual(new Set(proxy.asked), new Set(['http://data.s3.virtual.example']));
    });
  });

  test('both paths sign the same headers with the same values, but for what the SDK tells of itself', async () => {
    await using opened = await openSource(
      { source: 's3://paid', endpoint: endpoint.url, requesterPays: true },
      environmentOf(keys),
    );
    await opened.source.ready();
    seen.length = 0;
    await send(opened.source, opened.source.get('k', '"x"', 0, 10));
    await withClient(server(), (client) =>
      client
        .send(
          new GetObjectCommand({
            Bucket: 'paid',
            Key: 'k',
            Range: 'bytes=0-9',
            IfMatch: '"x"',
            RequestPayer: 'requester',
          }),
        )
        .catch(() => undefined),
    );
    const [lean, theirs] = seen;
    const signed = (record: RequestRecord | undefined): string[] =>
      /SignedHeaders=([^,]*)/.exec(record?.headers.authorization ?? '')?.[1]?.split(';') ?? [];
    const own = ['amz-sdk-invocation-id', 'amz-sdk-request', 'x-amz-checksum-mode', 'x-amz-user-agent'];
    assert.deepEqual(
      signed(lean),
      signed(theirs).filter((name) => !own.includes(name)),
    );
    assert.ok(signed(lean).includes('x-amz-security-token') && signed(lean).includes('x-amz-request-payer'));
    for (const name of signed(lean).filter((name) => name !== 'x-amz-date'))
      assert.equal(lean?.headers[name], theirs?.headers[name], name);
  });

  test('who pays is said in both paths, and refused alike where it is not', async () => {
    await using paying = await openSource(
      { source: 's3://paid', endpoint: endpoint.url, requesterPays: true },
      environmentOf(keys),
    );
    await paying.source.ready();
    assert.deepEqual((await listAll(paying.source, '', null)).keys, ['k']);
    assert.equal((await send(paying.source, paying.source.get('k', '', 0, 5))).status, 206);
    await using other = await openSource({ source: 's3://paid', endpoint: endpoint.url }, environmentOf(keys));
    await other.source.ready();
    await assert.rejects(listAll(other.source, '', null), { code: 'access-denied' });
    const { code } = other.source.failure('k', failedReply(await send(other.source, other.source.get('k', '', 0, 5))));
    assert.equal(code, 'access-denied');
  });

  test('a key that may list and read one prefix only is enough for all of it', async () => {
    const narrow = { accessKeyId: 'AKNARROW', secretAccessKey: 'narrow' };
    await using opened = await openSource({ source: 's3://data/dir', endpoint: endpoint.url }, environmentOf(narrow));
    const { source } = opened;
    await source.ready();
    assert.deepEqual(
      (await source.probe()).sample.map(({ key }) => key),
      ['dir/inner/file'],
    );
    assert.deepEqual((await listAll(source, 'dir/', '/')).prefixes, ['dir/inner/']);
    assert.equal((await send(source, source.get('dir/inner/file', '', 0, 5))).status, 206);
    const denied = source.failure('plain.txt', failedReply(await send(source, source.get('plain.txt', '', 0, 5))));
    assert.equal(denied.code, 'access-denied');
    await assert.rejects(listAll(source, '', '/'), { code: 'access-denied' });
    assert.deepEqual(new Set(seen.slice(-5).map(({ kind }) => kind)), new Set(['list', 'get']));
  });

  test('without keys both paths go unsigned', async () => {
    await using opened = await openSource(
      { source: 's3://data/dir', endpoint: endpoint.url, anonymous: true },
      environmentOf(keys),
    );
    const { source } = opened;
    await source.ready();
    seen.length = 0;
    assert.deepEqual((await listAll(source, 'dir/', null)).keys, ['dir/inner/file']);
    assert.equal((await send(source, source.get('dir/inner/file', '', 0, 5))).status, 206);
    assert.ok(
      seen.length === 2 &&
        seen.every(
          ({ headers }) => headers.authorization === undefined && headers['x-amz-security-token'] === undefined,
        ),
    );
  });
});

describe('the embedded endpoint over TLS', () => {
  const keys: Keys = { accessKeyId: 'AKTEST', secretAccessKey: 'secret' };
  const resources = new AsyncDisposableStack();
  let endpoint: S3Endpoint;
  let caFile = '';
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dlfs-tls-'));
    resources.defer(() => rmSync(folder, { recursive: true }));
    const certificate = await makeCertificate(folder);
    caFile = certificate.caFile;
    const objects = new ObjectStore(ODD_KEYS.map((key) => storedObject(key, contentOf(key))));
    endpoint = resources.use(
      await S3Endpoint.start({
        buckets: { data: { objects } },
        credentials: [{ ...keys, policy: fullReadPolicy }],
        tls: certificate,
      }),
    );
  });
  after(() => resources.disposeAsync());

  test('the file of its authority opens both paths', async () => {
    await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url, caFile }, environmentOf(keys));
    await opened.source.ready();
    assert.equal((await listAll(opened.source, '', null, 3)).keys.length, ODD_KEYS.length);
    assert.equal((await send(opened.source, opened.source.get('plain.txt', '', 0, 9))).body.toString(), 'the bytes');
  });

  test('a name in the endpoint is checked against the certificate, directly and through a tunnel', async () => {
    await using proxy = await ForwardProxy.start({ target: endpoint.port, login: 'me:pass word' });
    const environment = environmentOf(keys, { HTTPS_PROXY: `http://me:pass%20word@127.0.0.1:${proxy.port}` });
    await using opened = await openSource(
      { source: 's3://data', endpoint: 'https://localhost:1234', caFile },
      environment,
    );
    const { source } = opened;
    await source.ready();
    assert.deepEqual(source.addresses(), [{ address: '127.0.0.1', port: proxy.port, family: 4 }]);
    assert.equal((await listAll(source, '', null)).keys.length, ODD_KEYS.length);
    assert.equal((await send(source, source.get('plain.txt', '', 0, 9))).body.toString(), 'the bytes');
    assert.deepEqual(new Set(proxy.asked), new Set(['localhost:1234']));
    await using wrong = await openSource(
      { source: 's3://data', endpoint: 'https://other.example', caFile, pathStyle: true },
      environment,
    );
    await assert.rejects(wrong.source.probe(), {
      code: 'tls-untrusted',
      message: /other\.example is for another name/,
    });
  });
});
