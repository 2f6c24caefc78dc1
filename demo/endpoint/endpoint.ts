/**
 * A small, read-only S3 endpoint on node:http(s): ListObjectsV2, HeadObject and GetObject with ranges and conditions,
 * over objects in memory or in a folder, with SigV4 checked and the least policy enforced.
 *
 * How it works: a request is taken apart (request.ts), its signature checked (sigv4.ts), its rights asked for
 * (policy.ts), and its response planned; then the plan is sent (response.ts). A fault hook may spoil any of it
 * (faults.ts, faulty-response.ts).
 *
 * Invariants:
 * 1. Nothing is answered about a bucket or key that the policy does not allow, in headers neither.
 * 2. A request for a whole small object is handled within one turn of the event loop.
 * 3. After disposal there is no socket, timer or file descriptor left.
 */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { byteRange } from './byte-range.ts';
import type { ByteString } from './byte-string.ts';
import { textOf } from './byte-string.ts';
import { evaluateConditions } from './conditions.ts';
import type { CounterValues } from './counters.ts';
import { Counters } from './counters.ts';
import type { ActiveFault, Fault, FaultHook, RequestInfo } from './faults.ts';
import { sendFaulty } from './faulty-response.ts';
import { listPage } from './list-page.ts';
import { listParameters, listXml } from './list-xml.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import type { Policy } from './policy.ts';
import type { S3Request } from './request.ts';
import { parseRequest } from './request.ts';
import type { PlannedResponse } from './response.ts';
import { BufferPool, isConnectionError, sendResponse } from './response.ts';
import { S3Error, errorXml } from './s3-error.ts';
import type { Credential } from './sigv4.ts';
import { SignatureCheck, checkPayload } from './sigv4.ts';

/** A bucket. */
export interface Bucket {
  readonly objects: ObjectStore;
  /** true: requests must carry `x-amz-request-payer: requester`. */
  readonly requesterPays?: boolean;
}

/** What became of a request, for the journal. */
export interface RequestRecord extends RequestInfo {
  /** 0 where a fault answered with raw bytes. */
  readonly status: number;
  readonly bodyBytes: number;
}

/** How an endpoint is set up. */
export interface EndpointOptions {
  readonly buckets: Readonly<Record<string, Bucket>>;
  readonly credentials: readonly Credential[];
  /** Rights of unsigned requests; absent: they are refused. */
  readonly anonymous?: Policy;
  /** The region that signatures must name. */
  readonly region?: string;
  /** The address to listen on; loopback by default. */
  readonly host?: string;
  /** The port to listen on; 0, the default, takes a free one. */
  readonly port?: number;
  /** The domain of virtual-host style (`bucket.domain`); absent: `localhost`; null: path style only. */
  readonly domain?: string | null;
  /** A certificate and its key in PEM make it speak HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The clock, milliseconds since the epoch: for Date headers and the skew of signatures. */
  readonly now?: () => number;
  readonly faults?: FaultHook;
  /** Told of each request when its response is handed over or broken off. */
  readonly onRequest?: (record: RequestRecord) => void;
  /** Told of the endpoint's own failures (a file that vanished …); a process warning by default. */
  readonly onError?: (error: unknown) => void;
}

/** Request bodies are of no use here: a signed one may be this long, in bytes, to be held against its hash. */
const MAX_REQUEST_BODY = 64 * 1024;

/** Longer than clients keep idle connections, so that it is they who close. */
const KEEP_ALIVE_MS = 120_000;

const ARCHIVE_CLASSES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** A running endpoint. Dispose of it to end it. */
export class S3Endpoint implements AsyncDisposable {
  // Dependencies
  readonly #server: Server;
  readonly #signatures: SignatureCheck;
  readonly #options: EndpointOptions;
  readonly #now: () => number;

  // Constant data
  readonly #buckets: ReadonlyMap<string, Bucket>;
  readonly #domain: string | null;
  readonly #idPrefix = randomBytes(4).toString('hex').toUpperCase();
  readonly #region: string;
  readonly #url: string;

  // Mutable state. #sockets: all that are open. #running: responses under way that are not sent in one turn.
  readonly #counters = new Counters();
  readonly #pool = new BufferPool();
  readonly #sockets: Set<Socket>;
  readonly #running = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #requests = 0;
  #dateSecond = NaN;
  #dateText = '';

  private constructor(options: EndpointOptions, server: Server, sockets: Set<Socket>) {
    this.#options = options;
    this.#server = server;
    this.#sockets = sockets;
    this.#now = options.now ?? Date.now;
    this.#buckets = new Map(Object.entries(options.buckets));
    this.#domain = options.domain === undefined ? 'localhost' : (options.domain?.toLowerCase() ?? null);
    this.#region = options.region ?? 'us-east-1';
    this.#signatures = new SignatureCheck(options.credentials, this.#region, this.#now);
    const { address, port, family } = server.address() as AddressInfo;
    const host = family === 'IPv6' ? `[${address}]` : address;
    this.#url = `${options.tls === undefined ? 'http' : 'https'}://${host}:${String(port)}`;
  }

  /** Starts an endpoint; it serves when the promise settles. */
  static async start(options: EndpointOptions): Promise<S3Endpoint> {
    const sockets = new Set<Socket>();
    let endpoint: S3Endpoint | null = null;
    const listener: RequestListener = (message, response) => {
      if (endpoint !== null) endpoint.#onMessage(message, response);
    };
    // A client may take as long as it likes; the endpoint's own faults do, too.
    const limits = { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, noDelay: true };
    const server =
      options.tls === undefined
        ? createServer(limits, listener)
        : createTlsServer({ ...limits, cert: options.tls.cert, key: options.tls.key }, listener);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
    endpoint = new S3Endpoint(options, server, sockets);
    return endpoint;
  }

  /** The endpoint's address, for path style: `http://127.0.0.1:PORT`. */
  get url(): string {
    return this.#url;
  }

  /** The port it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The region that signatures must name. */
  get region(): string {
    return this.#region;
  }

  /** Requests and body bytes since the start or the last reset. */
  counters(): CounterValues {
    return this.#counters.values();
  }

  /** Sets the counters to zero. */
  resetCounters(): void {
    this.#counters.reset();
  }

  /** Ends it: breaks all connections, waits until nothing is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await Promise.allSettled(this.#running);
  }

  #onMessage(message: IncomingMessage, response: ServerResponse): void {
    const work = this.#handle(message, response).catch((error: unknown) => {
      response.destroy();
      if (!isConnectionError(error)) this.#report(error);
    });
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  #report(error: unknown): void {
    if (this.#options.onError !== undefined) this.#options.onError(error);
    else process.emitWarning(error instanceof Error ? error : new Error(String(error)));
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    response.sendDate = false;
    const id = this.#idPrefix + (this.#requests++).toString(16).toUpperCase().padStart(8, '0');
    let request: S3Request;
    try {
      request = parseRequest(message, this.#domain);
    } catch (error) {
      this.#counters.request('other');
      this.#counters.error('other');
      await this.#send(response, this.#errorPlan(error, id, message.method === 'HEAD'), () => undefined);
      return;
    }
    const info = requestInfo(request, message);
    this.#counters.request(request.kind);
    const active = this.#options.faults?.match(info) ?? null;
    let plan: PlannedResponse;
    try {
      const body = await this.#requestBody(message);
      plan = this.#plan(message, request, body, active?.fault ?? null, id);
    } catch (error) {
      plan = this.#errorPlan(error, id, request.method === 'HEAD');
    }
    if (plan.status >= 400) this.#counters.error(request.kind);
    let bodyBytes = 0;
    const onBytes = (count: number): void => {
      bodyBytes += count;
      this.#counters.bytes(request.kind, count);
    };
    try {
      if (active === null) await this.#send(response, plan, onBytes);
      else await this.#sendSpoilt(response, plan, active, info, onBytes);
    } catch (error) {
      // Content that cannot be read before anything is sent still becomes a proper answer.
      if (response.headersSent || isConnectionError(error)) throw error;
      plan = this.#errorPlan(error, id, request.method === 'HEAD');
      this.#counters.error(request.kind);
      await this.#send(response, plan, onBytes);
    } finally {
      this.#options.onRequest?.({ ...info, status: response.headersSent ? response.statusCode : 0, bodyBytes });
    }
  }

  #send(response: ServerResponse, plan: PlannedResponse, onBytes: (count: number) => void): Promise<void> {
    return sendResponse(response, plan, this.#pool, onBytes);
  }

  async #sendSpoilt(
    response: ServerResponse,
    plan: PlannedResponse,
    active: ActiveFault,
    request: RequestInfo,
    onBytes: (count: number) => void,
  ): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    const signal = AbortSignal.any([gone.signal, this.#ending.signal]);
    await sendFaulty(response, plan, active, { request, signal, onBytes }, (changed) =>
      this.#send(response, changed, onBytes),
    );
  }

  /** The body of a request that has one (null otherwise): none is of use, but a signed one must match its hash. */
  async #requestBody(message: IncomingMessage): Promise<Buffer | null> {
    const { headers } = message;
    if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return null;
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of message as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > MAX_REQUEST_BODY)
        throw new S3Error('MaxMessageLengthExceeded', { headers: { connection: 'close' } });
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  #plan(
    message: IncomingMessage,
    request: S3Request,
    body: Buffer | null,
    fault: Fault | null,
    id: string,
  ): PlannedResponse {
    if (fault?.type === 'error') {
      const xml = errorXml(fault.code, fault.message ?? fault.code, fault.elements ?? {}, id);
      return this.#xmlPlan(fault.status, fault.headers ?? {}, xml, id, request.method === 'HEAD');
    }
    if (fault?.type === 'respond') {
      const bytes = Buffer.from(fault.body);
      const headers = { ...this.#commonHeaders(id), ...fault.headers };
      return { status: fault.status, headers, length: bytes.length, body: request.method === 'HEAD' ? null : bytes };
    }
    const credential = this.#signatures.verify(message, request);
    if (credential !== null) checkPayload(message.headersDistinct['x-amz-content-sha256']?.[0], body);
    const policy = credential?.policy ?? this.#options.anonymous;
    if (policy === undefined) throw new S3Error('AccessDenied');
    const bucket = request.bucket === null ? undefined : this.#buckets.get(request.bucket);
    if (request.bucket !== null && bucket === undefined) {
      throw new S3Error('NoSuchBucket', { elements: { BucketName: request.bucket } });
    }
    if (!policy.allows(request, request.query.get('prefix') ?? ('' as ByteString))) throw new S3Error('AccessDenied');
    if (request.bucket === null || bucket === undefined) throw new S3Error('NotImplemented');
    if (bucket.requesterPays === true && message.headers['x-amz-request-payer'] !== 'requester') {
      throw new S3Error('AccessDenied');
    }
    switch (request.kind) {
      case 'list':
        return this.#planList(request, request.bucket, bucket, id);
      case 'get':
      case 'head':
        return this.#planObject(message, request, bucket, policy, fault, id);
      case 'other':
        return this.#planOther(request, id);
    }
  }

  #planList(request: S3Request, name: string, bucket: Bucket, id: string): PlannedResponse {
    const parameters = listParameters(request.query);
    const page = listPage(bucket.objects.keys, parameters);
    const headers = { 'x-amz-bucket-region': this.#region, ...payerHeader(bucket) };
    return this.#xmlPlan(200, headers, listXml(name, parameters, page, bucket.objects), id, false);
  }

  #planObject(
    message: IncomingMessage,
    request: S3Request,
    bucket: Bucket,
    policy: Policy,
    fault: Fault | null,
    id: string,
  ): PlannedResponse {
    const object = bucket.objects.get(request.key);
    if (object === null) {
      if (!policy.tellsMissing) throw new S3Error('AccessDenied');
      throw new S3Error('NoSuchKey', { elements: { Key: textOf(request.key) } });
    }
    const etag = fault?.type === 'etag' ? fault.etag : object.etag;
    const headers: Record<string, string> = {
      ...this.#commonHeaders(id),
      'last-modified': new Date(object.lastModified).toUTCString(),
      etag,
      ...payerHeader(bucket),
    };
    if (!(fault?.type === 'etag' && fault.ignoreConditions === true)) {
      const verdict = evaluateConditions(message.headers, etag, object.lastModified);
      if (verdict.outcome === 'failed') {
        throw new S3Error('PreconditionFailed', { elements: { Condition: verdict.condition } });
      }
      if (verdict.outcome === 'not-modified') return { status: 304, headers, length: null, body: null };
    }
    headers['accept-ranges'] = 'bytes';
    headers['content-type'] = object.contentType;
    if (object.storageClass !== 'STANDARD') headers['x-amz-storage-class'] = object.storageClass;
    return this.#planBody(message, request, object, fault, headers);
  }

  #planBody(
    message: IncomingMessage,
    request: S3Request,
    object: StoredObject,
    fault: Fault | null,
    headers: Record<string, string>,
  ): PlannedResponse {
    const { content } = object;
    if (request.kind === 'get' && ARCHIVE_CLASSES.has(object.storageClass)) {
      throw new S3Error('InvalidObjectState', { elements: { StorageClass: object.storageClass } });
    }
    const header = fault?.type === 'ignore-range' ? undefined : message.headers.range;
    const range = byteRange(header, content.size);
    if (range === 'unsatisfiable') {
      throw new S3Error('InvalidRange', {
        elements: { RangeRequested: header ?? '', ActualObjectSize: String(content.size) },
        headers: { 'content-range': `bytes */${String(content.size)}` },
      });
    }
    const { start, length } = range === 'whole' ? { start: 0, length: content.size } : range;
    if (range !== 'whole') {
      headers['content-range'] = `bytes ${String(start)}-${String(start + length - 1)}/${String(content.size)}`;
    }
    return {
      status: range === 'whole' ? 200 : 206,
      headers,
      length,
      body: request.kind === 'head' ? null : { content, start, length },
    };
  }

  /** HeadBucket and GetBucketLocation, for a policy that allows them; the rest is not built. */
  #planOther(request: S3Request, id: string): PlannedResponse {
    if (request.key === '' && request.method === 'HEAD') {
      const headers = { ...this.#commonHeaders(id), 'x-amz-bucket-region': this.#region };
      return { status: 200, headers, length: 0, body: null };
    }
    if (request.key === '' && request.method === 'GET' && request.query.get('location') !== null) {
      // S3 names its first region by an empty element.
      const region = this.#region === 'us-east-1' ? '' : this.#region;
      const xml =
        '<?xml version="1.0" encoding="UTF-8"?>\n' +
        `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${region}</LocationConstraint>`;
      return this.#xmlPlan(200, {}, Buffer.from(xml), id, false);
    }
    throw new S3Error('NotImplemented');
  }

  #commonHeaders(id: string): Record<string, string> {
    return { 'x-amz-id-2': id, 'x-amz-request-id': id, date: this.#date(), server: 'dlfs-endpoint' };
  }

  #date(): string {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#dateText = new Date(second * 1000).toUTCString();
    }
    return this.#dateText;
  }

  #xmlPlan(
    status: number,
    headers: Readonly<Record<string, string>>,
    xml: Buffer,
    id: string,
    isHead: boolean,
  ): PlannedResponse {
    return {
      status,
      headers: { ...this.#commonHeaders(id), 'content-type': 'application/xml', ...headers },
      length: isHead ? null : xml.length,
      body: isHead ? null : xml,
    };
  }

  #errorPlan(error: unknown, id: string, isHead: boolean): PlannedResponse {
    if (!(error instanceof S3Error)) this.#report(error);
    const known = error instanceof S3Error ? error : new S3Error('InternalError');
    const xml = errorXml(known.code, known.message, known.elements, id);
    return this.#xmlPlan(known.status, known.headers, xml, id, isHead);
  }
}

function requestInfo(request: S3Request, message: IncomingMessage): RequestInfo {
  return {
    kind: request.kind,
    method: request.method,
    bucket: request.bucket,
    key: textOf(request.key),
    range: message.headers.range ?? null,
    prefix: request.kind === 'list' ? textOf(request.query.get('prefix') ?? ('' as ByteString)) : null,
    headers: message.headers,
  };
}

function payerHeader(bucket: Bucket): Record<string, string> {
  return bucket.requesterPays === true ? { 'x-amz-request-charged': 'requester' } : {};
}
