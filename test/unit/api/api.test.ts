/**
 * Server and client of the API, over a real socket.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { lstatSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { SystemClock } from '../../../src/base/clock.ts';
import { DlfsError } from '../../../src/base/errors.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { ApiClient } from '../../../src/daemon/api/client/api-client.ts';
import type { LogLine } from '../../../src/daemon/api/contract/answers.ts';
import { ENDPOINTS, type EndpointName } from '../../../src/daemon/api/contract/endpoints.ts';
import { MAX_BODY } from '../../../src/daemon/api/contract/requests.ts';
import { ApiServer } from '../../../src/daemon/api/server/api-server.ts';
import type { Handlers } from '../../../src/daemon/api/server/handlers.ts';
import { listenAt } from '../../../src/daemon/api/server/socket.ts';
import { TempDir } from '../../support/files.ts';

const line = (message: string): LogLine => ({ at: 1, level: 'info', module: 'm', dataset: null, message, fields: {} });

/** Handlers that refuse everything but what a test gives. */
function handlersWith(some: Partial<Handlers>): Handlers {
  const refuse = (): never => {
    throw new DlfsError('unsupported', 'not in this test');
  };
  const all = Object.fromEntries((Object.keys(ENDPOINTS) as EndpointName[]).map((name) => [name, refuse]));
  return { ...all, ...some } as Handlers;
}

describe('the API', () => {
  let folder: TempDir;
  let socket: string;
  let server: ApiServer;
  let client: ApiClient;
  const seen: unknown[] = [];
  /** Settled when a stream's source was ended. */
  const ended = Promise.withResolvers<undefined>();

  before(async () => {
    folder = await TempDir.create('api');
    socket = folder.join('run/dlfs.sock');
    server = await ApiServer.open({
      socket,
      clock: new SystemClock(),
      log: SILENT_LOGGER,
      handlers: handlersWith({
        version: () => ({ version: '1.2.3', api: 'v1', role: 'daemon' }),
        listFiles: (request) => {
          seen.push(request);
          return { entries: [], next: null };
        },
        warm: () => {
          throw new DlfsError('archived', 'restore it first', { dataset: 'a/b', key: 'k' });
        },
        getJob: () => ({ id: 'x' }) as never,
        metrics: () => 'dlfs_up 1\n',
        logs: async function* ({ query }, { signal }) {
          yield line('first');
          if (query.level === 'error') throw new DlfsError('corrupt', 'the log is gone');
          if (query.follow !== true) return;
          try {
            await once(signal, 'abort');
          } finally {
            ended.resolve(undefined);
          }
        },
      }),
    });
    client = new ApiClient(socket);
  });

  after(async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  test('answers on a socket that only its owner may open, in a folder that only its owner may enter', async () => {
    assert.equal((await client.call('version', {})).version, '1.2.3');
    assert.equal(lstatSync(socket).mode & 0o777, 0o600);
    assert.equal(lstatSync(folder.join('run')).mode & 0o777, 0o700);
  });

  test('hands a handler what the schemas made of the request', async () => {
    await client.call('listFiles', {
      params: { namespace: '-', name: 'images' },
      query: { path: 'a b/ü?&', limit: 7 },
    });
    assert.deepEqual(seen, [
      { params: { namespace: '-', name: 'images' }, query: { path: 'a b/ü?&', limit: 7 }, body: null },
    ]);
  });

  test('throws the error of the server as it was', async () => {
    const call = client.call('warm', {
      params: { namespace: 'a', name: 'b' },
      body: { globs: [], bandwidth: null },
    });
    await assert.rejects(call, (thrown) => {
      assert.ok(thrown instanceof DlfsError);
      assert.deepEqual(
        [thrown.code, thrown.message, thrown.dataset, thrown.key, thrown.retryable],
        ['archived', 'restore it first', 'a/b', 'k', false],
      );
      return true;
    });
  });

  test('answers in text where the contract says so', async () => {
    assert.equal(await client.call('metrics', {}), 'dlfs_up 1\n');
  });

  test('refuses an answer that is not of the contract', async () => {
    await assert.rejects(client.call('getJob', { params: { id: 'x' } }), { code: 'protocol' });
  });

  test('streams lines, and an error in between ends the stream as itself', async () => {
    const lines: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { message } of await client.call('logs', { query: { level: 'error' } })) lines.push(message);
      },
      { code: 'corrupt' },
    );
    assert.deepEqual(lines, ['first']);
  });

  test('a client that goes away ends its stream at the source', async () => {
    for await (const _ of await client.call('logs', { query: { follow: 'true' } })) break;
    await ended.promise;
  });

  for (const [what, method, path, body] of [
    ['a path that is none', 'GET', '/v1/nothing', ''],
    ['a name that would leave its place', 'GET', '/v1/datasets/-/..%2f..', ''],
    ['a body that is no JSON', 'PUT', '/v1/datasets', '{"a":'],
    ['a body of the wrong shape', 'POST', '/v1/datasets/-/a/warm', '{"globs":"*"}'],
    ['unknown fields', 'POST', '/v1/datasets/-/a/warm', '{"globs":[],"bandwidth":null,"more":1}'],
    ['an unknown query', 'GET', '/v1/stats?x=1', ''],
    ['more than a megabyte', 'PUT', '/v1/datasets', `{"a":"${'x'.repeat(MAX_BODY)}"}`],
  ] as const) {
    test(`refuses ${what} in one line`, async () => {
      const raw = connect(socket);
      raw.on('error', () => undefined); // the server may hang up before all is sent
      raw.end(
        `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      let answer = '';
      raw.setEncoding('utf8').on('data', (piece: string) => (answer += piece));
      await once(raw, 'close').catch(() => undefined);
      assert.match(answer, /^HTTP\/1\.1 4\d\d /);
      const { error } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as {
        error: { code: string; message: string };
      };
      assert.match(error.code, /^(invalid-argument|not-found)$/);
      assert.doesNotMatch(error.message, /\n/);
    });
  }

  test('the client does not send what the daemon would refuse for its size', async () => {
    const body = { text: 'x'.repeat(MAX_BODY) };
    await assert.rejects(client.call('apply', { query: {}, body }), { code: 'invalid-argument' });
  });

  test('a socket that somebody serves is not taken', async () => {
    const second = createServer();
    await assert.rejects(listenAt(second, socket), { code: 'conflict' });
    assert.equal((await client.call('version', {})).role, 'daemon');
  });

  test('what is no socket is left alone', async () => {
    const path = folder.join('run/file');
    writeFileSync(path, 'precious');
    await assert.rejects(listenAt(createServer(), path), { code: 'invalid-argument' });
    assert.equal(lstatSync(path).size, 8);
  });

  test('a socket that nobody serves any more is replaced', async () => {
    const path = folder.join('run/stale.sock');
    const first = createServer();
    await listenAt(first, path); // never taken away: as a killed process leaves it
    await new Promise((resolve) => first.close(resolve));
    assert.ok(lstatSync(path).isSocket());
    await assert.rejects(new ApiClient(path).call('version', {}), { code: 'no-daemon' });
    const second = createServer();
    const place = await listenAt(second, path);
    await place[Symbol.asyncDispose]();
    assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined);
    await new Promise((resolve) => second.close(resolve));
  });

  for (const before of ['nothing', 'a stale socket'] as const) {
    test(`of several that come at once where there was ${before} one has the socket, and serves it`, async () => {
      const path = folder.join(`run/race-${before.length}.sock`);
      if (before === 'a stale socket') {
        const dead = createServer();
        await listenAt(dead, path);
        await new Promise((resolve) => dead.close(resolve));
      }
      const servers = Array.from({ length: 4 }, (_, n) =>
        createServer((_request, response) => response.end(String(n))),
      );
      const places = await Promise.allSettled(servers.map((server) => listenAt(server, path)));
      const won = places.flatMap((place, n) => (place.status === 'fulfilled' ? [n] : []));
      assert.equal(won.length, 1, 'one has it');
      for (const place of places)
        if (place.status === 'rejected')
          assert.match(String(place.reason), /another process serves .*choose another path with --socket/);
      const answer = await new Promise<string>((resolve, reject) => {
        get({ socketPath: path, path: '/' }, (response) => {
          response.setEncoding('utf8').on('data', resolve);
        }).on('error', reject);
      });
      assert.equal(answer, String(won[0]), 'and it is the one that answers');
      assert.equal(lstatSync(path).mode & 0o777, 0o600);
      for (const server of servers) server.closeAllConnections();
      for (const server of servers) if (server.listening) await new Promise((resolve) => server.close(resolve));
    });
  }

  test('without a daemon the client says how to start one', async () => {
    await assert.rejects(new ApiClient(folder.join('none.sock')).call('version', {}), {
      code: 'no-daemon',
      message: /dlfs daemon/,
    });
  });

  test('a path too long for the kernel is refused by name', async () => {
    await assert.rejects(listenAt(createServer(), folder.join(`${'x'.repeat(120)}.sock`)), {
      code: 'invalid-argument',
      message: /too long/,
    });
  });
});
