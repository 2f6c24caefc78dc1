/**
 * The main thread's side of a lister.
 *
 * Invariants:
 * 1. Each call settles: also when the thread dies (out of memory, a fault), in which case the next call finds another one.
 * 2. After disposal every call still open has failed with `interrupted`, and the lister has ended.
 * 3. What arrives for a call that is no longer open is dropped.
 */
import { DlfsError } from '../../base/errors.ts';
import type { GuestChannel, HostThread } from '../../base/host-thread.ts';
import type { Logger } from '../../base/log.ts';
import type { ListPage } from '../../dataset/listing.ts';
import { sourceFailure } from '../source-failure.ts';
import type { ResolvedEndpoint } from './endpoint.ts';
import type { HeldCredentials, ListCall, ListerConfig, ListerMessage, ListerRequest } from './messages.ts';

/** What a client needs. */
export interface ListerClientOptions {
  readonly config: ListerConfig;
  /** Where the lister runs; shared with other sources. */
  readonly thread: HostThread;
  readonly log: Logger;
  readonly onCredentials: (credentials: HeldCredentials | null) => void;
  readonly onSkew: (offsetMs: number) => void;
}

/** Takes the messages of one call; null: the thread or the client ended. */
type Receiver = (message: ListerMessage | DlfsError) => void;

/** See the file's header. */
export class ListerClient implements AsyncDisposable {
  readonly #options: ListerClientOptions;
  readonly #open = new Map<number, Receiver>();
  #channel: GuestChannel | null = null;
  #nextId = 1;
  #skewMs = 0;
  #disposed = false;

  constructor(options: ListerClientOptions) {
    this.#options = options;
  }

  /** Where the requests go. @throws DlfsError as `resolveEndpoint` says */
  async open(): Promise<ResolvedEndpoint> {
    const answer = await this.#call((id) => ({ kind: 'open', id }));
    if (answer.kind !== 'opened') throw unexpected(answer);
    return answer.endpoint;
  }

  /**
   * Valid credentials; null without keys.
   * @param fresh load anew, whatever is at hand
   * @throws DlfsError as the credential chain says
   */
  async credentials(fresh: boolean): Promise<HeldCredentials | null> {
    const answer = await this.#call((id) => ({ kind: 'credentials', id, fresh }));
    if (answer.kind !== 'credentials') throw unexpected(answer);
    return answer.value;
  }

  /** Tells the SDK how far this machine's clock is off. */
  correctClock(offsetMs: number): void {
    this.#skewMs = offsetMs;
    this.#channel?.port.postMessage({ kind: 'skew', offsetMs } satisfies ListerRequest);
  }

  /** Pages of a listing; @throws DlfsError from the iterator. */
  async *list(call: ListCall, signal: AbortSignal): AsyncGenerator<ListPage, void, void> {
    if (isAborted(signal)) throw interrupted(signal.reason);
    const id = this.#nextId++;
    const arrived: (ListerMessage | DlfsError)[] = [];
    let wake = (): void => undefined;
    const receive: Receiver = (message) => {
      arrived.push(message);
      wake();
    };
    const abort = (): void => receive(interrupted(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    this.#open.set(id, receive);
    try {
      this.#post({ kind: 'list', id, ...call });
      for (;;) {
        while (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
        signal.throwIfAborted();
        const page = pageOf(arrived.shift());
        if (!page.last) this.#post({ kind: 'more', id });
        yield page;
        if (page.last) return;
      }
    } catch (thrown) {
      throw isAborted(signal) ? interrupted(signal.reason) : thrown;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#open.delete(id);
      if (!this.#disposed) this.#channel?.port.postMessage({ kind: 'cancel', id } satisfies ListerRequest);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#failAll(new DlfsError('interrupted', 'the source was closed'));
    this.#channel?.leave();
    this.#channel = null;
  }

  async #call(make: (id: number) => ListerRequest): Promise<ListerMessage> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<ListerMessage | DlfsError>();
    this.#open.set(id, resolve);
    try {
      this.#post(make(id));
      const answer = await promise;
      if (answer instanceof DlfsError) throw answer;
      if (answer.kind === 'failed') throw failureOf(answer);
      return answer;
    } finally {
      this.#open.delete(id);
    }
  }

  #post(request: ListerRequest): void {
    if (this.#disposed) throw new DlfsError('interrupted', 'the source is closed');
    this.#channel ??= this.#connect();
    this.#channel.port.postMessage(request);
  }

  #connect(): GuestChannel {
    const { config, thread } = this.#options;
    const channel = thread.connect(config, (cause) => this.#lost(cause));
    channel.port.on('message', (message: ListerMessage) => this.#receive(message));
    if (this.#skewMs !== 0) channel.port.postMessage({ kind: 'skew', offsetMs: this.#skewMs } satisfies ListerRequest);
    return channel;
  }

  #receive(message: ListerMessage): void {
    switch (message.kind) {
      case 'log':
        this.#options.log[message.level](message.message, message.error === null ? {} : { err: message.error });
        return;
      case 'skew':
        this.#skewMs = message.offsetMs;
        this.#options.onSkew(message.offsetMs);
        return;
      case 'credentials':
        this.#options.onCredentials(message.value);
        break;
      default:
    }
    if (message.id !== null) this.#open.get(message.id)?.(message);
  }

  #lost(cause: unknown): void {
    this.#channel = null;
    this.#failAll(new DlfsError('internal', 'the thread that lists the bucket ended', { cause, retryable: true }));
  }

  #failAll(error: DlfsError): void {
    const receivers = [...this.#open.values()];
    for (const receive of receivers) receive(error);
  }
}

function pageOf(message: ListerMessage | DlfsError | undefined): ListPage {
  if (message instanceof DlfsError) throw message;
  if (message?.kind === 'failed') throw failureOf(message);
  if (message?.kind !== 'page') throw unexpected(message);
  return message.page;
}

function failureOf({ error, retryAfterMs }: ListerMessage & { kind: 'failed' }): DlfsError {
  const { code, message, retryable } = DlfsError.fromJSON(error);
  return sourceFailure(code, message, { retryable, retryAfterMs });
}

/** A function, because the compiler takes a signal that was not aborted for one that never will be. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function interrupted(reason: unknown): DlfsError {
  return new DlfsError('interrupted', 'the listing was cancelled', { cause: reason });
}

function unexpected(message: ListerMessage | undefined): DlfsError {
  return new DlfsError('internal', `an unexpected answer of the lister: ${message?.kind ?? 'none'}`);
}
