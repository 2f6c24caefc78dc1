/**
 * What the endpoint has answered, by kind of request: the origin's side of a hit rate.
 *
 * Invariant: a request is counted when its target is understood, body bytes when they are handed to the socket; so after
 * a client has read a response to its end, all of it is counted.
 */

import type { RequestKind } from './request.ts';

/** One kind's numbers. */
export interface KindCounters {
  readonly requests: number;
  /** Responses with a status of 400 or above, injected ones included. */
  readonly errors: number;
  /** Bytes of response bodies, without headers and framing. */
  readonly bodyBytes: number;
}

/** All kinds' numbers; a plain value that can cross a process boundary. */
export type CounterValues = Readonly<Record<RequestKind, KindCounters>>;

const zero = (): { requests: number; errors: number; bodyBytes: number } => ({ requests: 0, errors: 0, bodyBytes: 0 });

/** Counts; owned by one endpoint. */
export class Counters {
  #values = { list: zero(), head: zero(), get: zero(), other: zero() };

  /** Counts a request. */
  request(kind: RequestKind): void {
    this.#values[kind].requests++;
  }

  /** Counts an error response. */
  error(kind: RequestKind): void {
    this.#values[kind].errors++;
  }

  /** Counts bytes of a body. */
  bytes(kind: RequestKind, count: number): void {
    this.#values[kind].bodyBytes += count;
  }

  /** The numbers since the start or the last reset, as a copy. */
  values(): CounterValues {
    return structuredClone(this.#values);
  }

  /** Sets all to zero. */
  reset(): void {
    this.#values = { list: zero(), head: zero(), get: zero(), other: zero() };
  }
}
