/**
 * The lister: everything of a source that needs the SDK, behind messages. It runs in a thread of its own (`lister-thread.ts`),
 * so that neither the SDK nor the parsing of a page ever holds the main thread.
 *
 * Invariants:
 * 1. Each call ends: by its answer, by `failed`, or silently after `cancel`.
 * 2. A listing fetches at most `PAGES_AHEAD` pages beyond what was acknowledged.
 * 3. Secrets leave in `credentials` messages alone.
 */
import { S3Client, type ListObjectsV2CommandInput, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { retryAfterOf } from '../source-failure.ts';
import { backoffMs } from './backoff.ts';
import type { Origin, Remedy } from './classify.ts';
import { areSameKeys, CredentialKeeper } from './credential-keeper.ts';
import { SOURCE_WORDS } from '../../dataset/source-words.ts';
import { baseClientConfig, originOf, resolveEndpoint, type ResolvedEndpoint } from './endpoint.ts';
import { HttpCarrier } from './http-carrier.ts';
import { ListOrder } from './list-order.ts';
import type { ListResult } from './list-result.ts';
import { PAGES_AHEAD, type ListCall, type ListerConfig, type ListerMessage, type ListerRequest } from './messages.ts';
import type { Destination } from './network-failure.ts';
import { fetchPage } from './page-fetch.ts';
import { proxyFor, type Environment } from './proxy.ts';
import { keysFrom, loadCredentials } from './sdk-credentials.ts';

/** Tries of a page that came, but broken: what a server sends three times it means. */
const BROKEN_ATTEMPTS = 3;

/** An offset of the SDK's clock is passed on when it has moved by more than this, milliseconds (a Date has whole seconds). */
const SKEW_STEP_MS = 5000;

/** What a lister needs. */
export interface ListerOptions {
  readonly config: ListerConfig;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly random: () => number;
  readonly post: (message: ListerMessage) => void;
}

/** What is known once the endpoint is. */
interface Opened {
  readonly endpoint: ResolvedEndpoint;
  readonly origin: Origin;
  readonly destination: Destination;
  readonly client: S3Client;
  readonly carrier: HttpCarrier;
  readonly keeper: CredentialKeeper | null;
}

/** A listing under way. */
interface Running {
  readonly abort: AbortController;
  /** Pages posted and not acknowledged. */
  ahead: number;
  /** Wakes the listing when one was. */
  wake: () => void;
}

/** See the file's header. */
export class Lister implements Disposable {
  readonly #options: ListerOptions;
  readonly #running = new Map<number, Running>();
  #opening: Promise<Opened> | null = null;
  #opened: Opened | null = null;
  #skewMs = 0;

  constructor(options: ListerOptions) {
    this.#options = options;
  }

  /** Takes one message. */
  receive(request: ListerRequest): void {
    switch (request.kind) {
      case 'open':
        this.#answer(request.id, async () => {
          const { endpoint } = await this.#open();
          this.#options.post({ kind: 'opened', id: request.id, endpoint });
        });
        break;
      case 'credentials':
        this.#answer(request.id, async () => {
          const { keeper } = await this.#open();
          const value = keeper === null ? null : await (request.fresh ? keeper.refresh() : keeper.get());
          this.#options.post({ kind: 'credentials', id: request.id, value });
        });
        break;
      case 'list':
        this.#answer(request.id, () => this.#list(request.id, request));
        break;
      case 'more':
        this.#acknowledge(request.id);
        break;
      case 'cancel':
        this.#running.get(request.id)?.abort.abort();
        this.#running.delete(request.id);
        break;
      case 'skew':
        this.#skewMs = request.offsetMs;
        if (this.#opened !== null) this.#opened.client.config.systemClockOffset = request.offsetMs;
        break;
    }
  }

  [Symbol.dispose](): void {
    for (const { abort } of this.#running.values()) abort.abort();
    this.#running.clear();
    this.#opened?.keeper?.[Symbol.dispose]();
    this.#opened?.client.destroy();
    this.#opened?.carrier.destroy();
  }

  #answer(id: number, work: () => Promise<void>): void {
    work().catch((thrown: unknown) => {
      const error = DlfsError.from(thrown);
      this.#options.post({ kind: 'failed', id, error: error.toJSON(), retryAfterMs: retryAfterOf(error) });
    });
  }

  async #open(): Promise<Opened> {
    this.#opening ??= this.#makeClient();
    try {
      this.#opened = await this.#opening;
      return this.#opened;
    } catch (thrown) {
      this.#opening = null;
      throw thrown;
    }
  }

  async #makeClient(): Promise<Opened> {
    const { config, environment, clock } = this.#options;
    const { source } = config;
    const words = SOURCE_WORDS[source.written];
    const endpoint = await resolveEndpoint(source, environment);
    const carrier = new HttpCarrier({
      environment,
      authorities: config.authorities,
      clock,
      deadlineMs: config.requestDeadlineMs,
      words,
    });
    const keeper = source.anonymous ? null : this.#makeKeeper(endpoint, carrier);
    const client = new S3Client({
      ...baseClientConfig(source, endpoint.region, endpoint.pathStyle),
      ...(keeper === null
        ? {
            credentials: { accessKeyId: '', secretAccessKey: '' },
            signer: { sign: (request: unknown) => Promise.resolve(request) },
          }
        : { credentials: providerOf(keeper) }),
      requestHandler: carrier,
    } as unknown as S3ClientConfig);
    client.config.systemClockOffset = this.#skewMs;
    const url = new URL(originOf(endpoint));
    return {
      endpoint,
      carrier,
      keeper,
      client,
      destination: {
        endpoint: originOf(endpoint),
        bucketInName: endpoint.custom && endpoint.virtualHost,
        proxy: proxyFor(url, environment)?.url ?? null,
        words,
      },
      origin: {
        bucket: source.reference.bucket,
        endpoint: originOf(endpoint),
        region: endpoint.region,
        anonymous: source.anonymous,
        keysFrom: keysFrom(source, environment),
        custom: endpoint.custom,
        words,
      },
    };
  }

  #makeKeeper(endpoint: ResolvedEndpoint, carrier: HttpCarrier): CredentialKeeper {
    const { config, environment, clock, random, post } = this.#options;
    const warn = (message: string): void => post({ kind: 'log', level: 'warn', message, error: null });
    return new CredentialKeeper({
      clock,
      random,
      load: () =>
        loadCredentials({
          source: config.source,
          region: endpoint.region,
          carrier,
          environment,
          clock,
          deadlineMs: config.credentialsDeadlineMs,
          warn,
        }),
      onChange: (value) => post({ kind: 'credentials', id: null, value }),
      onFailure: (error, leftMs) => {
        const level = leftMs > 300_000 ? 'info' : 'warn';
        post({
          kind: 'log',
          level,
          message: `keys could not be renewed; those in use end in ${Math.round(leftMs / 1000)} s`,
          error: error.toJSON(),
        });
      },
    });
  }

  async #list(id: number, call: ListCall): Promise<void> {
    const running: Running = { abort: new AbortController(), ahead: 0, wake: () => undefined };
    this.#running.set(id, running);
    const { signal } = running.abort;
    try {
      const order = new ListOrder(call);
      let token: string | null = null;
      do {
        await this.#room(running);
        const result: ListResult = await this.#fetch(call, token, signal);
        const page = order.accept(result);
        token = result.nextToken;
        if (signal.aborted) return;
        running.ahead += 1;
        this.#options.post({ kind: 'page', id, page });
      } while (token !== null);
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    } finally {
      this.#running.delete(id);
    }
  }

  /** Waits until fewer than `PAGES_AHEAD` pages are out. */
  async #room(running: Running): Promise<void> {
    const { signal } = running.abort;
    while (running.ahead >= PAGES_AHEAD && !signal.aborted) {
      await new Promise<void>((resolve) => {
        running.wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #acknowledge(id: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.ahead -= 1;
    running.wake();
  }

  /** One page, tried again where that can help. */
  async #fetch(call: ListCall, token: string | null, signal: AbortSignal): Promise<ListResult> {
    const { clock, random, post } = this.#options;
    const opened = await this.#open();
    const input = inputOf(call, token, opened, this.#options.config.source.requesterPays);
    for (let failures = 0; ;) {
      let remedy: Remedy = 'none';
      try {
        const { client, origin, destination } = opened;
        return await fetchPage(
          input,
          { client, origin, destination, clock, onRefused: (asked) => (remedy = asked) },
          signal,
        );
      } catch (thrown) {
        const error = DlfsError.from(thrown);
        failures += 1;
        const most = error.code === 'protocol' ? Math.min(call.attempts, BROKEN_ATTEMPTS) : call.attempts;
        if (!error.retryable || failures >= most || signal.aborted) throw error;
        if (!(await this.#apply(remedy, opened))) throw new DlfsError(error.code, error.message, { retryable: false });
        const wait = backoffMs(failures, random(), error.code === 'throttled', retryAfterOf(error));
        post({
          kind: 'log',
          level: 'debug',
          message: `listing: try ${failures + 1} in ${Math.round(wait)} ms`,
          error: error.toJSON(),
        });
        await clock.sleep(wait, signal);
      } finally {
        this.#reportSkew(opened.client);
      }
    }
  }

  /** @returns whether another try can help */
  async #apply(remedy: Remedy, { keeper }: Opened): Promise<boolean> {
    if (remedy !== 'renew-credentials' || keeper === null) return true;
    const before = await keeper.get();
    const after = await keeper.refresh();
    return !areSameKeys(before, after);
  }

  #reportSkew(client: S3Client): void {
    const offsetMs = client.config.systemClockOffset;
    if (Math.abs(offsetMs - this.#skewMs) < SKEW_STEP_MS) return;
    this.#skewMs = offsetMs;
    this.#options.post({ kind: 'skew', offsetMs });
  }
}

/** The keeper as the SDK wants it: already caching, so that the SDK adds no cache of its own. */
function providerOf(keeper: CredentialKeeper): unknown {
  const provider = async (): Promise<object> => {
    const { accessKeyId, secretAccessKey, sessionToken } = await keeper.get();
    return { accessKeyId, secretAccessKey, ...(sessionToken === null ? {} : { sessionToken }) };
  };
  return Object.assign(provider, { memoized: true });
}

function inputOf(
  call: ListCall,
  token: string | null,
  { origin }: Opened,
  requesterPays: boolean,
): ListObjectsV2CommandInput {
  return {
    Bucket: origin.bucket,
    Prefix: call.prefix,
    EncodingType: 'url',
    MaxKeys: call.pageSize,
    ...(call.delimiter === null ? {} : { Delimiter: call.delimiter }),
    ...(token === null ? {} : { ContinuationToken: token }),
    ...(token === null && call.startAfter !== '' ? { StartAfter: call.startAfter } : {}),
    ...(requesterPays ? { RequestPayer: 'requester' } : {}),
    // Tells restored objects from archived ones; servers that do not know the header pass over it.
    OptionalObjectAttributes: ['RestoreStatus'],
  };
}
