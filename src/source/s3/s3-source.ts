/**
 * The S3 source.
 *
 * Two paths to one bucket. Listings, credentials and endpoint rules are the SDK's, in the lister's thread; GETs are heads
 * signed here (`signer.ts`) and carried by the native fetcher. Both take endpoint, region, proxy, trust, credentials and clock
 * from the same place, so that they cannot disagree.
 *
 * Invariants:
 * 1. `open` sends nothing to the endpoint: it resolves where the bucket is and checks the set-up. `probe` is the first request.
 * 2. No head is signed with credentials that have expired, nor, while a renewal is under way, with those that the origin refused.
 * 3. Renewals after a refusal are at least `RENEWAL_PAUSE_MS` apart, however many requests were refused.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { HostThread } from '../../base/host-thread.ts';
import type { Logger } from '../../base/log.ts';
import type { ListPage } from '../../dataset/listing.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import { formatSourceReference } from '../../dataset/source-reference.ts';
import { SOURCE_WORDS } from '../../dataset/source-words.ts';
import { parseRetryAfter, sourceFailure } from '../source-failure.ts';
import type {
  FailedReply,
  ListOptions,
  PreparedGet,
  ProbeReport,
  SocketAddress,
  Source,
  SourceFailure,
  Transport,
  TransportFailureKind,
} from '../source.ts';
import { AddressBook, type Lookup } from './address-book.ts';
import { classify, type Origin, type Remedy } from './classify.ts';
import { ClockSkew } from './clock-skew.ts';
import { areSameKeys, EXPIRY_MARGIN_MS } from './credential-keeper.ts';
import { originOf, type ResolvedEndpoint } from './endpoint.ts';
import { parseErrorReply, type ErrorReply } from './error-reply.ts';
import { ListerClient } from './lister-client.ts';
import { listerHost } from './lister-host.ts';
import type { HeldCredentials } from './messages.ts';
import { networkFailure, transportFailure, type Destination } from './network-failure.ts';
import { proxyFor, type Environment, type Proxy } from './proxy.ts';
import { keysFrom } from './sdk-credentials.ts';
import { GetSigner } from './signer.ts';
import { trustedAuthorities } from './trust.ts';

/** What the most names on a page may be, and what is asked for by default. */
const MAX_PAGE = 1000;

/** Objects that a probe looks at. */
const PROBE_SAMPLE = 100;

/** Tries of a probe: enough for a dropped packet, few enough that a wrong endpoint is reported at once. */
const PROBE_ATTEMPTS = 2;

/** Tries of a page by default: with backoff about half a minute of a failing origin. */
const LIST_ATTEMPTS = 8;

/** Between renewals that refusals ask for, milliseconds: a source of keys is not asked for each of a thousand reads. */
const RENEWAL_PAUSE_MS = 60_000;

/** What an S3 source is made of. */
export interface S3SourceOptions {
  readonly source: SourceOptions;
  /** The process environment: the SDK's variables, and the proxies'. */
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tries of each page of a listing; 8 by default. */
  readonly listAttempts?: number;
  /** Milliseconds for one HTTP request of a listing, its answer included; a minute by default. */
  readonly requestDeadlineMs?: number;
  /** Milliseconds for the credential chain; a minute by default. */
  readonly credentialsDeadlineMs?: number;
  /** Asks the resolver; the system's by default. */
  readonly lookup?: Lookup;
  /** Where the source lists, shared with others (`listerHost`); by default it has a thread of its own, and ends it. */
  readonly thread?: HostThread;
}

/** See the file's header. Made by `S3Source.open`. */
export class S3Source implements Source {
  readonly describe: string;
  readonly transport: Transport;
  /** Where the requests go. */
  readonly endpoint: ResolvedEndpoint;
  readonly #options: S3SourceOptions;
  readonly #lister: ListerClient;
  readonly #owned: AsyncDisposableStack;
  readonly #signer: GetSigner;
  readonly #book: AddressBook;
  readonly #skew: ClockSkew;
  readonly #origin: Origin;
  readonly #destination: Destination;
  #credentials: HeldCredentials | null = null;
  /** The credentials in use were refused, and are being renewed. */
  #stale = false;
  /** The last renewal brought nothing newer than what was refused. */
  #renewedInVain = false;
  #renewedAtMs = Number.NEGATIVE_INFINITY;

  private constructor(parts: SourceParts) {
    const { options, endpoint, lister, proxy, authorities, skew, owned } = parts;
    const { source, environment } = options;
    const url = originOf(endpoint);
    this.#options = options;
    this.#lister = lister;
    this.#owned = owned;
    this.#skew = skew;
    this.endpoint = endpoint;
    this.describe = `${formatSourceReference(source.reference)} at ${url}`;
    this.#origin = {
      bucket: source.reference.bucket,
      endpoint: url,
      region: endpoint.region,
      anonymous: source.anonymous,
      keysFrom: keysFrom(source, environment),
      custom: endpoint.custom,
      words: SOURCE_WORDS[source.written],
    };
    this.#destination = {
      endpoint: url,
      bucketInName: endpoint.custom && endpoint.virtualHost,
      proxy: proxy?.url ?? null,
      words: SOURCE_WORDS[source.written],
    };
    this.transport = {
      tls: endpoint.tls,
      serverName: endpoint.hostname,
      caPem: endpoint.tls ? `${authorities.join('\n')}\n` : null,
      proxy:
        proxy === null || !endpoint.tls
          ? null
          : {
              host: endpoint.hostname.includes(':') ? `[${endpoint.hostname}]` : endpoint.hostname,
              port: endpoint.port,
              authorization: proxy.authorization,
            },
    };
    this.#signer = new GetSigner({
      host: endpoint.host,
      basePath: endpoint.basePath,
      region: endpoint.region,
      service: endpoint.service,
      requesterPays: source.requesterPays,
      forward: proxy === null || endpoint.tls ? null : { origin: url, authorization: proxy.authorization },
    });
    this.#book = new AddressBook({
      hostname: proxy?.host ?? endpoint.hostname,
      port: proxy?.port ?? endpoint.port,
      lookup: options.lookup ?? ((hostname) => systemLookup(hostname, { all: true, order: 'verbatim' })),
      clock: options.clock,
      log: options.log,
      explain: (thrown) => networkFailure(thrown, this.#destination),
    });
  }

  /**
   * Resolves where the bucket is, in the lister's thread.
   * @throws DlfsError `invalid-argument` for a missing region, an unreadable CA file, a proxy that is none; `unsupported` for kinds of
   *   buckets that cannot be listed in order
   */
  static async open(options: S3SourceOptions): Promise<S3Source> {
    const { source, environment, log } = options;
    const authorities = trustedAuthorities(source, environment);
    const skew = new ClockSkew(log);
    await using stack = new AsyncDisposableStack();
    let opened: S3Source | null = null;
    const thread = options.thread ?? stack.use(listerHost({ environment, log }));
    const lister = stack.use(
      new ListerClient({
        config: {
          source,
          authorities,
          requestDeadlineMs: options.requestDeadlineMs ?? 60_000,
          credentialsDeadlineMs: options.credentialsDeadlineMs ?? 60_000,
        },
        thread,
        log,
        onCredentials: (credentials) => {
          if (opened !== null) opened.#use(credentials);
        },
        onSkew: (offsetMs) => void skew.adopt(offsetMs),
      }),
    );
    const endpoint = await lister.open();
    const proxy = proxyFor(new URL(originOf(endpoint)), environment);
    opened = new S3Source({ options, endpoint, lister, proxy, authorities, skew, owned: stack.move() });
    return opened;
  }

  async *list(prefix: string, options: ListOptions): AsyncGenerator<ListPage, void, void> {
    const { delimiter, startAfter = '', pageSize = MAX_PAGE, signal } = options;
    if (!(Number.isInteger(pageSize) && pageSize >= 1 && pageSize <= MAX_PAGE)) {
      throw new DlfsError('invalid-argument', `a page has 1 to ${MAX_PAGE} names, not ${pageSize}`);
    }
    yield* this.#lister.list(
      { prefix, delimiter, startAfter, pageSize, attempts: this.#options.listAttempts ?? LIST_ATTEMPTS },
      signal,
    );
  }

  get(key: string, etag: string, offset: number, length: number, unmodifiedSinceMs: number | null = null): PreparedGet {
    const now = this.#options.clock.wall();
    if (!this.#options.source.anonymous && !this.#areUsable(now)) throw this.#noCredentials();
    return this.#signer.prepare(key, { etag, unmodifiedSinceMs }, offset, length, now + this.#skew.offsetMs);
  }

  async ready(): Promise<void> {
    const hasKeys = this.#options.source.anonymous || this.#areUsable(this.#options.clock.wall());
    if (hasKeys && this.#book.addresses.length > 0) return;
    await Promise.all([hasKeys ? null : this.#load(this.#stale), this.#book.ready()]);
  }

  async refreshCredentials(): Promise<void> {
    if (!this.#options.source.anonymous) await this.#load(true);
  }

  failure(key: string, reply: FailedReply): SourceFailure {
    const now = this.#options.clock.wall();
    const error = parseErrorReply(reply.body);
    const { failure, remedy } = classify(
      {
        operation: 'get',
        status: reply.status,
        reply: error,
        region: reply.region === null || !/^[a-z0-9-]{1,64}$/.test(reply.region) ? null : reply.region,
        retryAfterMs: parseRetryAfter(reply.retryAfter, now),
      },
      this.#origin,
    );
    const retryable = failure.retryable && this.#apply(remedy, reply, error, now);
    return sourceFailure(failure.code, failure.message, { retryable, retryAfterMs: failure.retryAfterMs, key });
  }

  transportFailure(key: string, kind: TransportFailureKind, text: string): SourceFailure {
    const { code, message, retryable } = transportFailure(kind, text, this.#destination);
    return sourceFailure(code, message, { retryable, key });
  }

  addresses(): readonly SocketAddress[] {
    return this.#book.addresses;
  }

  onAddresses(listener: () => void): Disposable {
    return this.#book.onChange(listener);
  }

  async probe(signal: AbortSignal = new AbortController().signal): Promise<ProbeReport> {
    const { clock, source } = this.#options;
    const call = {
      prefix: source.reference.prefix,
      delimiter: null,
      startAfter: '',
      pageSize: PROBE_SAMPLE,
      attempts: PROBE_ATTEMPTS,
    };
    const began = clock.monotonic();
    for await (const page of this.#lister.list(call, signal)) {
      return {
        sample: page.objects,
        more: !page.last,
        region: this.endpoint.region,
        millis: clock.monotonic() - began,
      };
    }
    throw new DlfsError('internal', 'a listing without a page');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#book[Symbol.dispose]();
    await this.#owned.disposeAsync();
  }

  #areUsable(nowMs: number): boolean {
    const held = this.#credentials;
    return held !== null && !this.#stale && (held.expiresMs === null || held.expiresMs - nowMs > EXPIRY_MARGIN_MS);
  }

  #noCredentials(): DlfsError {
    const { endpoint, keysFrom: from } = this.#origin;
    return new DlfsError('unauthenticated', `no valid keys for ${endpoint} at hand (${from}): they are being renewed`, {
      retryable: true,
    });
  }

  async #load(fresh: boolean): Promise<void> {
    this.#use(await this.#lister.credentials(fresh));
    this.#stale = false;
  }

  #use(credentials: HeldCredentials | null): void {
    const before = this.#credentials;
    if (areSameKeys(before, credentials)) {
      this.#credentials = credentials;
      return;
    }
    this.#signer.use(credentials);
    this.#credentials = credentials;
    this.#stale = false;
    this.#renewedInVain = false;
  }

  /** Does what a refusal asks for. @returns whether another try can help */
  #apply(remedy: Remedy, reply: FailedReply, error: ErrorReply, nowMs: number): boolean {
    switch (remedy) {
      case 'none':
        return true;
      case 'correct-clock': {
        const changed = this.#skew.correct(error.serverTime, nowMs) || this.#skew.correct(reply.date, nowMs);
        if (changed) this.#lister.correctClock(this.#skew.offsetMs);
        // Requests signed before the correction are refused after it: they too may try again.
        return this.#skew.offsetMs !== 0;
      }
      case 'renew-credentials':
        if (nowMs - this.#renewedAtMs >= RENEWAL_PAUSE_MS) this.#renew(nowMs);
        return !this.#renewedInVain;
    }
  }

  /** Renews in the background; until that is done `get` refuses. */
  #renew(nowMs: number): void {
    const refused = this.#credentials;
    this.#renewedAtMs = nowMs;
    this.#renewedInVain = false;
    this.#stale = true;
    this.#load(true).then(
      () => {
        this.#renewedInVain = areSameKeys(this.#credentials, refused);
      },
      (thrown: unknown) => {
        this.#options.log.warn('keys that the origin refuses could not be renewed', {
          err: DlfsError.from(thrown).toJSON(),
        });
      },
    );
  }
}

/** What `open` puts together. */
interface SourceParts {
  readonly options: S3SourceOptions;
  readonly endpoint: ResolvedEndpoint;
  readonly lister: ListerClient;
  readonly proxy: Proxy | null;
  readonly authorities: readonly string[];
  readonly skew: ClockSkew;
  /** The lister, and its thread where that is not shared. */
  readonly owned: AsyncDisposableStack;
}
