/**
 * toxiproxy: a TCP proxy between a client and a server that adds latency, limits bandwidth and breaks connections.
 *
 * One server process carries any number of proxies; each listens on a free loopback port and forwards to an upstream.
 * Toxics are added to a proxy and removed again at any time; they act on connections that are open, too.
 *
 * Invariant: after disposal of the Toxiproxy the process is gone, and with it all proxies.
 */

import { ServerProcess } from './server-process.ts';
import { testTool } from './test-tool.ts';

/** Which way a toxic acts: 'downstream' is from the server to the client. */
export type Direction = 'downstream' | 'upstream';

/** What can be done to a connection. */
export type Toxic =
  /** Each piece of data arrives `latencyMs` later, give or take `jitterMs`. */
  | { readonly type: 'latency'; readonly latencyMs: number; readonly jitterMs?: number }
  /** At most so many kilobytes (1000 bytes) a second. */
  | { readonly type: 'bandwidth'; readonly kilobytesPerSecond: number }
  /** RST after `afterMs` (0: at once). Only connections made after it was added are reset; others are closed. */
  | { readonly type: 'reset_peer'; readonly afterMs: number }
  /** Nothing gets through; the connection is closed after `afterMs` (0: stays open for ever). */
  | { readonly type: 'timeout'; readonly afterMs: number }
  /** The connection is closed when so many bytes have gone through. */
  | { readonly type: 'limit_data'; readonly bytes: number }
  /** Data comes in pieces of `averageBytes`, `delayUs` apart. */
  | { readonly type: 'slicer'; readonly averageBytes: number; readonly delayUs: number };

function attributes(toxic: Toxic): Record<string, number> {
  switch (toxic.type) {
    case 'latency':
      return { latency: toxic.latencyMs, jitter: toxic.jitterMs ?? 0 };
    case 'bandwidth':
      return { rate: toxic.kilobytesPerSecond };
    case 'reset_peer':
    case 'timeout':
      return { timeout: toxic.afterMs };
    case 'limit_data':
      return { bytes: toxic.bytes };
    case 'slicer':
      return { average_size: toxic.averageBytes, size_variation: 0, delay: toxic.delayUs };
  }
}

/** A handle of the server's HTTP API. */
class Api {
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${String(port)}`;
  }

  async call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<string> {
    const response = await fetch(this.#url + path, {
      method,
      // toxiproxy refuses what looks like a browser.
      headers: { 'content-type': 'application/json', 'user-agent': 'dlfs-test' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${String(response.status)} ${text}`);
    return text;
  }
}

/** One proxy. */
export class Proxy {
  /** The port on 127.0.0.1 to connect to. */
  readonly port: number;
  readonly #api: Api;
  readonly #name: string;

  // Mutable state: toxics get names that are unique within the proxy.
  #toxics = 0;

  constructor(api: Api, name: string, port: number) {
    this.#api = api;
    this.#name = name;
    this.port = port;
  }

  /**
   * Adds a toxic; it acts from the settling of the promise on.
   * @returns removes it again
   */
  async add(toxic: Toxic, direction: Direction = 'downstream'): Promise<AsyncDisposable> {
    const name = `toxic${String(this.#toxics++)}`;
    await this.#api.call('POST', `/proxies/${this.#name}/toxics`, {
      name,
      type: toxic.type,
      stream: direction,
      toxicity: 1,
      attributes: attributes(toxic),
    });
    return {
      [Symbol.asyncDispose]: async () => {
        await this.#api.call('DELETE', `/proxies/${this.#name}/toxics/${name}`);
      },
    };
  }

  /** Refuses connections and breaks those that are open, until `enable`. */
  async disable(): Promise<void> {
    await this.#api.call('POST', `/proxies/${this.#name}`, { enabled: false });
  }

  /** Takes connections again, on the same port. */
  async enable(): Promise<void> {
    await this.#api.call('POST', `/proxies/${this.#name}`, { enabled: true });
  }

  /**
   * Bytes that went from the server to the client and back, headers included, over connections that have ended:
   * toxiproxy counts a connection when it is over, and only if it ended in peace.
   */
  async bytesOfEndedConnections(): Promise<Readonly<Record<Direction, number>>> {
    const totals = { downstream: 0, upstream: 0 };
    for (const line of (await this.#api.call('GET', '/metrics')).split('\n')) {
      const match = /^toxiproxy_proxy_sent_bytes_total\{(.*)\} (\S+)$/.exec(line);
      if (match?.[1]?.includes(`proxy="${this.#name}"`) !== true) continue;
      totals[match[1].includes('direction="downstream"') ? 'downstream' : 'upstream'] += Number(match[2]);
    }
    return totals;
  }
}

/** A running toxiproxy server. Dispose of it to end it. */
export class Toxiproxy implements AsyncDisposable {
  readonly #process: ServerProcess;
  readonly #api: Api;

  // Mutable state: proxies get names that are unique within the server.
  #proxies = 0;

  private constructor(server: ServerProcess) {
    this.#process = server;
    this.#api = new Api(server.port);
  }

  /** Starts it; its API answers when the promise settles. */
  static async start(): Promise<Toxiproxy> {
    return new Toxiproxy(
      await ServerProcess.start({
        program: testTool('toxiproxy-server'),
        args: ['-host', '127.0.0.1', '-port', '0', '-proxy-metrics'],
        env: { LOG_LEVEL: 'error' },
      }),
    );
  }

  /** Makes a proxy on a free loopback port to `upstreamPort` of `upstreamHost`. */
  async proxy(upstreamPort: number, upstreamHost = '127.0.0.1'): Promise<Proxy> {
    const name = `proxy${String(this.#proxies++)}`;
    const answer = await this.#api.call('POST', '/proxies', {
      name,
      listen: '127.0.0.1:0',
      upstream: `${upstreamHost}:${String(upstreamPort)}`,
      enabled: true,
    });
    const { listen } = JSON.parse(answer) as { listen: string };
    const port = Number(listen.slice(listen.lastIndexOf(':') + 1));
    if (!Number.isInteger(port) || port === 0) throw new Error(`toxiproxy listens on ${listen}, which names no port`);
    return new Proxy(this.#api, name, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
