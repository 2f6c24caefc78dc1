/**
 * A Source: where objects are listed and ranges of them are read.
 *
 * The control plane talks to this interface; the bytes themselves never pass it. A source prepares each GET as the bytes of
 * a finished request head, the native fetcher sends it, and what comes back other than the bytes asked for returns here to
 * be understood: `failure` for an answer, `transportFailure` for none.
 *
 * Invariants:
 * 1. `get`, `failure`, `transportFailure` and `addresses` are synchronous and take microseconds.
 * 2. Every failure is a DlfsError whose message names the endpoint or bucket and the way out, without a secret. The key
 *    stands in its `key` field.
 * 3. A head that `get` returns holds no byte that the key, the etag or a credential could have put there to start another
 *    header or request.
 */
import type { DlfsError } from '../base/errors.ts';
import type { ListedObject, ListPage } from '../dataset/listing.ts';

/** Options of one listing. */
export interface ListOptions {
  /** `/`: one directory, what lies deeper rolled up; null: the whole subtree. */
  readonly delimiter: '/' | null;
  /** List only what comes after this key. */
  readonly startAfter?: string;
  /** The most names on a page: 1 to 1000, the default; a source may give fewer. */
  readonly pageSize?: number;
  /** Ends the listing; the iterator then throws `interrupted`. */
  readonly signal: AbortSignal;
}

/** A signed GET of a range, ready to be sent. */
export interface PreparedGet {
  /** Request line, header fields and the empty line, in Latin-1. */
  readonly head: Uint8Array;
  /** The value of its Host field. */
  readonly host: string;
}

/** The answer to a GET that was not the bytes asked for. */
export interface FailedReply {
  readonly status: number;
  /** The Date field, as sent. */
  readonly date: string | null;
  /** The first 64 KiB of the body. */
  readonly body: Uint8Array;
  /** The Retry-After field, as sent. */
  readonly retryAfter: string | null;
  /** The x-amz-bucket-region field, as sent. */
  readonly region: string | null;
}

/** How a fetch can end without an answer: the words of the native fetcher (native/src/http/fetcher.h, FetchKind). */
export type TransportFailureKind =
  'connect_failed' | 'tls_failed' | 'timeout' | 'reset' | 'protocol' | 'cancelled' | 'rejected';

/** A failure, with how long the origin asked to wait before the next try. */
export type SourceFailure = DlfsError & {
  /** Milliseconds, at most five minutes; null where the origin said nothing. */
  readonly retryAfterMs: number | null;
};

/** One socket address to connect to. */
export interface SocketAddress {
  /** A literal IPv4 or IPv6 address, without brackets. */
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** How the fetcher reaches the endpoint; fixed for the life of a source. */
export interface Transport {
  readonly tls: boolean;
  /** The name (or literal address) that the certificate must carry; sent as SNI unless an address. */
  readonly serverName: string;
  /** Trusted roots as PEM, all of them; null without TLS. */
  readonly caPem: string | null;
  /**
   * A CONNECT tunnel to open first: `addresses()` are then the proxy's. Plain HTTP through a proxy needs no tunnel: this is
   * null, `addresses()` are the proxy's, and heads are in absolute form with the proxy's authorization in them.
   */
  readonly proxy: {
    /** The origin's host, as it stands in the CONNECT line. */
    readonly host: string;
    /** The origin's port. */
    readonly port: number;
    /** Value of Proxy-Authorization; a secret. */
    readonly authorization: string | null;
  } | null;
}

/** What one LIST at start-up found. */
export interface ProbeReport {
  /** Some of the first objects below the prefix, in key order. */
  readonly sample: readonly ListedObject[];
  /** Whether there is more than the sample. */
  readonly more: boolean;
  /** The region in use. */
  readonly region: string;
  /** Milliseconds from the request to its answer. */
  readonly millis: number;
}

/** Where objects are listed and ranges of them are read; see the file's header. Disposing it ends threads and timers. */
export interface Source extends AsyncDisposable {
  /** For people: `s3://bucket/prefix at https://…`; no secret. */
  readonly describe: string;
  readonly transport: Transport;
  /**
   * Pages of the keys below a prefix, in the order and with the promises of `dataset/listing.ts`. The next page is fetched
   * while the caller works on this one.
   * @throws DlfsError from the iterator
   */
  list(prefix: string, options: ListOptions): AsyncIterable<ListPage>;
  /**
   * A GET of `length` bytes of `key` at `offset`, valid for some minutes from now.
   * @param etag as listed: sent as If-Match; empty: no such condition
   * @param unmodifiedSinceMs time of modification as listed, milliseconds since 1970: sent as If-Unmodified-Since, by the next
   *   whole second; null: no such condition
   * @throws DlfsError `unauthenticated`, retryable, where no valid credentials are at hand: await `ready()`, then repeat
   * @throws DlfsError `invalid-argument` for an empty or ill-formed key, an etag with control characters, or a bad range
   */
  get(key: string, etag: string, offset: number, length: number, unmodifiedSinceMs?: number | null): PreparedGet;
  /**
   * Resolves when `get` will work and `addresses` is not empty; at once where that is so already. Call it before a burst.
   * @throws DlfsError with what is missing: credentials or the endpoint's address
   */
  ready(): Promise<void>;
  /** Fetches credentials anew, whatever their expiry; resolves when they are in use. @throws DlfsError `unauthenticated` */
  refreshCredentials(): Promise<void>;
  /**
   * What a failed GET means. Corrects the clock by the origin's date where the origin says that it is wrong, and starts
   * a renewal where the credentials have expired.
   */
  failure(key: string, reply: FailedReply): SourceFailure;
  /** What a GET without an answer means. `text` is the fetcher's own. */
  transportFailure(key: string, kind: TransportFailureKind, text: string): SourceFailure;
  /** Addresses of the endpoint, or of the proxy before it; empty until `ready()` resolved once. */
  addresses(): readonly SocketAddress[];
  /** Calls back after `addresses()` has changed, until disposed. */
  onAddresses(listener: () => void): Disposable;
  /** One LIST of the prefix: does it answer, and what is there. @throws DlfsError with the way out */
  probe(signal?: AbortSignal): Promise<ProbeReport>;
}
