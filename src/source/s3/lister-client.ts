/**
 * The main thread's side of the lister.
 *
 * Invariants:
 * 1. Each call settles: also when the thread dies (out of memory, a fault), in which case it is started anew for the next call.
 * 2. After disposal no thread runs, and every call still open has failed with `interrupted`.
 * 3. What arrives for a call that is no longer open is dropped.
 */
import { Worker } from 'node:worker_threads';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ListPage } from '../../dataset/listing.ts';
import { sourceFailure } from '../source-failure.ts';
import type { ResolvedEndpoint } from './endpoint.ts';
import type { HeldCredentials, ListCall, ListerConfig, ListerMessage, ListerRequest } from './messages.ts';
import type { Environment } from './proxy.ts';

/** The thread's heap, MiB: parallel pages of 16 MiB and what their parsing makes of them. Beyond it the thread dies, not the process. */
const HEAP_MIB = 1024;

/** What a client needs. */
export interface ListerClientOptions {
  readonly config: ListerConfig;
  readonly environment: Environment;
  readonly log: Logger;
  readonly onCredentials: (credentials: HeldCredentials | null) => void;
  readonly onSkew: (offsetMs: number) => void;
  /** Another program for the thread, for tests. */
  readonly thread?: URL;
  /** Another heap for it, MiB, for tests. */
  readonly heapMib?: number;
}

/** Takes the messages of one call; null: the thread or the client ended. */
type Receiver = (message: ListerMessage | DlfsError) => void;

/** See the file's header. */
export class ListerClient implements AsyncDisposable {
  readonly #options: ListerClientOptions;
  readonly #open = new Map<number, Receiver>();
  #worker: Worker | null = null;
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
    this.#worker?.postMessage({ kind: 'skew', offsetMs } satisfies ListerRequest);
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
      if (!this.#disposed) this.#worker?.postMessage({ kind: 'cancel', id } satisfies ListerRequest);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll(new DlfsError('interrupted', 'the source was closed'));
    await worker?.terminate();
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
    this.#worker ??= this.#start();
    this.#worker.postMessage(request);
  }

  #start(): Worker {
    const {
      config,
      environment,
      log,
      thread = new URL('./lister-thread.ts', import.meta.url),
      heapMib = HEAP_MIB,
    } = this.#options;
    const worker = new Worker(thread, {
      name: 'dlfs-lister',
      workerData: config,
      // A worker takes an undefined value for the text "undefined".
      env: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)),
      resourceLimits: { maxOldGenerationSizeMb: heapMib },
      stdout: true,
      stderr: true,
    });
    // What the SDK prints is not for the terminal of whoever mounts.
    for (const stream of [worker.stdout, worker.stderr]) {
      stream.on('data', (text: Buffer) => log.debug('the SDK says', { text: text.toString('utf8').slice(0, 1000) }));
    }
    worker.on('message', (message: ListerMessage) => this.#receive(message));
    worker.on('error', (thrown) => this.#lost(worker, thrown));
    worker.on('exit', () => this.#lost(worker, null));
    if (this.#skewMs !== 0) worker.postMessage({ kind: 'skew', offsetMs: this.#skewMs } satisfies ListerRequest);
    return worker;
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

  #lost(worker: Worker, thrown: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#options.log.error('the lister ended and will be started anew', { err: thrown });
    this.#failAll(
      new DlfsError('internal', 'the thread that lists the bucket ended', { cause: thrown, retryable: true }),
    );
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
