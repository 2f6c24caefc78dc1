/**
 * The socket addresses of a host, kept current.
 *
 * The system resolver is asked (hosts file, search domains and all), for every address; S3 answers with others every few
 * seconds, and connections are to spread over them. A host that is itself an address is never looked up.
 *
 * Invariants:
 * 1. Once known, addresses stay until a look-up brings others: a failing resolver takes nothing away.
 * 2. At most one look-up is under way; after disposal no timer runs and no listener is called.
 */
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { SocketAddress } from '../source.ts';

/** Between look-ups, milliseconds. */
const REFRESH_MS = 60_000;

/** Asks the resolver for all addresses of a name. */
export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>;

/** What a book needs. */
export interface AddressBookOptions {
  /** A name or a literal address without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly lookup: Lookup;
  readonly clock: Pick<Clock, 'startInterval'>;
  readonly log: Logger;
  /** Makes the error of a failed first look-up. */
  readonly explain: (thrown: unknown) => DlfsError;
}

/** See the file's header. */
export class AddressBook implements Disposable {
  readonly #options: AddressBookOptions;
  readonly #listeners = new Set<() => void>();
  #addresses: readonly SocketAddress[] = [];
  #resolving: Promise<void> | null = null;
  #timer: Timer | null = null;
  #disposed = false;

  constructor(options: AddressBookOptions) {
    this.#options = options;
    const family = isIP(options.hostname);
    if (family === 4 || family === 6) this.#addresses = [{ address: options.hostname, port: options.port, family }];
  }

  /** What is known now; empty before `ready()`. */
  get addresses(): readonly SocketAddress[] {
    return this.#addresses;
  }

  /** Resolves when there is an address. @throws DlfsError of `explain` */
  async ready(): Promise<void> {
    if (this.#addresses.length > 0) return;
    this.#resolving ??= this.#resolve().finally(() => {
      this.#resolving = null;
    });
    await this.#resolving;
  }

  /** Calls back after each change, until disposed. */
  onChange(listener: () => void): Disposable {
    // A wrapper: the same function may be given twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.[Symbol.dispose]();
    this.#listeners.clear();
  }

  async #resolve(): Promise<void> {
    const { clock, explain } = this.#options;
    try {
      await this.#lookup();
    } catch (thrown) {
      throw explain(thrown);
    }
    if (this.#disposed) return;
    this.#timer ??= clock
      .startInterval(REFRESH_MS, () => {
        this.#lookup().catch((thrown: unknown) => {
          this.#options.log.debug('the endpoint could not be looked up; its last addresses stay in use', {
            err: thrown,
          });
        });
      })
      .unref();
  }

  async #lookup(): Promise<void> {
    const { hostname, port, lookup } = this.#options;
    const found = (await lookup(hostname)).flatMap(({ address, family }): SocketAddress[] =>
      family === 4 || family === 6 ? [{ address, port, family }] : [],
    );
    if (found.length === 0) throw new DlfsError('endpoint-unreachable', `${hostname} has no address`);
    if (this.#disposed || sameSet(found, this.#addresses)) return;
    this.#addresses = found;
    for (const listener of [...this.#listeners]) listener();
  }
}

function sameSet(left: readonly SocketAddress[], right: readonly SocketAddress[]): boolean {
  const known = new Set(right.map(({ address }) => address));
  return left.length === right.length && left.every(({ address }) => known.has(address));
}
