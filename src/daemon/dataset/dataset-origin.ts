/**
 * A dataset's origin as its parts see it: a source that may not be open yet, or may be replaced by one with other keys, and the
 * endpoint of the data plane that goes with it.
 *
 * Opening a source asks nothing of the origin, but it takes the SDK its time, and it can fail (a file of certificates that is not
 * there). Neither is to keep a dataset from being mounted whose listing is on the disk: until the source is open, listings wait for
 * it, and GETs are refused for a moment.
 *
 * Invariants:
 * 1. Opening is tried when somebody needs the source, by one at a time; a failure is that caller's, and the next one tries again.
 * 2. The endpoint exists once an address is known, and follows the source's addresses.
 * 3. A replacement is open and reachable by name before the old one goes. Runs that the old endpoint had under way are cancelled, and
 *    asked for anew by whoever waits.
 */
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ListPage } from '../../dataset/listing.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import { formatSourceReference } from '../../dataset/source-reference.ts';
import type { NativeHost } from '../../native/host.ts';
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
} from '../../source/source.ts';

/** What an origin is made of. */
export interface DatasetOriginOptions {
  readonly source: SourceOptions;
  readonly host: NativeHost;
  /** Opens a source; asks nothing of the origin. */
  readonly open: (source: SourceOptions) => Promise<Source>;
  readonly log: Logger;
}

/** What was last heard of the origin. */
export interface OriginHealth {
  /** Null: nothing yet. */
  readonly reachable: boolean | null;
  /** Why not. */
  readonly error: DlfsError | null;
}

/** An open source with its endpoint. */
interface Link {
  readonly source: Source;
  /** Null until an address is known. */
  endpoint: number | null;
  readonly owned: AsyncDisposableStack;
}

/** See the file's header. Disposing it closes the source. */
export class DatasetOrigin implements Source {
  readonly #o: DatasetOriginOptions;
  readonly #listeners = new Set<() => void>();
  #options: SourceOptions;
  #link: Link | null = null;
  #opening: Promise<Link> | null = null;
  #readying: Promise<void> | null = null;
  #health: OriginHealth = { reachable: null, error: null };
  #isDisposed = false;
  #listRequests = 0;

  constructor(options: DatasetOriginOptions) {
    this.#o = options;
    this.#options = options.source;
  }

  /** `s3://bucket/prefix`, and where, once that is known. */
  get describe(): string {
    return this.#link?.source.describe ?? formatSourceReference(this.#options.reference);
  }

  /** @throws DlfsError `endpoint-unreachable` before the source is open */
  get transport(): Transport {
    return this.#opened().source.transport;
  }

  /** What was last heard. */
  get health(): OriginHealth {
    return this.#health;
  }

  /** Listing requests that were answered. */
  get listRequests(): number {
    return this.#listRequests;
  }

  /** The data plane's endpoint; null where no address is known yet: await `ready()`. */
  get endpoint(): number | null {
    return this.#link?.endpoint ?? null;
  }

  /** A GET has brought what was asked for. */
  answered(): void {
    this.#note(null);
  }

  async *list(prefix: string, options: ListOptions): AsyncGenerator<ListPage, void, void> {
    try {
      const { source } = await this.#open();
      for await (const page of source.list(prefix, options)) {
        this.answered();
        this.#listRequests += 1;
        yield page;
      }
    } catch (thrown) {
      throw this.#noted(thrown);
    }
  }

  get(key: string, etag: string, offset: number, length: number, unmodifiedSinceMs: number | null = null): PreparedGet {
    const link = this.#link;
    if (link === null || typeof link.endpoint !== 'number') {
      throw new DlfsError('endpoint-unreachable', 'the endpoint has not been looked up yet', { retryable: true });
    }
    return link.source.get(key, etag, offset, length, unmodifiedSinceMs);
  }

  ready(): Promise<void> {
    this.#readying ??= this.#ready().finally(() => {
      this.#readying = null;
    });
    return this.#readying;
  }

  async refreshCredentials(): Promise<void> {
    await (await this.#open()).source.refreshCredentials();
  }

  failure(key: string, reply: FailedReply): SourceFailure {
    const failure = this.#opened().source.failure(key, reply);
    this.#note(failure.code === 'gone' || failure.code === 'changed-at-origin' ? null : failure);
    return failure;
  }

  transportFailure(key: string, kind: TransportFailureKind, text: string): SourceFailure {
    const failure = this.#opened().source.transportFailure(key, kind, text);
    this.#note(failure);
    return failure;
  }

  addresses(): readonly SocketAddress[] {
    return this.#link?.source.addresses() ?? [];
  }

  onAddresses(listener: () => void): Disposable {
    const own = (): void => listener();
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  async probe(signal?: AbortSignal): Promise<ProbeReport> {
    try {
      const report = await (await this.#open()).source.probe(signal);
      this.answered();
      return report;
    } catch (thrown) {
      throw this.#noted(thrown);
    }
  }

  /**
   * Goes on with other keys, another way to the same bytes.
   * @throws DlfsError where the new one cannot be opened; the old one stays then
   */
  async replace(options: SourceOptions): Promise<void> {
    const made = await this.#make(options);
    try {
      await made.source.ready();
      this.#endpointOf(made);
    } catch (thrown) {
      await made.owned.disposeAsync();
      throw this.#noted(thrown);
    }
    const before = this.#link;
    this.#link = made;
    this.#options = options;
    await before?.owned.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const opening = this.#opening;
    await this.#link?.owned.disposeAsync();
    if (opening !== null) await opening.then(({ owned }) => owned.disposeAsync()).catch(() => undefined);
  }

  async #ready(): Promise<void> {
    try {
      const link = await this.#open();
      await link.source.ready();
      this.#endpointOf(link);
    } catch (thrown) {
      throw this.#noted(thrown);
    }
  }

  #opened(): Link {
    if (this.#link !== null) return this.#link;
    throw new DlfsError('endpoint-unreachable', 'the source is not open yet', { retryable: true });
  }

  async #open(): Promise<Link> {
    if (this.#isDisposed) throw new DlfsError('interrupted', 'the source is closed');
    if (this.#link !== null) return this.#link;
    this.#opening ??= this.#make(this.#options)
      .then((link) => (this.#link ??= link))
      .finally(() => {
        this.#opening = null;
      });
    return await this.#opening;
  }

  async #make(options: SourceOptions): Promise<Link> {
    const owned = new AsyncDisposableStack();
    const source = owned.use(await this.#o.open(options));
    const link: Link = { source, endpoint: null, owned };
    owned.use(
      source.onAddresses(() => {
        if (link.endpoint === null) this.#endpointOf(link);
        else this.#o.host.engine.updateAddresses(link.endpoint, addressesOf(source));
        for (const listener of [...this.#listeners]) listener();
      }),
    );
    return link;
  }

  #endpointOf(link: Link): void {
    const { engine } = this.#o.host;
    if (link.endpoint !== null || this.#isDisposed) return;
    const { tls, serverName, caPem, proxy } = link.source.transport;
    const endpoint = engine.addEndpoint({
      addresses: addressesOf(link.source),
      tls: tls ? { serverName, caPems: caPem === null ? [] : [caPem] } : null,
      tunnel:
        proxy === null ? null : { authority: `${proxy.host}:${proxy.port}`, authorization: proxy.authorization ?? '' },
    });
    link.endpoint = endpoint;
    link.owned.defer(() => {
      link.endpoint = null;
      engine.removeEndpoint(endpoint);
    });
  }

  #noted(thrown: unknown): DlfsError {
    const error = DlfsError.from(thrown);
    if (error.code !== 'interrupted') this.#note(error);
    return error;
  }

  #note(error: DlfsError | null): void {
    if (this.#health.reachable === (error === null) && this.#health.error?.code === error?.code) return;
    this.#health = { reachable: error === null, error };
  }
}

function addressesOf(source: Source): { address: string; port: number }[] {
  return source.addresses().map(({ address, port }) => ({ address, port }));
}
