/**
 * Carries the SDK's requests: the `requestHandler` of every client in the lister's thread, those of STS and SSO included.
 *
 * Over `node:http(s)` with keep-alive. What it adds to the SDK's own handler: every answer is read whole, at most 16 MiB of it,
 * within a deadline; proxies are chosen per host by `proxy.ts`; trust is the list that the GETs use too.
 *
 * Invariants:
 * 1. A request ends, by answer or DlfsError, within its deadline; nothing of it is left open then.
 * 2. No answer takes more memory than `MAX_BODY`, whatever its headers said.
 * 3. Redirects are not followed: a signature is for one host.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { DlfsError } from '../../base/errors.ts';
import type { SourceWords } from '../../dataset/source-words.ts';
import { networkFailure } from './network-failure.ts';
import { proxyFor, type Environment } from './proxy.ts';

/** Cap on a body; a page of 1000 keys of 1 KiB, each letter of them percent-encoded, has less than 4 MiB. */
export const MAX_BODY = 16 * 1024 * 1024;

/** Listings by prefix run in parallel; more sockets than this gain nothing, because one thread reads the answers. */
const MAX_SOCKETS = 32;

/** The part of the SDK's request that is carried. */
export interface CarriedRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** An answer as the SDK wants it, its body read. */
export interface CarriedResponse {
  readonly statusCode: number;
  readonly reason: string;
  readonly headers: Record<string, string>;
  body: Uint8Array;
}

/** What a carrier needs. */
export interface HttpCarrierOptions {
  readonly environment: Environment;
  /** Trusted certificates, PEM. */
  readonly authorities: readonly string[];
  readonly clock: Pick<Clock, 'startTimer'>;
  /** What the source's options are called where they were written. */
  readonly words: SourceWords;
  /** Milliseconds for a whole request. */
  readonly deadlineMs: number;
  /** Bytes; `MAX_BODY` unless a test says otherwise. */
  readonly maxBody?: number;
}

/** See the file's header. Dispose it by `destroy`. */
export class HttpCarrier {
  /** What the SDK's clients look at to tell handlers apart. */
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #options: HttpCarrierOptions;
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>();
  #trust: SecureContext | null = null;

  constructor(options: HttpCarrierOptions) {
    this.#options = options;
  }

  /**
   * Sends a request and reads its answer.
   * @throws DlfsError a SourceFailure that names the endpoint
   */
  async handle(
    request: CarriedRequest,
    options: { readonly abortSignal?: AbortSignal } = {},
  ): Promise<{ response: CarriedResponse }> {
    const url = urlOf(request);
    const proxy = proxyFor(url, this.#options.environment);
    try {
      return { response: await this.#exchange(request, url, options.abortSignal) };
    } catch (thrown) {
      const { words } = this.#options;
      throw networkFailure(thrown, { endpoint: url.origin, bucketInName: false, proxy: proxy?.url ?? null, words });
    }
  }

  /** Closes the idle connections. Part of the SDK's interface. */
  destroy(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  /** Part of the SDK's interface: nothing here is to be reconfigured. */
  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  /** Part of the SDK's interface: nothing here is to be reconfigured. */
  updateHttpClientConfig(): void {
    // The deadline and the agents are ours.
  }

  #exchange(request: CarriedRequest, url: URL, signal: AbortSignal | undefined): Promise<CarriedResponse> {
    const { clock, deadlineMs } = this.#options;
    return new Promise((resolve, reject) => {
      const outgoing = this.#start(request, url);
      const abort = (): void =>
        fail(new DlfsError('interrupted', 'the request was cancelled', { cause: signal?.reason }));
      const timer = clock.startTimer(deadlineMs, () => {
        fail(new DlfsError('timeout', `no complete answer from ${url.origin} within ${formatDuration(deadlineMs)}`));
      });
      const settle = (): void => {
        timer[Symbol.dispose]();
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: unknown): void => {
        settle();
        outgoing.destroy();
        reject(error instanceof Error ? error : DlfsError.from(error));
      };
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) => {
        this.#read(incoming, url).then((response) => {
          settle();
          resolve(response);
        }, fail);
      });
      if (signal?.aborted === true) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #start(request: CarriedRequest, url: URL): ClientRequest {
    const secure = url.protocol === 'https:';
    const outgoing = (secure ? httpsRequest : httpRequest)({
      agent: this.#agentFor(url),
      host: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
      port: url.port === '' ? null : url.port,
      method: request.method,
      path: request.path + queryOf(request),
      headers: request.headers,
    });
    const { body } = request;
    outgoing.end(typeof body === 'string' || body instanceof Uint8Array ? body : undefined);
    return outgoing;
  }

  async #read(incoming: IncomingMessage, url: URL): Promise<CarriedResponse> {
    const { maxBody = MAX_BODY, words } = this.#options;
    const tooLarge = (): DlfsError =>
      new DlfsError(
        'protocol',
        `${url.origin} answers with more than ${maxBody} bytes where a listing or an error was due; check ${words.endpoint}`,
        { retryable: false },
      );
    if (Number(incoming.headers['content-length'] ?? 0) > maxBody) throw tooLarge();
    const encoding = incoming.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity' && encoding !== 'aws-chunked') {
      throw new DlfsError('protocol', `${url.origin} compresses its answers unasked`, { retryable: false });
    }
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of incoming as AsyncIterable<Buffer>) {
      size += part.byteLength;
      if (size > maxBody) throw tooLarge();
      parts.push(part);
    }
    return {
      statusCode: incoming.statusCode ?? 0,
      reason: incoming.statusMessage ?? '',
      headers: flat(incoming.headers),
      body: Buffer.concat(parts, size),
    };
  }

  #agentFor(url: URL): HttpAgent | HttpsAgent {
    const proxy = proxyFor(url, this.#options.environment);
    const name = `${url.protocol} ${proxy?.url ?? 'direct'}`;
    const known = this.#agents.get(name);
    if (known !== undefined) return known;
    const pool = {
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      ...(proxy === null ? {} : { proxyEnv: this.#proxyEnvironment(url) }),
    };
    const agent =
      url.protocol === 'https:'
        ? new HttpsAgent({ ...pool, secureContext: this.#secureContext() })
        : new HttpAgent(pool);
    this.#agents.set(name, agent);
    return agent;
  }

  /** The decision is made already (`proxyFor`): Node's agent is told of this one proxy and of no exception. */
  #proxyEnvironment(url: URL): Record<string, string> {
    const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
    const { environment } = this.#options;
    const value = (environment[name] ?? environment[name.toUpperCase()] ?? '').trim();
    return { [name]: value.includes('://') ? value : `http://${value}` };
  }

  #secureContext(): SecureContext {
    this.#trust ??= createSecureContext({ ca: [...this.#options.authorities], minVersion: 'TLSv1.2' });
    return this.#trust;
  }
}

function urlOf(request: CarriedRequest): URL {
  const url = URL.parse(
    `${request.protocol}//${request.hostname}${request.port === undefined ? '' : `:${request.port}`}`,
  );
  if (url === null) throw new DlfsError('invalid-argument', `not a host: ${request.hostname}`);
  return url;
}

/** As the signature's canonical query has it: sorted, each letter outside RFC 3986's unreserved ones as %XX. */
function queryOf({ query }: CarriedRequest): string {
  const parts = Object.keys(query ?? {})
    .sort()
    .flatMap((key) => [query?.[key] ?? ''].flat().map((value) => `${escape(key)}=${escape(value)}`));
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function escape(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function flat(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([key, value]) => [key, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}
