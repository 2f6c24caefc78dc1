/**
 * The caller's end of the port to the index's worker.
 *
 * Invariants:
 * 1. Each request is settled exactly once: by its reply, or with `internal` when the worker dies.
 * 2. `onCur` hears of a new visible state before the request that made it is settled.
 */
import { Worker } from 'node:worker_threads';
import { DlfsError } from '../../base/errors.ts';
import type { CallName, Calls, Reply, WorkerInit } from './protocol.ts';
import type { Opening } from './rows.ts';

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: DlfsError) => void;
}

/** See the file's header. */
export class WriterPort {
  readonly opening: Opening;
  readonly #worker: Worker;
  readonly #onCur: (cur: number) => void;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #closed = false;

  private constructor(worker: Worker, opening: Opening, onCur: (cur: number) => void) {
    this.#worker = worker;
    this.opening = opening;
    this.#onCur = onCur;
    worker.on('message', (reply: Reply) => this.#take(reply));
    worker.on('error', (error) =>
      this.#end(new DlfsError('internal', 'the index worker has failed', { cause: error })),
    );
    worker.on('exit', () =>
      this.#end(
        this.#closed
          ? new DlfsError('interrupted', 'the cache index is closed')
          : new DlfsError('internal', 'the index worker has ended'),
      ),
    );
  }

  /**
   * Starts the worker and lets it open the database.
   * @param onCur told the number of the visible state with each reply
   * @throws DlfsError why it could not be opened
   */
  static async open(init: WorkerInit, onCur: (cur: number) => void): Promise<WriterPort> {
    const worker = new Worker(new URL('./worker/thread.ts', import.meta.url), { workerData: init, name: 'index' });
    const first = Promise.withResolvers<Reply>();
    const onError = (error: Error): void => {
      first.reject(new DlfsError('internal', 'the index worker could not be started', { cause: error }));
    };
    worker.once('message', first.resolve);
    worker.once('error', onError);
    const reply = await first.promise;
    worker.off('error', onError);
    if (reply.kind === 'opened') return new WriterPort(worker, reply.opening, onCur);
    await worker.terminate();
    throw reply.kind === 'unopened'
      ? DlfsError.fromJSON(reply.error)
      : new DlfsError('internal', 'the index worker spoke out of turn');
  }

  /**
   * Sends a request.
   * @param transfer buffers of the arguments that the caller gives up
   * @throws DlfsError what the worker says
   */
  call<Name extends CallName>(
    call: Name,
    args: Calls[Name]['args'],
    transfer: ArrayBuffer[] = [],
  ): Promise<Calls[Name]['result']> {
    if (this.#closed) return Promise.reject(new DlfsError('interrupted', 'the cache index is closed'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call, args }, transfer);
    });
  }

  /** Closes the database and ends the worker; work under way is given up. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    const closing = this.call('close', {});
    this.#closed = true;
    await closing;
    await exited;
  }

  #take(reply: Reply): void {
    if (reply.kind !== 'value' && reply.kind !== 'error') return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    this.#onCur(reply.cur);
    if (reply.kind === 'error') waiting?.reject(DlfsError.fromJSON(reply.error));
    else waiting?.resolve(reply.value as never);
  }

  #end(error: DlfsError): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
