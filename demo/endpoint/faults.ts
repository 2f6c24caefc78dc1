/**
 * Faults on request: what a test tells the endpoint to do wrong, and when.
 *
 * A fault is injected with a matcher (kind of request, key, n-th matching request). The first injected fault that matches
 * a request decides about it. The handle that `inject` returns counts the hits, lets a test wait for one without
 * sleeping, releases stalled requests, and removes the fault.
 *
 * Invariants:
 * 1. Without a matching fault the endpoint behaves as if this module did not exist.
 * 2. Every request that a fault holds (stall, delay, drip, endless) ends when its client goes away, when the fault is
 *    released, or when the endpoint is disposed of.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { RequestKind } from './request.ts';
import { errorDefaults } from './s3-error.ts';

/** What a fault's matcher, and the endpoint's journal, see of a request. */
export interface RequestInfo {
  readonly kind: RequestKind;
  readonly method: string;
  readonly bucket: string | null;
  /** Decoded as UTF-8; '' for requests about the bucket. */
  readonly key: string;
  /** The Range header, or null. */
  readonly range: string | null;
  /** The listing's prefix, or null where the request is no listing. */
  readonly prefix: string | null;
  readonly headers: IncomingHttpHeaders;
}

/** Answers an error of one's choice instead of the truth. */
export interface ErrorFault {
  readonly type: 'error';
  readonly status: number;
  readonly code: string;
  readonly message?: string;
  /** Further elements of the XML body. */
  readonly elements?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers exactly this. */
export interface RespondFault {
  readonly type: 'respond';
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Changes headers of the right response: Content-Range, Date, ETag, a HEAD's Content-Length … */
export interface HeadersFault {
  readonly type: 'headers';
  /** Lower-case names; null removes the header. Content-Length: see LengthFault for bodies. */
  readonly set: Readonly<Record<string, string | null>>;
}

/** Pretends that the object has changed: another ETag, with the same content unless `content` says otherwise. */
export interface EtagFault {
  readonly type: 'etag';
  /** With its quotes. */
  readonly etag: string;
  /** true: If-Match is not looked at, so the new ETag comes with a body; otherwise it leads to 412. */
  readonly ignoreConditions?: boolean;
}

/** Answers 200 and the whole object to a ranged request. */
export interface IgnoreRangeFault {
  readonly type: 'ignore-range';
}

/** Breaks the connection behind `afterBytes` bytes of the body (0: behind the headers). */
export interface CutFault {
  readonly type: 'cut';
  readonly afterBytes: number;
  /** 'close' (FIN, the default): all bytes before arrive. 'reset' (RST): some of them may be lost, as in life. */
  readonly how?: 'close' | 'reset';
}

/** Lies about the body's length. */
export interface LengthFault {
  readonly type: 'length';
  /** The Content-Length to announce; absent: the true one. Too much of it ends in a closed connection. */
  readonly announce?: number;
  /** Bytes sent behind the true body. */
  readonly extraBytes?: number;
  /** true: no Content-Length at all, but chunks. */
  readonly chunked?: boolean;
}

/** Stops, until released, in place of the headers or behind `after` bytes of the body (0: behind the headers). */
export interface StallFault {
  readonly type: 'stall';
  readonly after: 'nothing' | number;
}

/** Sends the body in pieces of `bytes`, one each `everyMs` milliseconds. */
export interface DripFault {
  readonly type: 'drip';
  readonly bytes: number;
  readonly everyMs: number;
}

/** Waits before the right response. */
export interface DelayFault {
  readonly type: 'delay';
  readonly ms: number;
}

/** Sends a head and `start`, then `repeat` again and again until the client goes away. */
export interface EndlessFault {
  readonly type: 'endless';
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly start: string;
  readonly repeat: string;
}

/**
 * Hands the connection over: what is written to it is all that the client sees (with TLS, inside of it). The connection
 * is destroyed when the promise settles. `signal` is aborted when the client goes away or the endpoint ends.
 */
export interface RawFault {
  readonly type: 'raw';
  readonly respond: (socket: Socket, request: RequestInfo, signal: AbortSignal) => Promise<void>;
}

/** All that can go wrong. */
export type Fault =
  | ErrorFault
  | RespondFault
  | HeadersFault
  | EtagFault
  | IgnoreRangeFault
  | CutFault
  | LengthFault
  | StallFault
  | DripFault
  | DelayFault
  | EndlessFault
  | RawFault;

/** Which requests a fault is for; what is absent matches all. */
export interface FaultMatch {
  readonly kind?: RequestKind | readonly RequestKind[];
  readonly key?: string | RegExp | ((key: string) => boolean);
  /** Which of the requests that match otherwise, counted from 1: one, or from/to (inclusive). */
  readonly nth?: number | { readonly from?: number; readonly to?: number };
  /** Any further condition; asked last, and before `nth` counts. */
  readonly when?: (request: RequestInfo) => boolean;
}

/** A fault as the endpoint holds it while it is at work on a request. */
export interface ActiveFault {
  readonly fault: Fault;
  /** Settles when a held request may go on. */
  readonly released: Promise<void>;
}

/** What the endpoint asks about each request. */
export interface FaultHook {
  /** The fault to apply to `request`, or null. Called once a request. */
  match(request: RequestInfo): ActiveFault | null;
}

/** The handle of an injected fault. Disposing of it removes and releases it. */
export class InjectedFault implements ActiveFault, Disposable {
  // Constant data
  readonly fault: Fault;
  readonly released: Promise<void>;
  readonly #match: FaultMatch;
  readonly #release: () => void;
  readonly #onRemove: (fault: InjectedFault) => void;

  // Mutable state. Invariant: waiters hold only counts above `hits`.
  #seen = 0;
  #hits = 0;
  #waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(match: FaultMatch, fault: Fault, onRemove: (fault: InjectedFault) => void) {
    this.fault = fault;
    this.#match = match;
    this.#onRemove = onRemove;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.released = promise;
    this.#release = () => {
      resolve(undefined);
    };
  }

  /** Requests that the fault was applied to. */
  get hits(): number {
    return this.#hits;
  }

  /** Settles as soon as the fault has been applied to `count` requests (a stalled request counts when it arrives). */
  hit(count = 1): Promise<void> {
    if (this.#hits >= count) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ count, resolve });
    });
  }

  /** Lets held requests go on; requests that match from now on are no longer held. */
  release(): void {
    this.#release();
  }

  /** Takes the fault out; requests that it holds stay held until released. */
  remove(): void {
    this.#onRemove(this);
  }

  [Symbol.dispose](): void {
    this.remove();
    this.release();
  }

  /** For Faults: whether `request` is hit; counts it. */
  accepts(request: RequestInfo): boolean {
    const { kind, key, nth, when } = this.#match;
    if (kind !== undefined && (typeof kind === 'string' ? kind !== request.kind : !kind.includes(request.kind))) {
      return false;
    }
    if (typeof key === 'string' && key !== request.key) return false;
    if (key instanceof RegExp && !key.test(request.key)) return false;
    if (typeof key === 'function' && !key(request.key)) return false;
    if (when !== undefined && !when(request)) return false;
    const n = ++this.#seen;
    if (typeof nth === 'number' && n !== nth) return false;
    if (typeof nth === 'object' && (n < (nth.from ?? 1) || n > (nth.to ?? Infinity))) return false;
    this.#hits++;
    const reached = this.#waiters.filter((waiter) => waiter.count <= this.#hits);
    this.#waiters = this.#waiters.filter((waiter) => waiter.count > this.#hits);
    for (const waiter of reached) waiter.resolve();
    return true;
  }
}

/** The faults of one endpoint, in the order of their injection. */
export class Faults implements FaultHook {
  #injected: InjectedFault[] = [];

  /** Injects `fault` for the requests that match; the first injected one that matches wins. */
  inject(match: FaultMatch, fault: Fault): InjectedFault {
    const injected = new InjectedFault(match, fault, (gone) => {
      this.#injected = this.#injected.filter((one) => one !== gone);
    });
    this.#injected.push(injected);
    return injected;
  }

  match(request: RequestInfo): ActiveFault | null {
    return this.#injected.find((injected) => injected.accepts(request)) ?? null;
  }

  /** Removes and releases all. */
  clear(): void {
    for (const injected of this.#injected) injected[Symbol.dispose]();
  }
}

/** 503 SlowDown; `retryAfter` in seconds, or null for none. */
export function slowDown(retryAfter: number | null = null): ErrorFault {
  const { status, message } = errorDefaults('SlowDown');
  const headers: Record<string, string> = retryAfter === null ? {} : { 'retry-after': String(retryAfter) };
  return { type: 'error', status, code: 'SlowDown', message, headers };
}

/** 500 InternalError. */
export function internalError(): ErrorFault {
  return { type: 'error', code: 'InternalError', ...errorDefaults('InternalError') };
}

/** 301 PermanentRedirect to the bucket's region. */
export function permanentRedirect(region: string, bucket: string): ErrorFault {
  return {
    type: 'error',
    code: 'PermanentRedirect',
    ...errorDefaults('PermanentRedirect'),
    elements: { Endpoint: `${bucket}.s3.${region}.amazonaws.com`, Bucket: bucket },
    headers: { 'x-amz-bucket-region': region },
  };
}

/** An answer of something that speaks HTTP but not S3. */
export function notS3(status = 200): RespondFault {
  return {
    type: 'respond',
    status,
    headers: { 'content-type': 'text/html' },
    body: '<!DOCTYPE html><html><head><title>It works!</title></head><body><p>Hello</p></body></html>',
  };
}

/** An answer whose first line is no status line. */
export function garbageStatusLine(): RawFault {
  return {
    type: 'raw',
    respond: (socket) =>
      new Promise((resolve) => {
        socket.end('\x00\xff SSH-2.0-OpenSSH_9.2 \x00\r\n\r\n', 'latin1', () => {
          resolve();
        });
      }),
  };
}

/** Headers without end. */
export function endlessHeaders(): RawFault {
  return {
    type: 'raw',
    respond: async (socket, _request, signal) => {
      await writeRaw(socket, 'HTTP/1.1 200 OK\r\n');
      // A write to a broken connection calls back at once: without a turn of the loop nobody would ever learn that it broke.
      for (let n = 0; !signal.aborted && socket.writable; n++) {
        await writeRaw(socket, `x-endless-${String(n)}: ${'y'.repeat(1000)}\r\n`);
        await setImmediate();
      }
    },
  };
}

function writeRaw(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => {
    // A broken connection shows in the signal; the loop above ends by it.
    socket.write(text, 'latin1', () => {
      resolve();
    });
  });
}

/** An XML error whose message never ends. */
export function endlessError(status = 500): EndlessFault {
  return {
    type: 'endless',
    status,
    headers: { 'content-type': 'application/xml' },
    start: '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>',
    repeat: 'and then, '.repeat(1000),
  };
}

/** A listing whose entries never end. */
export function endlessListing(bucket: string): EndlessFault {
  const entry =
    '<Contents><Key>again</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>' +
    '<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>1</Size>' +
    '<StorageClass>STANDARD</StorageClass></Contents>';
  return {
    type: 'endless',
    status: 200,
    headers: { 'content-type': 'application/xml' },
    start:
      '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<Name>${bucket}</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>` +
      '<IsTruncated>false</IsTruncated>',
    repeat: entry.repeat(50),
  };
}
