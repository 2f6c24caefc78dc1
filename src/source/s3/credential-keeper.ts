/**
 * Keeps credentials fresh: loads them once, renews them well before their end, and again when somebody finds them refused.
 *
 * Invariants:
 * 1. At most one load is under way; whoever asks meanwhile gets its result.
 * 2. While credentials are valid, a failing renewal is news, not an error: they stay in use and the renewal is tried again,
 *    every minute at the most.
 * 3. A renewal is begun when a quarter of the lifetime, at most ten minutes, is left: twice what S3 itself wants.
 * 4. After disposal no timer runs and nothing is reported.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { HeldCredentials } from './messages.ts';

/** The longest lead of a renewal, milliseconds. */
const MAX_LEAD_MS = 600_000;

/** Between tries of a renewal that failed or brought nothing newer, milliseconds. */
const RETRY_MS = 60_000;

/** Credentials that end within this are as good as ended: a request needs time to arrive. Milliseconds. */
export const EXPIRY_MARGIN_MS = 10_000;

/** What a keeper needs. */
export interface CredentialKeeperOptions {
  /** Runs the credential chain. */
  readonly load: () => Promise<HeldCredentials>;
  readonly clock: Pick<Clock, 'wall' | 'startTimer'>;
  /** 0 ≤ x < 1: many nodes must not renew at the same moment. */
  readonly random: () => number;
  /** Called with each new set. */
  readonly onChange: (credentials: HeldCredentials) => void;
  /** Called when a renewal in the background failed; milliseconds until the ones in use end, 0 if they have. */
  readonly onFailure: (error: DlfsError, leftMs: number) => void;
}

/** See the file's header. */
export class CredentialKeeper implements Disposable {
  readonly #options: CredentialKeeperOptions;
  #current: HeldCredentials | null = null;
  #loading: Promise<HeldCredentials> | null = null;
  #timer: Timer | null = null;
  #disposed = false;

  constructor(options: CredentialKeeperOptions) {
    this.#options = options;
  }

  /**
   * Valid credentials, loaded where there are none.
   * @throws DlfsError of the load
   */
  get(): Promise<HeldCredentials> {
    const current = this.#current;
    return current !== null && this.#leftMs(current) > EXPIRY_MARGIN_MS ? Promise.resolve(current) : this.refresh();
  }

  /**
   * Loads anew, whatever is at hand.
   * @throws DlfsError of the load
   */
  refresh(): Promise<HeldCredentials> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #load(): Promise<HeldCredentials> {
    const before = this.#current;
    let loaded: HeldCredentials;
    try {
      loaded = await this.#options.load();
    } catch (thrown) {
      this.#schedule(RETRY_MS / 2);
      throw DlfsError.from(thrown);
    }
    this.#current = loaded;
    const isNew = before === null || !areSame(before, loaded);
    const left = this.#leftMs(loaded);
    if (left <= EXPIRY_MARGIN_MS) this.#schedule(RETRY_MS);
    else this.#schedule(isNew ? left - Math.min(left / 4, MAX_LEAD_MS) : Math.min(RETRY_MS, left / 2));
    if (isNew && !this.#disposed) this.#options.onChange(loaded);
    return loaded;
  }

  /** Renews after a delay, up to a tenth earlier. Only what expires is renewed by the clock. */
  #schedule(delayMs: number): void {
    this.#timer?.[Symbol.dispose]();
    const current = this.#current;
    if (this.#disposed || typeof current?.expiresMs !== 'number') return;
    const jittered = Math.max(delayMs * (1 - this.#options.random() / 10), 1000);
    this.#timer = this.#options.clock
      .startTimer(jittered, () => {
        this.refresh().catch((thrown: unknown) => {
          if (!this.#disposed) this.#options.onFailure(DlfsError.from(thrown), Math.max(this.#leftMs(current), 0));
        });
      })
      .unref();
  }

  #leftMs({ expiresMs }: HeldCredentials): number {
    return expiresMs === null ? Number.POSITIVE_INFINITY : expiresMs - this.#options.clock.wall();
  }
}

/** Whether a load brought nothing newer. */
function areSame(left: HeldCredentials, right: HeldCredentials): boolean {
  return areSameKeys(left, right) && left.expiresMs === right.expiresMs;
}

/** Whether two sets sign alike. */
export function areSameKeys(left: HeldCredentials | null, right: HeldCredentials | null): boolean {
  return (
    left?.accessKeyId === right?.accessKeyId &&
    left?.secretAccessKey === right?.secretAccessKey &&
    left?.sessionToken === right?.sessionToken
  );
}
