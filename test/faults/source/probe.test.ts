/** Each way in which a source can be set up wrongly, met for real: one line that names the thing and the way out. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  BytesContent,
  fullReadPolicy,
  makeCertificate,
  ObjectStore,
  readPolicy,
  S3Endpoint,
  storedObject,
  type Certificate,
} from '../../../demo/endpoint/index.ts';
import { DlfsError, type ErrorCode } from '../../../src/base/errors.ts';
import type { SourceOptionsInput } from '../../../src/dataset/source-options.ts';
import { VersityGw } from '../../support/s3/versitygw.ts';
import { BARE_ENVIRONMENT, environmentOf, openSource } from './set-up.ts';

const KEYS = { accessKeyId: 'AKTEST', secretAccessKey: 'TOPSECRET' };
const resources = new AsyncDisposableStack();
let folder = '';
let certificate: Certificate;
let endpoint: S3Endpoint;
let secure: S3Endpoint;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dlfs-probe-'));
  resources.defer(() => rmSync(folder, { recursive: true }));
  certificate = await makeCertificate(folder);
  const options = {
    buckets: {
      data: {
        objects: new ObjectStore([
          storedObject('a/x', new BytesContent(Buffer.from('hello'))),
          storedObject('b', new BytesContent(Buffer.from(''))),
        ]),
      },
    },
    credentials: [
      { ...KEYS, policy: fullReadPolicy },
      { accessKeyId: 'AKNONE', secretAccessKey: 'none', policy: { allows: () => false, tellsMissing: false } },
      { accessKeyId: 'AKLEAST', secretAccessKey: 'least', policy: readPolicy('a/') },
    ],
    region: 'eu-west-1',
  };
  endpoint = resources.use(await S3Endpoint.start(options));
  secure = resources.use(await S3Endpoint.start({ ...options, tls: certificate }));
});
after(() => resources.disposeAsync());

const ENVIRONMENT = environmentOf(KEYS, { AWS_REGION: 'eu-west-1' });

async function probe(input: SourceOptionsInput, environment: Readonly<Record<string, string>> = ENVIRONMENT) {
  await using opened = await openSource(input, environment);
  return await opened.source.probe();
}

async function refuses(
  input: SourceOptionsInput,
  code: ErrorCode,
  message: RegExp,
  environment: Readonly<Record<string, string>> = ENVIRONMENT,
): Promise<void> {
  await assert.rejects(probe(input, environment), (error: unknown) => {
    assert.ok(error instanceof DlfsError);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n|TOPSECRET/);
    return true;
  });
}

test('a bucket that is as it should be shows a sample of its objects and how long that took', async () => {
  const report = await probe({ source: 's3://data', endpoint: endpoint.url });
  assert.deepEqual(
    report.sample.map(({ key, size }) => [key, size]),
    [
      ['a/x', 5],
      ['b', 0],
    ],
  );
  assert.deepEqual([report.more, report.region], [false, 'eu-west-1']);
  assert.ok(report.millis > 0);
});

test('ListBucket on the prefix and GetObject are rights enough', async () => {
  const keys = environmentOf({ accessKeyId: 'AKLEAST', secretAccessKey: 'least' }, { AWS_REGION: 'eu-west-1' });
  endpoint.resetCounters();
  assert.equal((await probe({ source: 's3://data/a', endpoint: endpoint.url }, keys)).sample.length, 1);
  const { list, head, get, other } = endpoint.counters();
  assert.deepEqual([list.requests, head.requests, get.requests, other.requests], [1, 0, 0, 0]);
});

test('an empty prefix is no error', async () => {
  assert.deepEqual((await probe({ source: 's3://data/nothing/here', endpoint: endpoint.url })).sample, []);
});

test('a bucket that does not exist is named', () =>
  refuses(
    { source: 's3://dada', endpoint: endpoint.url },
    'bucket-not-found',
    /"dada" does not exist at http:\/\/127\.0\.0\.1/,
  ));

test('a wrong secret is blamed on where it came from', () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url },
    'unauthenticated',
    /does not accept the keys of the environment .*SignatureDoesNotMatch/,
    { ...ENVIRONMENT, AWS_SECRET_ACCESS_KEY: 'wrong' },
  ));

test('an unknown key is blamed on where it came from', () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url },
    'unauthenticated',
    /does not accept the keys of .*InvalidAccessKeyId/,
    { ...ENVIRONMENT, AWS_ACCESS_KEY_ID: 'AKWRONG' },
  ));

test('keys without the right say which right is missing', () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url },
    'access-denied',
    /s3:ListBucket on its prefix is needed/,
    environmentOf({ accessKeyId: 'AKNONE', secretAccessKey: 'none' }, { AWS_REGION: 'eu-west-1' }),
  ));

test('no keys at all says how to give some', () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url },
    'unauthenticated',
    /no keys were found.*AWS_ACCESS_KEY_ID.*--profile.*--anonymous/,
    BARE_ENVIRONMENT,
  ));

test('a bucket that is not public says so to who comes without keys', () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url, anonymous: true },
    'access-denied',
    /readers without keys \(--anonymous\)/,
  ));

test('a profile that does not exist is named', () =>
  refuses({ source: 's3://data', endpoint: endpoint.url, profile: 'nosuch' }, 'unauthenticated', /profile nosuch/, {
    ...BARE_ENVIRONMENT,
    AWS_REGION: 'eu-west-1',
  }));

test("the bucket's own region is named where another was configured", () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url, region: 'us-west-2' },
    'region-mismatch',
    /in region eu-west-1, not in us-west-2: use --region eu-west-1/,
  ));

test('a missing region is refused before anything is sent', () =>
  refuses({ source: 's3://data' }, 'invalid-argument', /no region.*--region.*AWS_REGION/, environmentOf(KEYS)));

test("an endpoint of one's own needs no region", async () => {
  await using plain = await S3Endpoint.start({
    buckets: { data: { objects: new ObjectStore() } },
    credentials: [{ ...KEYS, policy: fullReadPolicy }],
  });
  assert.equal((await probe({ source: 's3://data', endpoint: plain.url }, environmentOf(KEYS))).region, 'us-east-1');
});

test('endpoint and region may come from the environment, and localhost gets path style', async () => {
  const environment = {
    ...environmentOf(KEYS),
    AWS_ENDPOINT_URL_S3: endpoint.url.replace('127.0.0.1', 'localhost'),
    AWS_DEFAULT_REGION: 'eu-west-1',
  };
  await using opened = await openSource({ source: 's3://data' }, environment);
  assert.match(opened.source.describe, /^s3:\/\/data at http:\/\/localhost:\d+$/);
  assert.equal(opened.source.endpoint.basePath, '/data/');
  assert.equal((await opened.source.probe()).sample.length, 2);
});

test('an endpoint where nothing listens is named', async () => {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await refuses(
    { source: 's3://data', endpoint: `http://127.0.0.1:${port}` },
    'endpoint-unreachable',
    new RegExp(`nothing listens at http://127\\.0\\.0\\.1:${port}`),
  );
});

test('a web server is not taken for S3, whatever its status', async () => {
  for (const status of [200, 403, 404, 400]) {
    const server = createServer((_, response) =>
      response.writeHead(status, { 'content-type': 'text/html' }).end('<html><body>It works!</body></html>'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await refuses({ source: 's3://data', endpoint: url }, 'endpoint-not-s3', /web page|no S3 error/);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
});

test('TLS spoken to a plain port says to write http', () =>
  refuses(
    { source: 's3://data', endpoint: endpoint.url.replace('http:', 'https:') },
    'endpoint-not-s3',
    /does not speak TLS: write http:\/\//,
  ));

test('plain HTTP spoken to a TLS port says to write https', async () => {
  await using gateway = await VersityGw.start({ tls: certificate });
  for (const { url } of [secure, gateway]) {
    const plain = url.replace('https:', 'http:');
    await refuses(
      { source: 's3://data', endpoint: plain },
      'endpoint-unreachable',
      /if it speaks TLS, write https:\/\//,
    );
  }
});

test('an unknown authority says to name it, and is known once that is done', async () => {
  await refuses(
    { source: 's3://data', endpoint: secure.url },
    'tls-untrusted',
    /authority that this machine does not know.*--ca-file/,
  );
  assert.equal(
    (await probe({ source: 's3://data', endpoint: secure.url, caFile: certificate.caFile })).sample.length,
    2,
  );
  assert.equal(
    (await probe({ source: 's3://data', endpoint: secure.url }, { ...ENVIRONMENT, AWS_CA_BUNDLE: certificate.caFile }))
      .sample.length,
    2,
  );
});

test('an authority file that is none is refused before anything is sent', async () => {
  const path = join(folder, 'none.pem');
  writeFileSync(path, readFileSync(certificate.caFile, 'utf8').replaceAll('-', '='));
  await refuses(
    { source: 's3://data', endpoint: secure.url, caFile: path },
    'invalid-argument',
    /^--ca-file: .*none\.pem holds no certificate/,
  );
});

test('a proxy that is down, or none, is named instead of the endpoint', async () => {
  await refuses(
    { source: 's3://data', endpoint: endpoint.url },
    'endpoint-unreachable',
    /the proxy http:\/\/127\.0\.0\.1:1 .*HTTP_PROXY/,
    { ...ENVIRONMENT, HTTP_PROXY: 'http://127.0.0.1:1' },
  );
  await refuses(
    { source: 's3://data', endpoint: endpoint.url },
    'invalid-argument',
    /HTTP_PROXY names a proxy by socks5/,
    { ...ENVIRONMENT, HTTP_PROXY: 'socks5://127.0.0.1:1' },
  );
});

test('a directory bucket is refused for what it is', () =>
  refuses({ source: 's3://fast--use1-az4--x-s3' }, 'unsupported', /directory bucket/));

test('a probe can be given up', async () => {
  const silent = createTcpServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<void>((resolve) =>
    silent.once('connection', (socket) => {
      socket.on('error', () => undefined);
      resolve();
    }),
  );
  try {
    await using opened = await openSource(
      { source: 's3://data', endpoint: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` },
      ENVIRONMENT,
    );
    const controller = new AbortController();
    const probing = opened.source.probe(controller.signal);
    await accepted;
    controller.abort();
    await assert.rejects(probing, { code: 'interrupted' });
  } finally {
    await new Promise((resolve) => silent.close(resolve));
  }
});
