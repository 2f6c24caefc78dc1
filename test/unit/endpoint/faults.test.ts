/** Each injected fault, as a client sees it. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { Fault, FaultMatch, InjectedFault } from '../../../demo/endpoint/index.ts';
import {
  Faults,
  endlessError,
  endlessHeaders,
  endlessListing,
  garbageStatusLine,
  internalError,
  notS3,
  permanentRedirect,
  slowDown,
} from '../../../demo/endpoint/index.ts';
import { xmlElement } from '../../support/s3/signed-request.ts';
import { BUCKET, Fixture, verdict } from './endpoint-fixture.ts';

/** 200,000 bytes that differ by place. */
const BODY = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 7 + (n >> 8)) & 0xff));

interface Faulty extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly faults: Faults;
}

async function start(): Promise<Faulty> {
  const faults = new Faults();
  const fixture = await Fixture.start({ objects: { a: BODY, b: 'other' }, faults });
  return { fixture, faults, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

/** A bare connection that has sent a signed GET of object a, and what it receives. */
class RawConnection implements Disposable {
  readonly socket: Socket;
  readonly ended: Promise<'end' | 'reset'>;
  #parts: Buffer[] = [];
  #length = 0;
  #waiting: { readonly length: number; readonly resolve: () => void } | null = null;

  constructor(fixture: Fixture, path = `/${BUCKET}/a`) {
    const headers = Object.entries(fixture.client.sign({ path })).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket = connect(fixture.endpoint.port, '127.0.0.1');
    this.socket.write(`GET ${path} HTTP/1.1\r\n${headers.join('')}\r\n`);
    this.socket.on('data', (data) => {
      this.#parts.push(data);
      this.#length += data.length;
      if (this.#waiting !== null && this.#length >= this.#waiting.length) this.#waiting.resolve();
    });
    this.ended = new Promise((resolve) => {
      this.socket.on('error', () => {
        resolve('reset');
      });
      this.socket.on('end', () => {
        resolve('end');
      });
    });
  }

  /** Settles when so many bytes have come. */
  atLeast(length: number): Promise<void> {
    if (this.#length >= length) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = { length, resolve };
    });
  }

  /** All bytes that have come. */
  get received(): Buffer {
    const all = Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }

  /** The bytes behind the headers; null while these are not complete. */
  get body(): Buffer | null {
    const end = this.received.indexOf('\r\n\r\n');
    return end < 0 ? null : this.received.subarray(end + 4);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

test('without a fault that matches, nothing is different', async () => {
  await using faulty = await start();
  const injected = faulty.faults.inject({ key: 'b' }, slowDown());
  assert.ok((await faulty.fixture.get('a')).body.equals(BODY));
  assert.equal(injected.hits, 0);
});

test('a fault hits the requests that it was injected for, by kind, key, number and condition', async () => {
  await using faulty = await start();
  const { fixture, faults } = faulty;
  const status = async (key: string, method = 'GET'): Promise<number> =>
    (await fixture.get(key, {}, { method })).status;
  const verdicts = async (match: FaultMatch): Promise<string> => {
    using injected = faults.inject(match, slowDown());
    const all = [
      await status('a'),
      await status('b'),
      await status('a'),
      await status('a', 'HEAD'),
      (await fixture.list()).status,
    ];
    return `${all.join(' ')}, ${String(injected.hits)} hits`;
  };
  assert.equal(await verdicts({}), '503 503 503 503 503, 5 hits');
  assert.equal(await verdicts({ kind: 'get' }), '503 503 503 200 200, 3 hits');
  assert.equal(await verdicts({ kind: ['head', 'list'] }), '200 200 200 503 503, 2 hits');
  assert.equal(await verdicts({ key: 'a' }), '503 200 503 503 200, 3 hits');
  assert.equal(await verdicts({ key: /^b/ }), '200 503 200 200 200, 1 hits');
  assert.equal(await verdicts({ key: (key) => key === '' }), '200 200 200 200 503, 1 hits');
  assert.equal(await verdicts({ kind: 'get', key: 'a', nth: 2 }), '200 200 503 200 200, 1 hits');
  assert.equal(await verdicts({ kind: 'get', nth: { from: 2 } }), '200 503 503 200 200, 2 hits');
  assert.equal(await verdicts({ nth: { from: 2, to: 3 } }), '200 503 503 200 200, 2 hits');
  assert.equal(await verdicts({ when: ({ method }) => method === 'HEAD' }), '200 200 200 503 200, 1 hits');
});

test('the first injected of two faults that match wins, until it is removed', async () => {
  await using faulty = await start();
  const first = faulty.faults.inject({}, slowDown());
  faulty.faults.inject({}, internalError());
  assert.equal(verdict(await faulty.fixture.get('a')), '503 SlowDown');
  first.remove();
  assert.equal(verdict(await faulty.fixture.get('a')), '500 InternalError');
  faulty.faults.clear();
  assert.equal(verdict(await faulty.fixture.get('a')), '200');
});

test('503 SlowDown comes with and without Retry-After', async () => {
  await using faulty = await start();
  faulty.faults.inject({ nth: 1 }, slowDown());
  faulty.faults.inject({ nth: 1 }, slowDown(3));
  assert.equal((await faulty.fixture.get('a')).headers['retry-after'], undefined);
  const second = await faulty.fixture.get('a');
  assert.equal(verdict(second), '503 SlowDown');
  assert.equal(second.headers['retry-after'], '3');
});

test('any error can be answered, a 404 and a 412 for a key that exists among them', async () => {
  await using faulty = await start();
  faulty.faults.inject({ nth: 1 }, { type: 'error', status: 404, code: 'NoSuchKey' });
  faulty.faults.inject({ nth: 1 }, { type: 'error', status: 412, code: 'PreconditionFailed' });
  assert.equal(verdict(await faulty.fixture.get('a')), '404 NoSuchKey');
  assert.equal(verdict(await faulty.fixture.get('a')), '412 PreconditionFailed');
});

test('a permanent redirect names the region', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, permanentRedirect('eu-west-3', BUCKET));
  const response = await faulty.fixture.get('a');
  assert.equal(verdict(response), '301 PermanentRedirect');
  assert.equal(response.headers['x-amz-bucket-region'], 'eu-west-3');
  assert.match(xmlElement(response.body, 'Endpoint')!, /eu-west-3/);
});

test('an answer that is not S3 is possible', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, notS3());
  const response = await faulty.fixture.list();
  assert.equal(response.status, 200);
  assert.match(response.body.toString(), /^<!DOCTYPE html>/);
});

test('headers can be changed and removed: a wrong Content-Range, no ETag, a wrong Date, the length of a HEAD', async () => {
  await using faulty = await start();
  faulty.faults.inject(
    { kind: 'get' },
    { type: 'headers', set: { 'content-range': 'bytes 5-14/100', etag: null, date: 'Sat, 01 Jan 2000 00:00:00 GMT' } },
  );
  faulty.faults.inject({ kind: 'head' }, { type: 'headers', set: { 'content-length': '17' } });
  const response = await faulty.fixture.get('a', { range: 'bytes=0-9' });
  assert.equal(response.status, 206);
  assert.equal(response.headers['content-range'], 'bytes 5-14/100');
  assert.equal(response.headers.etag, undefined);
  assert.equal(response.headers.date, 'Sat, 01 Jan 2000 00:00:00 GMT');
  assert.ok(response.body.equals(BODY.subarray(0, 10)));
  assert.equal((await faulty.fixture.get('a', {}, { method: 'HEAD' })).headers['content-length'], '17');
});

test('an object can change between two ranges: to 412 under If-Match, or, against the rules, to a body', async () => {
  await using faulty = await start();
  const first = await faulty.fixture.get('a', { range: 'bytes=0-9' });
  const headers = { range: 'bytes=10-19', 'if-match': first.headers.etag! };
  {
    using _ = faulty.faults.inject({}, { type: 'etag', etag: '"changed"' });
    assert.equal(verdict(await faulty.fixture.get('a', headers)), '412 PreconditionFailed');
    assert.equal((await faulty.fixture.get('a')).headers.etag, '"changed"');
  }
  using _ = faulty.faults.inject({}, { type: 'etag', etag: '"changed"', ignoreConditions: true });
  const second = await faulty.fixture.get('a', headers);
  assert.equal(second.status, 206);
  assert.equal(second.headers.etag, '"changed"');
});

test('a range can be ignored', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, { type: 'ignore-range' });
  const response = await faulty.fixture.get('a', { range: 'bytes=0-9' });
  assert.equal(response.status, 200);
  assert.equal(response.body.length, BODY.length);
});

for (const afterBytes of [0, 1, 65_536, 65_537, 199_999]) {
  test(`a connection closed behind ${String(afterBytes)} bytes delivers exactly these`, async () => {
    await using faulty = await start();
    faulty.faults.inject({}, { type: 'cut', afterBytes });
    using connection = new RawConnection(faulty.fixture);
    assert.equal(await connection.ended, 'end');
    assert.ok(connection.body!.equals(BODY.subarray(0, afterBytes)));
    await assert.rejects(faulty.fixture.get('a'));
  });
}

test('a connection can be reset', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, { type: 'cut', afterBytes: 1000, how: 'reset' });
  using connection = new RawConnection(faulty.fixture);
  assert.equal(await connection.ended, 'reset');
});

test('a length can be wrong either way, or missing', async () => {
  await using faulty = await start();
  const once_ = async (fault: Fault): Promise<RawConnection> => {
    using _ = faulty.faults.inject({}, fault);
    using connection = new RawConnection(faulty.fixture);
    await connection.atLeast(BODY.length);
    if (fault.type === 'length' && (fault.announce ?? 0) > BODY.length) await connection.ended;
    else await connection.atLeast(connection.received.indexOf('\r\n\r\n') + 4 + BODY.length + 5);
    return connection;
  };
  const tooShort = await once_({ type: 'length', announce: BODY.length + 100 });
  assert.match(tooShort.received.toString('latin1'), /content-length: 200100\r\n/i);
  assert.ok(tooShort.body!.equals(BODY));
  const tooLong = await once_({ type: 'length', extraBytes: 5 });
  assert.match(tooLong.received.toString('latin1'), /content-length: 200000\r\n/i);
  assert.equal(tooLong.body!.subarray(BODY.length).toString(), 'XXXXX');
  const chunked = await once_({ type: 'length', chunked: true });
  assert.match(chunked.received.toString('latin1'), /transfer-encoding: chunked\r\n/i);
});

test('a chunked body of more than the range is possible', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, { type: 'length', chunked: true, extraBytes: 7 });
  const response = await faulty.fixture.get('a', { range: 'bytes=0-9' });
  assert.equal(response.status, 206);
  assert.equal(response.body.length, 17);
});

for (const after of ['nothing', 0, 1, 65_536, 100_000] as const) {
  test(`a stall after ${String(after)} holds until it is released, and then all comes`, async () => {
    await using faulty = await start();
    const stall = faulty.faults.inject({ nth: 1 }, { type: 'stall', after });
    using connection = new RawConnection(faulty.fixture);
    await stall.hit();
    assert.equal(stall.hits, 1);
    if (after !== 'nothing') {
      await connection.atLeast(after + 1);
      while ((connection.body?.length ?? -1) < after) await once(connection.socket, 'data');
      // The endpoint answers others meanwhile, and nothing more comes on the stalled connection.
      assert.equal((await faulty.fixture.get('b')).body.toString(), 'other');
      assert.equal(connection.body!.length, after);
    } else {
      assert.equal((await faulty.fixture.get('b')).body.toString(), 'other');
      assert.equal(connection.received.length, 0);
    }
    stall.release();
    while ((connection.body?.length ?? 0) < BODY.length) await once(connection.socket, 'data');
    assert.ok(connection.body!.equals(BODY));
  });
}

test('a stalled request whose client goes away is over', async () => {
  const faults = new Faults();
  const done = Promise.withResolvers<number>();
  await using fixture = await Fixture.start({
    objects: { a: BODY },
    faults,
    onRequest: ({ status }) => {
      done.resolve(status);
    },
  });
  const stall = faults.inject({}, { type: 'stall', after: 'nothing' });
  const connection = new RawConnection(fixture);
  await stall.hit();
  connection[Symbol.dispose]();
  assert.equal(await done.promise, 0);
});

test('hit() waits for the count that it is asked for', async () => {
  await using faulty = await start();
  const stall: InjectedFault = faulty.faults.inject({}, { type: 'stall', after: 'nothing' });
  const requests = Promise.all([faulty.fixture.get('a'), faulty.fixture.get('a'), faulty.fixture.get('b')]);
  await stall.hit(3);
  assert.equal(stall.hits, 3);
  stall.release();
  assert.deepEqual(
    (await requests).map(({ status }) => status),
    [200, 200, 200],
  );
});

test('a drip comes in small pieces and is complete in the end', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, { type: 'drip', bytes: 50_000, everyMs: 2 });
  const started = performance.now();
  const response = await faulty.fixture.get('a');
  assert.ok(response.body.equals(BODY));
  assert.ok(performance.now() - started >= 6);
});

test('a delay comes before the right answer', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, { type: 'delay', ms: 30 });
  const started = performance.now();
  assert.ok((await faulty.fixture.get('a')).body.equals(BODY));
  assert.ok(performance.now() - started >= 29);
});

test('a garbage status line is no HTTP', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, garbageStatusLine());
  await assert.rejects(faulty.fixture.get('a'), { code: /^HPE_/ });
});

test('headers can go on without end', async () => {
  await using faulty = await start();
  faulty.faults.inject({}, endlessHeaders());
  using connection = new RawConnection(faulty.fixture);
  await connection.atLeast(1_000_000);
  assert.equal(connection.body, null);
});

for (const [name, fault] of [
  ['an error', endlessError()],
  ['a listing', endlessListing(BUCKET)],
] as const) {
  test(`${name} can go on without end, and stops when the client has enough`, async () => {
    const faults = new Faults();
    const done = Promise.withResolvers<number>();
    await using fixture = await Fixture.start({
      faults,
      onRequest: ({ bodyBytes }) => {
        done.resolve(bodyBytes);
      },
    });
    faults.inject({}, fault);
    const connection = new RawConnection(fixture);
    await connection.atLeast(20_000_000);
    connection[Symbol.dispose]();
    assert.ok((await done.promise) >= 15_000_000);
  });
}

test('a test can write whatever it likes in place of an answer', async () => {
  await using faulty = await start();
  faulty.faults.inject(
    {},
    {
      type: 'raw',
      respond: async (socket, request) => {
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${String(request.key.length)}\r\n\r\n${request.key}`);
        await once(socket, 'finish');
      },
    },
  );
  assert.equal((await faulty.fixture.get('a')).body.toString(), 'a');
});
