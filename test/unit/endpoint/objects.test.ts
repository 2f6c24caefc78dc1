/** Objects on the wire: odd keys in both styles, ranges at any size, content of every kind, slow readers. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  BytesContent,
  ObjectStore,
  VirtualContent,
  folderObjects,
  makeCertificate,
  pattern,
  storedObject,
  zeros,
} from '../../../demo/endpoint/index.ts';
import { RawS3Client, uriEscape } from '../../support/s3/signed-request.ts';
import { BUCKET, Fixture, KEYS, verdict } from './endpoint-fixture.ts';

const ODD_KEYS = [
  'plus+and space',
  'per%cent%41',
  'a//b',
  '//two',
  '.',
  '..',
  'a/../b',
  'question?mark#hash&amp=1',
  'quote"apostrophe\'<xml>',
  'ünï/кот/日本語/\u{1F600}',
  'tab\tnewline\ncr\r',
  'back\\slash|pipe^caret`tick{brace}[bracket]',
  "!*()~;:@$,='",
  ' leading and trailing ',
  'trailing/',
];

for (const key of ODD_KEYS) {
  test(`the key ${JSON.stringify(key)} is listed and read in path style and in virtual-host style`, async () => {
    await using fixture = await Fixture.start({ objects: { [key]: `content of ${key}` }, domain: 's3.test' });
    const path = uriEscape(key, true);
    for (const response of [
      await fixture.get(key),
      await fixture.client.send({ path: `/${path}`, host: `${BUCKET}.s3.test:${String(fixture.endpoint.port)}` }),
    ]) {
      assert.equal(verdict(response), '200');
      assert.equal(response.body.toString(), `content of ${key}`);
    }
    const listed = await fixture.client.send({
      path: '/',
      query: 'encoding-type=url&list-type=2',
      host: `${BUCKET}.S3.test`,
    });
    const [, encoded = ''] = /<Key>([^<]*)</.exec(listed.body.toString()) ?? [];
    assert.equal(decodeURIComponent(encoded.replaceAll('+', ' ')), key);
  });
}

test('a bare "+" in a path means a space, as real S3 reads it', async () => {
  await using fixture = await Fixture.start({ objects: { 'a b': 'space', 'a+b': 'plus' } });
  assert.equal(
    (await fixture.client.send({ path: '/bucket/a%20b', sentPath: '/bucket/a+b' })).body.toString(),
    'space',
  );
  assert.equal((await fixture.client.send({ path: '/bucket/a%2Bb' })).body.toString(), 'plus');
});

test('the pattern is the same however it is cut', () => {
  const generate = pattern(7);
  const whole = Buffer.alloc(1000);
  const base = 2 ** 34 - 400;
  generate(base, whole);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 1000 }), (a, b) => {
      const [start, end] = a < b ? [a, b] : [b, a];
      const part = Buffer.alloc(end - start);
      generate(base + start, part);
      assert.deepEqual(part, whole.subarray(start, end));
    }),
  );
});

test('the pattern differs between offsets far apart and between seeds', () => {
  const blocks = [0, 4096, 2 ** 32, 2 ** 34, 2 ** 40, 5 * 2 ** 40 - 4096].map((offset) => {
    const block = Buffer.alloc(4096);
    pattern(1)(offset, block);
    return block.toString('hex');
  });
  const other = Buffer.alloc(4096);
  pattern(2)(0, other);
  assert.equal(new Set([...blocks, other.toString('hex')]).size, 7);
});

test('an object of 5 TiB is listed, headed, and read at its end', async () => {
  const size = 5 * 2 ** 40;
  const store = new ObjectStore([
    storedObject('huge', new VirtualContent(size, pattern(3))),
    storedObject('zeros', new VirtualContent(size, zeros)),
  ]);
  await using fixture = await Fixture.start({ store });
  assert.match((await fixture.list()).body.toString(), /<Size>5497558138880<\/Size>/);
  assert.equal((await fixture.get('huge', {}, { method: 'HEAD' })).headers['content-length'], String(size));
  const start = size - 1_000_001;
  const tail = await fixture.get('huge', { range: `bytes=${String(start)}-` });
  assert.equal(tail.headers['content-range'], `bytes ${String(start)}-${String(size - 1)}/${String(size)}`);
  const expected = Buffer.alloc(1_000_001);
  pattern(3)(start, expected);
  assert.ok(tail.body.equals(expected));
  assert.ok((await fixture.get('zeros', { range: 'bytes=-10' })).body.equals(Buffer.alloc(10)));
});

/** A folder that is removed with the stack. */
async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dlfs-endpoint-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a folder is served as it was found: files by their bytes, links and empty folders not at all', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await temporaryFolder(stack);
  const time = new Date(Date.UTC(2020, 1, 2, 3, 4, 5));
  const large = Buffer.alloc(3_000_001);
  pattern(9)(0, large);
  await mkdir(join(folder, 'sub/deep'), { recursive: true });
  await mkdir(join(folder, 'nothing'));
  await writeFile(join(folder, 'sub/deep/ü +.txt'), 'small');
  await writeFile(join(folder, 'sub/large'), large);
  await writeFile(Buffer.concat([Buffer.from(folder + '/'), Buffer.from([0x6e, 0xff])]), 'bytes');
  await symlink('/etc/passwd', join(folder, 'link'));
  await utimes(join(folder, 'sub/large'), time, time);
  let progress = 0;
  const objects = await folderObjects(folder + '/', { onProgress: (count) => (progress = count) });
  assert.equal(progress, 3);
  await using fixture = await Fixture.start({ store: new ObjectStore(objects) });
  const small = await fixture.get('sub/deep/ü +.txt');
  assert.equal(small.body.toString(), 'small');
  assert.equal(small.headers.etag, `"${createHash('md5').update('small').digest('hex')}"`);
  const whole = await fixture.get('sub/large');
  assert.ok(whole.body.equals(large));
  assert.equal(whole.headers['last-modified'], time.toUTCString());
  assert.match(whole.headers.etag!, /^"[0-9a-f]{32}-1"$/);
  for (const [start, end] of [
    [0, 0],
    [1, 262_144],
    [5, 2_999_999],
    [262_143, 600_000],
  ] as const) {
    const part = await fixture.get('sub/large', { range: `bytes=${String(start)}-${String(end)}` });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(large.subarray(start, end + 1)), `${String(start)}-${String(end)}`);
  }
  assert.equal((await fixture.client.send({ path: '/bucket/n%FF' })).body.toString(), 'bytes');
  assert.equal(verdict(await fixture.get('link')), '404 NoSuchKey');
  assert.equal(verdict(await fixture.get('nothing/')), '404 NoSuchKey');
});

test('the ETags of an unchanged folder are the same in the next run', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await temporaryFolder(stack);
  await writeFile(join(folder, 'a'), 'a');
  await writeFile(join(folder, 'b'), Buffer.alloc(300_000));
  const etags = async (): Promise<string[]> => (await folderObjects(folder)).map(({ etag }) => etag).sort();
  assert.deepEqual(await etags(), await etags());
});

test('a file that vanished is an internal error, one that shrank breaks the connection; both are reported', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await temporaryFolder(stack);
  await writeFile(join(folder, 'gone'), 'soon');
  await writeFile(join(folder, 'shrunk'), Buffer.alloc(2_000_000));
  const store = new ObjectStore(await folderObjects(folder));
  const errors: unknown[] = [];
  await using fixture = await Fixture.start({ store, onError: (error) => errors.push(error) });
  await rm(join(folder, 'gone'));
  await truncate(join(folder, 'shrunk'), 1_000_000);
  assert.equal(verdict(await fixture.get('gone')), '500 InternalError');
  await assert.rejects(fixture.get('shrunk'), { code: 'ECONNRESET' });
  assert.equal(errors.length, 2);
});

test('many clients, some of them slow, all get their own bytes', async () => {
  const size = 1_500_000;
  const store = new ObjectStore(
    Array.from({ length: 24 }, (_, n) =>
      storedObject(`o${String(n)}`, new VirtualContent(n % 2 === 0 ? size : 90_000, pattern(n))),
    ),
  );
  await using fixture = await Fixture.start({ store });
  const read = (n: number): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const path = `/bucket/o${String(n)}`;
      httpGet(
        { host: '127.0.0.1', port: fixture.endpoint.port, path, headers: fixture.client.sign({ path }), agent: false },
        (response: IncomingMessage) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => {
            parts.push(part);
            // Every third client takes a piece a turn of the event loop only.
            if (n % 3 === 0) {
              response.pause();
              setImmediate(() => response.resume());
            }
          });
          response.on('error', reject);
          response.on('end', () => {
            resolve(Buffer.concat(parts));
          });
        },
      ).on('error', reject);
    });
  const bodies = await Promise.all(Array.from({ length: 24 }, (_, n) => read(n)));
  for (const [n, body] of bodies.entries()) {
    const expected = Buffer.alloc(n % 2 === 0 ? size : 90_000);
    pattern(n)(0, expected);
    assert.ok(body.equals(expected), `object ${String(n)}`);
  }
});

test('requests and body bytes are counted by kind, errors among them, until reset', async () => {
  await using fixture = await Fixture.start({ objects: { a: '12345', b: new Uint8Array(1_000_000) } });
  const listed = await fixture.list();
  await fixture.get('a');
  await fixture.get('b');
  await fixture.get('b', { range: 'bytes=0-9' });
  const missing = await fixture.get('nope');
  await fixture.get('a', {}, { method: 'HEAD' });
  await fixture.client.send({ path: `/${BUCKET}`, method: 'HEAD' });
  assert.deepEqual(fixture.endpoint.counters(), {
    list: { requests: 1, errors: 0, bodyBytes: listed.body.length },
    get: { requests: 4, errors: 1, bodyBytes: 5 + 1_000_000 + 10 + missing.body.length },
    head: { requests: 1, errors: 0, bodyBytes: 0 },
    other: { requests: 1, errors: 1, bodyBytes: 0 },
  });
  fixture.endpoint.resetCounters();
  assert.equal(fixture.endpoint.counters().get.requests, 0);
});

test('the journal tells each request with its range, status and bytes', async () => {
  const journal: string[] = [];
  await using fixture = await Fixture.start({
    objects: { 'ü/a': '0123456789' },
    onRequest: ({ kind, key, range, prefix, status, bodyBytes }) =>
      journal.push([kind, key, range, prefix, status, bodyBytes].join(' ')),
  });
  await fixture.get('ü/a', { range: 'bytes=2-3' });
  const listed = await fixture.list('prefix=%C3%BC%2F');
  assert.deepEqual(journal, ['get ü/a bytes=2-3  206 2', `list   ü/ 200 ${String(listed.body.length)}`]);
});

test('with a certificate it speaks TLS to who trusts its authority, and to nobody else', async () => {
  await using stack = new AsyncDisposableStack();
  const certificate = await makeCertificate(await temporaryFolder(stack));
  const body = new Uint8Array(2_000_000).fill(7);
  await using fixture = await Fixture.start({ objects: { a: body }, tls: certificate });
  assert.match(fixture.endpoint.url, /^https:/);
  using trusting = new RawS3Client(fixture.endpoint.url, KEYS, certificate.ca);
  const response = await trusting.send({ path: '/bucket/a' });
  assert.equal(response.status, 200);
  assert.ok(response.body.equals(Buffer.from(body)));
  using byName = new RawS3Client(`https://localhost:${String(fixture.endpoint.port)}`, KEYS, certificate.ca);
  assert.equal((await byName.send({ path: '/bucket/a' })).status, 200);
  await assert.rejects(fixture.get('a'), /certificate|issuer/i);
});

test('what is not HTTP is closed, and the endpoint goes on', async () => {
  await using fixture = await Fixture.start({ objects: { a: 'x' } });
  const { connect } = await import('node:net');
  const closed = new Promise<void>((resolve) => {
    const socket = connect(fixture.endpoint.port, '127.0.0.1', () => socket.write('\x16\x03\x01 not http\r\n\r\n'));
    socket.on('close', () => {
      resolve();
    });
    socket.resume();
  });
  await closed;
  assert.equal(verdict(await fixture.client.send({ path: '/bucket/a%zz' })), '400 InvalidURI');
  assert.equal((await fixture.get('a')).body.toString(), 'x');
});

test('bytes in memory of a plain object carry their MD5 as ETag', async () => {
  const store = new ObjectStore([storedObject('a', new BytesContent('abc'))]);
  await using fixture = await Fixture.start({ store });
  assert.equal((await fixture.get('a')).headers.etag, '"900150983cd24fb0d6963f7d28e17f72"');
});
