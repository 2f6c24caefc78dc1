/**
 * `--metrics ADDR`: metrics and health over TCP, for those who may not open the socket.
 *
 * Invariants:
 * 1. Nothing can be changed here, and nothing is read but the path.
 * 2. Without a host it listens on this machine only; another address is the administrator's own word.
 */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { CONTENT_TYPE } from './exposition.ts';

/** What it shows. */
export interface MetricsSource {
  /** Text for Prometheus. */
  readonly metrics: () => Promise<string>;
  /** Why the process is not ready; empty: it is. */
  readonly notReady: () => readonly string[];
}

/** Milliseconds for a request's head, and between two on a connection. */
const REQUEST_LIMIT = 10_000;
/** Connections at once: scrapers are few. */
const MAX_CONNECTIONS = 64;

/** See the file's header. */
export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Starts to serve.
   * @param address `HOST:PORT`, `[V6]:PORT`, or `:PORT`
   * @throws DlfsError `invalid-argument` for an address that is none or taken
   */
  static async open(address: string, source: MetricsSource, log: Logger): Promise<MetricsServer> {
    const { host, port } = parseAddress(address);
    const server = createServer((request, response) => {
      void answer(request.url ?? '', request.method ?? '', response, source, log);
    });
    server.headersTimeout = REQUEST_LIMIT;
    server.requestTimeout = REQUEST_LIMIT;
    server.maxConnections = MAX_CONNECTIONS;
    server.setTimeout(REQUEST_LIMIT); // of one that does not read its answer, too
    server.listen({ host, port });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new DlfsError('invalid-argument', `metrics cannot be served at ${address}: ${(cause as Error).message}`, {
        cause,
      });
    }
    server.on('error', (err) => {
      log.warn('a connection could not be taken', { err });
    });
    return new MetricsServer(server);
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Where it listens, as `HOST:PORT`: with port 0 the kernel has chosen one. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  url: string,
  method: string,
  response: ServerResponse,
  source: MetricsSource,
  log: Logger,
): Promise<void> {
  const send = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type });
    response.end(method === 'HEAD' ? '' : text);
  };
  if (method !== 'GET' && method !== 'HEAD') {
    send(405, 'only GET\n');
    return;
  }
  try {
    const [path] = url.split('?', 1);
    if (path === '/metrics') send(200, await source.metrics(), CONTENT_TYPE);
    else if (path === '/livez') send(200, 'ok\n');
    else if (path === '/readyz') {
      const reasons = source.notReady();
      send(reasons.length === 0 ? 200 : 503, `${reasons.length === 0 ? 'ok' : reasons.join('\n')}\n`);
    } else send(404, 'there are /metrics, /livez and /readyz\n');
  } catch (thrown) {
    log.error('a scrape failed', { err: thrown });
    if (!response.headersSent) send(500, 'the log says why\n');
  }
}

function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? Number.NaN);
  if (match === null || !(port <= 65535)) {
    throw new DlfsError(
      'invalid-argument',
      `not an address to serve metrics at: "${text}"; write HOST:PORT, for example 127.0.0.1:9180`,
    );
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '127.0.0.1' : host, port };
}
