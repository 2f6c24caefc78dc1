/** Listings against an endpoint that does what no endpoint should. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  BytesContent,
  endlessError,
  endlessListing,
  Faults,
  fullReadPolicy,
  garbageStatusLine,
  internalError,
  notS3,
  ObjectStore,
  permanentRedirect,
  S3Endpoint,
  slowDown,
  storedObject,
  type Fault,
} from '../../../demo/endpoint/index.ts';
import type { ErrorCode } from '../../../src/base/errors.ts';
import type { ListPage } from '../../../src/dataset/listing.ts';
import { environmentOf, listAll, openSource, type OpenedSource } from './set-up.ts';

const KEYS = { accessKeyId: 'AKTEST', secretAccessKey: 'TOPSECRET' };
const COUNT = 25;

const faults = new Faults();
let endpoint: S3Endpoint;

before(async () => {
  const objects = Array.from({ length: COUNT }, (_, n) =>
    storedObject(`k${String(n).padStart(3, '0')}`, new BytesContent(Buffer.from('x'))),
  );
  endpoint = await S3Endpoint.start({
    buckets: { data: { objects: new ObjectStore(objects) } },
    credentials: [{ ...KEYS, policy: fullReadPolicy }],
    faults,
  });
});
after(() => endpoint[Symbol.asyncDispose]());
beforeEach(() => faults.clear());

const open = (more: Parameters<typeof openSource>[2] = {}): Promise<OpenedSource> =>
  openSource({ source: 's3://data', endpoint: endpoint.url }, environmentOf(KEYS), more);

const xml = (inner: string): Fault => ({
  type: 'respond',
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><ListBucketResult><Name>data</Name>${inner}</ListBucketResult>`,
});
const HEADERS_WITHOUT_END: Fault = {
  type: 'raw',
  respond: async (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    for (let n = 0; socket.writable; n += 1) {
      socket.write(`x-endless-${n}: ${'y'.repeat(1000)}\r\n`);
      await setImmediate();
    }
  },
};
const object = (key: string, size = '1'): string =>
  `<Contents><Key>${key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>${size}</Size></Contents>`;
const more = (token: string): string =>
  `<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`;

describe('a hostile answer fails by the name of what is wrong', () => {
  const cases: readonly (readonly [what: string, fault: Fault, code: ErrorCode, message: RegExp])[] = [
    ['a negative size', xml(object('a', '-1')), 'protocol', /"a" the size "-1"/],
    ['a size that is no number', xml(object('a', 'NaN')), 'protocol', /"a" the size "NaN"/],
    ['a key out of order', xml(object('b') + object('a')), 'protocol', /not in key order: "a" comes after "b"/],
    ['a circle of pages', xml(object('a') + more('t')), 'protocol', /not in key order|circle/],
    ['empty pages in a circle', xml(more('t')), 'protocol', /circle/],
    ['a continuation without a token', xml('<IsTruncated>true</IsTruncated>'), 'protocol', /NextContinuationToken/],
    ['an entity of its own', xml(object('&x;')), 'protocol', /entity/],
    [
      'a bomb of entities',
      {
        type: 'respond',
        status: 200,
        body: `<!DOCTYPE a [<!ENTITY a "${'x'.repeat(1000)}">]><ListBucketResult>&a;</ListBucketResult>`,
      },
      'protocol',
      /ListBucketResult|document type/,
    ],
    [
      '2 MB of XML without end',
      { type: 'respond', status: 200, body: `<ListBucketResult>${object('a').repeat(15_000)}` },
      'protocol',
      /ends inside <ListBucketResult>/,
    ],
    [
      'nesting without end',
      { type: 'respond', status: 200, body: `<ListBucketResult>${'<a>'.repeat(500_000)}` },
      'protocol',
      /deeper/,
    ],
    ['a body without end', endlessListing('data'), 'protocol', /more than 16777216 bytes/],
    ['an error without end', endlessError(), 'protocol', /more than 16777216 bytes/],
    [
      'a declared length beyond all reason',
      { type: 'headers', set: { 'content-length': '99999999999' } },
      'protocol',
      /more than 16777216 bytes/,
    ],
    ['headers without end', HEADERS_WITHOUT_END, 'protocol', /headers of unreasonable size/],
    [
      'a body that nobody asked to compress',
      { type: 'headers', set: { 'content-encoding': 'gzip' } },
      'protocol',
      /compress/,
    ],
    ['no body', { type: 'respond', status: 200, body: '' }, 'protocol', /no bytes/],
    ['a web page', notS3(), 'endpoint-not-s3', /web page/],
    ['something that is not HTTP', garbageStatusLine(), 'endpoint-not-s3', /not in HTTP/],
    ['another region', permanentRedirect('eu-north-1', 'data'), 'region-mismatch', /use --region eu-north-1/],
    [
      'an answer cut by the connection',
      { type: 'cut', afterBytes: 100 },
      'endpoint-unreachable',
      /closed the connection/,
    ],
    [
      'a reset connection',
      { type: 'cut', afterBytes: 100, how: 'reset' },
      'endpoint-unreachable',
      /closed the connection/,
    ],
    ['an answer that stalls before its headers', { type: 'stall', after: 'nothing' }, 'timeout', /within 500ms/],
    ['an answer that stalls in its body', { type: 'stall', after: 100 }, 'timeout', /within 500ms/],
    ['a body that drips', { type: 'drip', bytes: 1, everyMs: 50 }, 'timeout', /within 500ms/],
  ];
  let opened: OpenedSource;
  let impatient: OpenedSource;
  before(async () => {
    opened = await open({ listAttempts: 1 });
    impatient = await open({ listAttempts: 1, requestDeadlineMs: 500 });
  });
  after(async () => {
    await opened[Symbol.asyncDispose]();
    await impatient[Symbol.asyncDispose]();
  });
  for (const [what, fault, code, message] of cases) {
    test(what, async () => {
      faults.inject({ kind: 'list' }, fault);
      const { source } = code === 'timeout' ? impatient : opened;
      await assert.rejects(listAll(source, '', null), (error: unknown) => {
        const { code: found, message: said } = error as { code: string; message: string };
        assert.equal(found, code, said);
        assert.match(said, message);
        assert.ok(said.length < 600 && !said.includes('\n'));
        return true;
      });
      // The source lives on: what one answer did concerns no other.
      faults.clear();
      assert.equal((await listAll(opened.source, '', null)).keys.length, COUNT);
    });
  }

  test('pages that overlap', async () => {
    faults.inject({ kind: 'list', nth: 2 }, xml(object('k004') + object('k006')));
    await assert.rejects(listAll(opened.source, '', null, 5), {
      code: 'protocol',
      message: /"k004" comes after "k004"/,
    });
  });

  test('names of another directory', async () => {
    faults.inject({ kind: 'list' }, xml(object('other/x')));
    await assert.rejects(listAll(opened.source, 'k', '/'), {
      code: 'protocol',
      message: /"other\/x", which is not below "k"/,
    });
  });
});

describe('what passes is tried again', () => {
  let opened: OpenedSource;
  before(async () => {
    opened = await open();
  });
  after(() => opened[Symbol.asyncDispose]());
  const passing: readonly (readonly [string, Fault])[] = [
    ['503 SlowDown', slowDown()],
    ['500 InternalError', internalError()],
    ['a cut answer', { type: 'cut', afterBytes: 50 }],
    ['a reset', { type: 'cut', afterBytes: 0, how: 'reset' }],
    ['a listing that breaks off', { type: 'respond', status: 200, body: '<ListBucketResult><Contents>' }],
    [
      'an error with status 200',
      {
        type: 'respond',
        status: 200,
        body: '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>x</Message></Error>',
      },
    ],
  ];
  for (const [what, fault] of passing) {
    test(what, async () => {
      const injected = faults.inject({ kind: 'list', nth: { from: 2, to: 3 } }, fault);
      assert.equal((await listAll(opened.source, '', null, 10)).keys.length, COUNT);
      assert.equal(injected.hits, 2);
    });
  }

  test('for as long as the origin asks to wait, and not before', async () => {
    faults.inject({ kind: 'list', nth: 1 }, slowDown(1));
    const began = performance.now();
    await listAll(opened.source, '', null);
    assert.ok(performance.now() - began >= 1000);
  });

  test('but not without end: the last failure comes out', async () => {
    await using tired = await open({ listAttempts: 3 });
    const injected = faults.inject({ kind: 'list' }, slowDown());
    await assert.rejects(listAll(tired.source, '', null), { code: 'throttled', retryable: true });
    assert.equal(injected.hits, 3);
  });
});

describe('the reader of a listing', () => {
  test('gets pages while it works, at most two ahead', async () => {
    await using opened = await open();
    const pages = opened.source.list('', { delimiter: null, pageSize: 1, signal: new AbortController().signal });
    endpoint.resetCounters();
    const counted = faults.inject({ kind: 'list', nth: { from: 3 } }, { type: 'delay', ms: 0 });
    await pages.next();
    await counted.hit(1);
    // One page is in hand: two more are fetched, and no others however long this takes.
    await listAll(opened.source, 'none/', null);
    assert.ok(endpoint.counters().list.requests <= 4, `${endpoint.counters().list.requests} requests`);
    await pages.return();
  });

  test('may leave at any page', async () => {
    await using opened = await open();
    for await (const page of opened.source.list('', {
      delimiter: null,
      pageSize: 1,
      signal: new AbortController().signal,
    })) {
      assert.equal(page.objects.length, 1);
      break;
    }
    assert.equal((await listAll(opened.source, '', null)).keys.length, COUNT);
  });

  test('ends a stalled listing by its signal, and the connection with it', async () => {
    await using opened = await open();
    const stalled = faults.inject({ kind: 'list' }, { type: 'stall', after: 'nothing' });
    const controller = new AbortController();
    const listing = listAll(opened.source, '', null, 1000, controller.signal);
    await stalled.hit();
    controller.abort(new Error('enough'));
    await assert.rejects(listing, { code: 'interrupted' });
    faults.clear();
    await assert.rejects(listAll(opened.source, '', null, 1000, controller.signal), { code: 'interrupted' });
  });

  test('is told when the source is closed under it', async () => {
    const opened = await open();
    const stalled = faults.inject({ kind: 'list' }, { type: 'stall', after: 'nothing' });
    const listing = listAll(opened.source, '', null);
    const failed = assert.rejects(listing, { code: 'interrupted' });
    await stalled.hit();
    await opened[Symbol.asyncDispose]();
    await failed;
    await assert.rejects(listAll(opened.source, '', null), { code: 'interrupted' });
  });

  test('may run many at once', async () => {
    await using opened = await open();
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => listAll(opened.source, `k0${n % 3}`, null, 1 + (n % 4))),
    );
    assert.deepEqual(
      all.map(({ keys }) => keys.length),
      Array.from({ length: 20 }, (_, n) => [10, 10, 5][n % 3]),
    );
  });

  test('cannot ask for pages that S3 does not know', async () => {
    await using opened = await open();
    for (const pageSize of [0, 1001, 1.5, Number.NaN]) {
      await assert.rejects(listAll(opened.source, '', null, pageSize), { code: 'invalid-argument' });
    }
  });
});

test('no line of the log and no error holds a secret', async () => {
  await using opened = await open({ listAttempts: 2 });
  for (const fault of [slowDown(), internalError(), notS3(), xml(object('a', '-1'))]) {
    faults.clear();
    faults.inject({ kind: 'list' }, fault);
    await assert.rejects(
      listAll(opened.source, '', null),
      (error: unknown) => !JSON.stringify(error).includes(KEYS.secretAccessKey),
    );
  }
  assert.ok(opened.log.length > 0);
  assert.ok(!opened.log.join('\n').includes(KEYS.secretAccessKey));
});

test('a key that is no UTF-8 is counted, and the rest of its page is listed', async () => {
  await using own = await S3Endpoint.start({
    buckets: {
      data: {
        objects: new ObjectStore([
          storedObject(Buffer.from([0x61, 0xff]), new BytesContent(Buffer.from('x'))),
          storedObject(Buffer.from([0xed, 0xa0, 0x80, 0x2f, 0x61]), new BytesContent(Buffer.from('x'))),
          storedObject('b', new BytesContent(Buffer.from('x'))),
        ]),
      },
    },
    credentials: [{ ...KEYS, policy: fullReadPolicy }],
  });
  await using opened = await openSource({ source: 's3://data', endpoint: own.url }, environmentOf(KEYS));
  for (const delimiter of [null, '/'] as const) {
    const { keys, undecodable } = await listAll(opened.source, '', delimiter);
    assert.deepEqual([keys, undecodable], [['b'], 2]);
  }
});

test('an archived object is listed as one, and its refusal says so', async () => {
  await using own = await S3Endpoint.start({
    buckets: {
      data: {
        objects: new ObjectStore([
          storedObject('cold', new BytesContent(Buffer.from('x')), { storageClass: 'GLACIER' }),
        ]),
      },
    },
    credentials: [{ ...KEYS, policy: fullReadPolicy }],
  });
  await using opened = await openSource({ source: 's3://data', endpoint: own.url }, environmentOf(KEYS));
  const pages: ListPage[] = [];
  for await (const page of opened.source.list('', { delimiter: null, signal: new AbortController().signal }))
    pages.push(page);
  assert.equal(pages[0]?.objects[0]?.archived, true);
});
