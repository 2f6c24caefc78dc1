/**
 * The servers that tests run against do what their wrappers promise: versitygw with objects written straight into its
 * folder, and toxiproxy with each of its toxics.
 */

import assert from 'node:assert/strict';
import { access, mkdir, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { BytesContent, ObjectStore, S3Endpoint, readPolicy, storedObject } from '../../demo/endpoint/index.ts';
import { RawS3Client } from '../support/s3/signed-request.ts';
import type { Toxic } from '../support/s3/toxiproxy.ts';
import { Toxiproxy } from '../support/s3/toxiproxy.ts';
import { VersityGw } from '../support/s3/versitygw.ts';

test('objects written into a bucket are listed with ETag, size and time, and served', async () => {
  await using gateway = await VersityGw.start();
  await gateway.createBucket('written');
  const lastModified = new Date(Date.UTC(2021, 5, 6, 7, 8, 9));
  const written = await gateway.writeObjects('written', [
    { key: 'ü/a b+c', body: 'hello', lastModified },
    { key: 'sparse', size: 3 * 2 ** 40, lastModified },
    { key: 'marker/' },
    { key: 'own-etag', body: 'x', etag: 'abc-1' },
  ]);
  assert.equal(written, 4);
  using client = new RawS3Client(gateway.url, gateway);
  const listed = (await client.send({ path: '/written', query: 'list-type=2' })).body.toString();
  assert.deepEqual(
    [...listed.matchAll(/<Key>([^<]*)<\/Key><Size>(\d+)</g)].map(([, key, size]) => `${key!} ${size!}`),
    ['marker/ 0', 'own-etag 1', 'sparse 3298534883328', 'ü/a b+c 5'],
  );
  assert.doesNotMatch(listed, /<ETag><\/ETag>|<ChecksumAlgorithm><\/ChecksumAlgorithm>/);
  const got = await client.send({ path: '/written/%C3%BC/a%20b%2Bc' });
  assert.equal(got.body.toString(), 'hello');
  assert.equal(got.headers.etag, '"5d41402abc4b2a76b9719d911017c592"');
  assert.equal(got.headers['last-modified'], lastModified.toUTCString());
  assert.equal((await client.send({ path: '/written/own-etag' })).headers.etag, '"abc-1"');
  await gateway.writeObjects('written', [{ key: 'own-etag', body: 'changed' }]);
  assert.equal((await client.send({ path: '/written/own-etag' })).body.toString(), 'changed');
  await assert.rejects(gateway.writeObjects('nowhere\0', []));
});

test('files put into a bucket become objects by stamping, with the ETag that a PUT gives', async () => {
  await using gateway = await VersityGw.start();
  const folder = await gateway.createBucket('stamped');
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub/file'), 'hello');
  await utimes(join(folder, 'sub/file'), 1_600_000_000, 1_600_000_000);
  assert.equal(await gateway.stampBucket('stamped'), 1);
  using client = new RawS3Client(gateway.url, gateway);
  const head = await client.send({ path: '/stamped/sub/file', method: 'HEAD' });
  assert.equal(head.headers.etag, '"5d41402abc4b2a76b9719d911017c592"');
  assert.equal(head.headers['last-modified'], new Date(1_600_000_000_000).toUTCString());
});

test('requests are counted by kind, with spaces in keys, errors and a reset', async () => {
  await using gateway = await VersityGw.start();
  await gateway.createBucket('counted');
  await gateway.writeObjects('counted', [{ key: 'a b /200 c', body: 'x' }]);
  using client = new RawS3Client(gateway.url, gateway);
  const path = '/counted/a%20b%20/200%20c';
  for (const request of [
    { path },
    { path },
    { path, method: 'HEAD' },
    { path: '/counted', query: 'list-type=2' },
    { path: '/counted/nope' },
    { path: '/counted', method: 'HEAD' },
  ]) {
    await client.send(request);
  }
  const { operations, ...counts } = await gateway.requests();
  assert.deepEqual(counts, { list: 1, head: 1, get: 3, other: 1, errors: 1 });
  assert.equal(operations['s3_HeadBucket'], 1);
  await gateway.resetRequests();
  assert.equal((await gateway.requests()).get, 0);
  await client.send({ path });
  assert.equal((await gateway.requests()).get, 1);
});

test('a gateway leaves neither a process nor a folder behind', async () => {
  let pid: number;
  let root: string;
  {
    await using gateway = await VersityGw.start({ versioning: true });
    ({ root } = gateway);
    ({ pid } = gateway.process);
    process.kill(pid, 0);
    await access(root);
  }
  assert.throws(() => process.kill(pid, 0));
  await assert.rejects(access(root), { code: 'ENOENT' });
});

/** An endpoint behind a proxy. */
async function proxied(stack: AsyncDisposableStack): Promise<{
  readonly get: () => Promise<number>;
  readonly add: (toxic: Toxic) => Promise<AsyncDisposable>;
  readonly disable: () => Promise<void>;
  readonly enable: () => Promise<void>;
  readonly port: number;
}> {
  const keys = { accessKeyId: 'AK', secretAccessKey: 'SK' };
  const body = new BytesContent(new Uint8Array(1_000_000));
  const endpoint = stack.use(
    await S3Endpoint.start({
      buckets: { bucket: { objects: new ObjectStore([storedObject('a', body)]) } },
      credentials: [{ ...keys, policy: readPolicy() }],
    }),
  );
  const toxiproxy = stack.use(await Toxiproxy.start());
  const proxy = await toxiproxy.proxy(endpoint.port);
  return {
    get: async () => {
      // A connection a request: some toxics act on new ones only.
      using client = new RawS3Client(`http://127.0.0.1:${String(proxy.port)}`, keys);
      return (await client.send({ path: '/bucket/a' })).body.length;
    },
    add: (toxic) => proxy.add(toxic),
    disable: () => proxy.disable(),
    enable: () => proxy.enable(),
    port: proxy.port,
  };
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

test('a proxy forwards, and delays and throttles while a toxic is in it', async () => {
  await using stack = new AsyncDisposableStack();
  const proxy = await proxied(stack);
  assert.equal(await proxy.get(), 1_000_000);
  {
    await using _ = await proxy.add({ type: 'latency', latencyMs: 100 });
    assert.ok((await milliseconds(proxy.get)) >= 99);
  }
  {
    await using _ = await proxy.add({ type: 'bandwidth', kilobytesPerSecond: 4000 });
    assert.ok((await milliseconds(proxy.get)) >= 200);
  }
  assert.equal(await proxy.get(), 1_000_000);
});

test('a proxy breaks connections: by reset, by silence, after so many bytes, and altogether', async () => {
  await using stack = new AsyncDisposableStack();
  const proxy = await proxied(stack);
  {
    await using _ = await proxy.add({ type: 'reset_peer', afterMs: 0 });
    await assert.rejects(proxy.get(), { code: 'ECONNRESET' });
  }
  {
    await using _ = await proxy.add({ type: 'timeout', afterMs: 50 });
    await assert.rejects(proxy.get(), { code: 'ECONNRESET' });
  }
  {
    await using _ = await proxy.add({ type: 'limit_data', bytes: 5000 });
    await assert.rejects(proxy.get(), { code: 'ECONNRESET' });
  }
  await proxy.disable();
  await assert.rejects(proxy.get(), { code: 'ECONNREFUSED' });
  await proxy.enable();
  assert.equal(await proxy.get(), 1_000_000);
});

test('a toxiproxy that ends takes its proxies along', async () => {
  let port: number;
  {
    await using stack = new AsyncDisposableStack();
    ({ port } = await proxied(stack));
  }
  const error = await new Promise<NodeJS.ErrnoException>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      reject(new Error('something still listens'));
    });
    socket.on('error', resolve);
  });
  assert.equal(error.code, 'ECONNREFUSED');
});
