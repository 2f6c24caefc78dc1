/**
 * Single S3 requests, signed here by an implementation of its own, with every byte of them under the test's control.
 *
 * The SDK hides what a test of a server must see: raw paths, odd headers, exact bodies. This client sends what it is
 * told, signs it by the letter of SigV4, and returns what came back. It shares no code with the endpoint that it tests.
 *
 * Invariant: nothing is retried, followed, decoded or normalised.
 */

import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** Whom to sign as. */
export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** One request. */
export interface RawRequest {
  readonly method?: string;
  /** The path exactly as it goes out, escapes included; by default it is also what is signed. */
  readonly path: string;
  /** The query exactly as it goes out, without '?'. */
  readonly query?: string;
  /** Further headers, lower-case names. Those that start with x-amz- are signed. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Headers changed or removed (null) after signing: for tampering. */
  readonly tampered?: Readonly<Record<string, string | null>>;
  /** The path that is sent instead of the signed one. */
  readonly sentPath?: string;
  /** The query that is sent instead of the signed one. */
  readonly sentQuery?: string;
  /** The method that is sent instead of the signed one. */
  readonly sentMethod?: string;
  /** The time to sign for, milliseconds since the epoch; now by default. */
  readonly time?: number;
  /** The region to sign for. */
  readonly region?: string;
  /** null: unsigned. */
  readonly keys?: SigningKeys | null;
  /** The host header; by default the server's address. */
  readonly host?: string;
  /** The declared payload hash; by default UNSIGNED-PAYLOAD. */
  readonly payloadHash?: string;
}

/** What came back. */
export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An XML element's text in `xml`, or null. */
export function xmlElement(xml: Buffer | string, name: string): string | null {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml.toString('utf8'))?.[1] ?? null;
}

const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** Everything that is not unreserved, as SigV4 wants it; `text` is encoded as UTF-8. */
export function uriEscape(text: string, keepSlash = false): string {
  const escaped = encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
  return keepSlash ? escaped.replaceAll('%2F', '/') : escaped;
}

/** A client of one server. Dispose of it to close its connections. */
export class RawS3Client implements Disposable {
  readonly #url: URL;
  readonly #keys: SigningKeys;
  readonly #agent: HttpAgent;

  /**
   * @param url the server's address
   * @param ca the authority to trust, in PEM, for https
   */
  constructor(url: string, keys: SigningKeys, ca?: string) {
    this.#url = new URL(url);
    this.#keys = keys;
    const options = { keepAlive: true, maxSockets: 64 };
    this.#agent =
      this.#url.protocol === 'https:'
        ? new HttpsAgent({ ...options, ...(ca === undefined ? {} : { ca }) })
        : new HttpAgent(options);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** The headers of a signed request. */
  sign(request: RawRequest): Record<string, string> {
    const keys = request.keys === undefined ? this.#keys : request.keys;
    const headers: Record<string, string> = { host: request.host ?? this.#url.host, ...request.headers };
    if (keys !== null) {
      const time = new Date(request.time ?? Date.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
      const day = time.slice(0, 8);
      const region = request.region ?? 'us-east-1';
      const payloadHash = request.payloadHash ?? 'UNSIGNED-PAYLOAD';
      headers['x-amz-date'] = time;
      headers['x-amz-content-sha256'] = payloadHash;
      if (keys.sessionToken !== undefined) headers['x-amz-security-token'] = keys.sessionToken;
      const names = Object.keys(headers)
        .filter((name) => name === 'host' || name.startsWith('x-amz-'))
        .sort();
      const query = (request.query ?? '')
        .split('&')
        .filter((pair) => pair !== '')
        .map((pair) => (pair.includes('=') ? pair : pair + '='))
        .sort()
        .join('&');
      const canonical = [
        request.method ?? 'GET',
        request.path,
        query,
        ...names.map((name) => `${name}:${headers[name]?.trim() ?? ''}`),
        '',
        names.join(';'),
        payloadHash,
      ].join('\n');
      const scope = `${day}/${region}/s3/aws4_request`;
      const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
      const key = hmac(hmac(hmac(hmac('AWS4' + keys.secretAccessKey, day), region), 's3'), 'aws4_request');
      headers['authorization'] =
        `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, ` +
        `Signature=${hmac(key, toSign).toString('hex')}`;
    }
    for (const [name, value] of Object.entries(request.tampered ?? {})) {
      if (value === null) Reflect.deleteProperty(headers, name);
      else headers[name] = value;
    }
    return headers;
  }

  /**
   * Sends `request` and collects the response.
   * @throws the connection's error, also where the body breaks off
   */
  send(request: RawRequest): Promise<RawResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<RawResponse>();
    const query = request.sentQuery ?? request.query;
    const path = (request.sentPath ?? request.path) + (query === undefined ? '' : '?' + query);
    const send = this.#url.protocol === 'https:' ? httpsRequest : httpRequest;
    const outgoing = send(
      {
        host: this.#url.hostname,
        port: this.#url.port,
        agent: this.#agent,
        method: request.sentMethod ?? request.method ?? 'GET',
        path,
        headers: {
          ...this.sign(request),
          ...(request.body === undefined ? {} : { 'content-length': String(request.body.length) }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(request.body);
    return promise;
  }
}
