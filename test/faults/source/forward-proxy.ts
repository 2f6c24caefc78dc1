/**
 * An HTTP proxy on loopback, for tests: forwards requests in absolute form and opens CONNECT tunnels, both to one fixed port,
 * whatever host they name. So names that resolve nowhere (a bucket in a host name) can be used on loopback.
 */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** How a proxy is set up. */
export interface ForwardProxyOptions {
  /** The port on loopback where everything goes. */
  readonly target: number;
  /** `user:password` that it wants; absent: nobody is asked. */
  readonly login?: string;
}

/** A running proxy. Dispose of it to end it. */
export class ForwardProxy implements AsyncDisposable {
  /** The authorities that it was asked for, in order: `host:port` of a tunnel, `http://host:port` of a forwarded request. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #options: ForwardProxyOptions;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, options: ForwardProxyOptions) {
    this.#server = server;
    this.#options = options;
    server.on('connection', (socket: Socket) => this.#keep(socket));
    server.on('request', (incoming, response) => this.#forward(incoming, response));
    server.on('connect', (incoming: IncomingMessage, socket: Socket) => this.#tunnel(incoming, socket));
  }

  /** Starts one; it serves when the promise settles. */
  static async start(options: ForwardProxyOptions): Promise<ForwardProxy> {
    const server = createServer();
    const proxy = new ForwardProxy(server, options);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The port on 127.0.0.1. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  #isWelcome(incoming: IncomingMessage): boolean {
    const { login } = this.#options;
    return (
      login === undefined ||
      incoming.headers['proxy-authorization'] === `Basic ${Buffer.from(login).toString('base64')}`
    );
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const url = incoming.url ?? '';
    const authority = /^http:\/\/[^/]+/.exec(url)?.[0] ?? '';
    this.asked.push(authority);
    if (!this.#isWelcome(incoming) || authority === '') {
      response.writeHead(this.#isWelcome(incoming) ? 400 : 407, { 'content-length': '0' }).end();
      return;
    }
    const headers = { ...incoming.headers };
    delete headers['proxy-authorization'];
    delete headers['proxy-connection'];
    const outgoing = request({
      host: '127.0.0.1',
      port: this.#options.target,
      method: incoming.method ?? 'GET',
      path: url.slice(authority.length),
      headers,
    });
    outgoing.on('socket', (socket) => this.#keep(socket));
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  }

  #tunnel(incoming: IncomingMessage, socket: Socket): void {
    this.asked.push(incoming.url ?? '');
    if (!this.#isWelcome(incoming)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const upstream = connect(this.#options.target, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    this.#keep(upstream);
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  }
}
