/** The native fetcher over TLS, through the addon: what is trusted, what is refused, and bytes as they were sent. */
import assert from 'node:assert/strict';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer, type ServerOptions } from 'node:https';
import { connect, createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { BLOCK, type Certificate, FetchClient, KIND, makeCertificate, randomBlocks } from './fetch-origin.ts';

/** A server on a free port of loopback, closed with all its connections. */
class Listening<T extends Server | HttpServer | HttpsServer> implements AsyncDisposable {
  readonly server: T;
  readonly #sockets = new Set<Socket>();

  constructor(server: T) {
    this.server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async on<T extends Server | HttpServer | HttpsServer>(server: T): Promise<Listening<T>> {
    const listening = new Listening(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return listening;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const OBJECT = randomBlocks(8);

/** Answers every GET with as many blocks of OBJECT as were asked for. */
function origin(
  certificate: Certificate,
  options: ServerOptions = {},
  headers: Record<string, string> = {},
): HttpsServer {
  return createHttps({ ...certificate, ...options }, (request, response) => {
    const last = Number(/bytes=0-(\d+)/.exec(request.headers.range ?? '')?.[1]);
    const range = { 'Content-Range': `bytes 0-${last}/${last + 1}`, 'Content-Length': last + 1 };
    response.writeHead(206, { ...range, ...headers });
    response.end(OBJECT.subarray(0, last + 1));
  });
}

describe('fetching over TLS', () => {
  let certificate: Certificate;
  let client: FetchClient;
  before(() => {
    certificate = makeCertificate('DNS:origin.test,DNS:*.bucket.test,IP:127.0.0.1');
    client = new FetchClient();
  });
  after(() => client[Symbol.asyncDispose]());

  test('an object arrives byte for byte when the root, and the name or address, are right', async () => {
    await using listening = await Listening.on(origin(certificate));
    for (const name of ['origin.test', 'data.bucket.test', '127.0.0.1']) {
      const ended = await client.fetch(client.tls(listening.port, name, [certificate.cert]), 8);
      assert.equal(ended.text, '');
      assert.ok(ended.bytes?.equals(OBJECT));
    }
  });

  test('TLS 1.2 and TLS 1.3 both carry it, older ones are refused', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3', 'TLSv1.1'] as const) {
      const ciphers = version === 'TLSv1.1' ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {};
      await using listening = await Listening.on(
        origin(certificate, { minVersion: version, maxVersion: version, ...ciphers }),
      );
      const ended = await client.fetch(client.tls(listening.port, 'origin.test', [certificate.cert]));
      assert.equal(ended.kind, version === 'TLSv1.1' ? KIND.tlsFailed : KIND.ok, `${version}: ${ended.text}`);
    }
  });

  test('a DNS name is sent to the server, an address is not', async () => {
    const server = origin(certificate);
    const names: (string | false)[] = [];
    server.on('secureConnection', (socket: TLSSocket) => names.push(socket.servername ?? false));
    await using listening = await Listening.on(server);
    await client.fetch(client.tls(listening.port, 'origin.test', [certificate.cert]));
    await client.fetch(client.tls(listening.port, '127.0.0.1', [certificate.cert]));
    assert.deepEqual(names, ['origin.test', false]);
  });

  test('one connection carries request after request, and a new one continues the session', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const headers of [{}, { Connection: 'close' }]) {
        const server = origin(certificate, { minVersion: version, maxVersion: version }, headers);
        const resumed: boolean[] = [];
        server.on('secureConnection', (socket: TLSSocket) => resumed.push(socket.isSessionReused()));
        await using listening = await Listening.on(server);
        const endpoint = client.tls(listening.port, 'origin.test', [certificate.cert]);
        // Two fetch threads: four requests use each twice.
        for (let i = 0; i < 4; i++) assert.equal((await client.fetch(endpoint)).kind, KIND.ok);
        if ('Connection' in headers) assert.deepEqual(resumed, [false, true, true, true]);
        else assert.deepEqual(resumed, [false, true]);
      }
    }
  });

  test('what is not trusted is refused with the reason, and not one request is sent', async () => {
    const expired = makeCertificate('DNS:origin.test', [2019, 2020]);
    const other = makeCertificate('DNS:origin.test');
    const cases = [
      [certificate, 'origin.test', other, /not trusted: self-signed certificate/],
      [certificate, 'elsewhere.test', certificate, /not trusted: hostname mismatch/],
      [certificate, 'a.b.bucket.test', certificate, /not trusted: hostname mismatch/],
      [certificate, '127.0.0.2', certificate, /not trusted: IP address mismatch/],
      [expired, 'origin.test', expired, /not trusted: certificate has expired/],
    ] as const;
    for (const [served, name, root, reason] of cases) {
      const server = origin(served);
      let requests = 0;
      server.on('request', () => requests++);
      await using listening = await Listening.on(server);
      const ended = await client.fetch(client.tls(listening.port, name, [root.cert]));
      assert.equal(ended.kind, KIND.tlsFailed);
      assert.match(ended.text, reason);
      assert.equal(requests, 0);
    }
  });

  test('roots may come in several texts, of several certificates each', async () => {
    await using listening = await Listening.on(origin(certificate));
    const other = makeCertificate('DNS:origin.test').cert;
    for (const roots of [[other, certificate.cert], [`# a comment\n${other}\n${certificate.cert}`]]) {
      assert.equal((await client.fetch(client.tls(listening.port, 'origin.test', roots))).kind, KIND.ok);
    }
  });

  test('roots that are none are refused at once', () => {
    assert.throws(() => client.tls(1, 'origin.test', []), /no root certificate was given/);
    assert.throws(() => client.tls(1, 'origin.test', ['']), /no root certificate was given/);
    assert.throws(() => client.tls(1, '', [certificate.cert]), /server's name/);
    const broken = certificate.cert.replace(/[A-Za-z]{12}/g, '!!!!!!!!!!!!');
    assert.throws(() => client.tls(1, 'origin.test', [broken]), /root certificate/);
  });

  test('a server that does not speak TLS is a failure of TLS, one that hangs up is a failed connection', async () => {
    await using plain = await Listening.on(createHttp((_request, response) => response.end('hello')));
    const spoken = await client.fetch(client.tls(plain.port, 'origin.test', [certificate.cert]));
    assert.equal(spoken.kind, KIND.tlsFailed);
    assert.match(spoken.text, /^TLS with 127\.0\.0\.1:\d+: /);
    await using deaf = await Listening.on(createTcp((socket) => socket.destroy()));
    const hung = await client.fetch(client.tls(deaf.port, 'origin.test', [certificate.cert]));
    assert.equal(hung.kind, KIND.connectFailed);
    assert.match(hung.text, /closed during the TLS handshake|reset/);
  });

  test('a body that breaks off is a reset that says how far it came', async () => {
    const server = createHttps(certificate, (_request, response) => {
      response.writeHead(206, { 'Content-Range': `bytes 0-${BLOCK - 1}/${BLOCK}`, 'Content-Length': BLOCK });
      response.write(OBJECT.subarray(0, 100_000), () => response.socket?.destroy());
    });
    await using listening = await Listening.on(server);
    const ended = await client.fetch(client.tls(listening.port, 'origin.test', [certificate.cert]));
    assert.equal(ended.kind, KIND.reset);
    assert.match(ended.text, /in the body, 100000 of 1048576 bytes received/);
  });

  test('a connection that the server closed meanwhile is replaced unseen', async () => {
    const server = origin(certificate);
    await using listening = await Listening.on(server);
    const endpoint = client.tls(listening.port, 'origin.test', [certificate.cert]);
    for (let i = 0; i < 6; i++) {
      const ended = await client.fetch(endpoint);
      assert.equal(ended.text, '');
      server.closeAllConnections();
    }
  });

  test('a proxy carries TLS to the origin through a tunnel, and learns nothing of it', async () => {
    await using listening = await Listening.on(origin(certificate));
    const asked: { target: string | undefined; authorization: string | undefined }[] = [];
    const proxy = createHttp();
    const behind = new Set<Socket>();
    proxy.on('connect', (request, socket: Socket) => {
      asked.push({ target: request.url, authorization: request.headers['proxy-authorization'] });
      const onward = connect(listening.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      behind.add(onward);
      onward.on('error', () => socket.destroy());
    });
    await using tunnel = await Listening.on(proxy);
    const authority = `origin.test:${listening.port}`;
    const endpoint = client.tls(tunnel.port, 'origin.test', [certificate.cert], {
      authority,
      authorization: 'Basic dTpw',
    });
    for (let i = 0; i < 4; i++) {
      const ended = await client.fetch(endpoint, 8);
      assert.equal(ended.text, '');
      assert.ok(ended.bytes?.equals(OBJECT));
    }
    // One tunnel for each of the two fetch threads.
    assert.deepEqual(asked, Array(2).fill({ target: authority, authorization: 'Basic dTpw' }));
    for (const socket of behind) socket.destroy();
  });
});
