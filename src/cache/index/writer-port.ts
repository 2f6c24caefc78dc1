/**
 * The caller's end of the channel to the index's writer.
 *
 * Invariants:
 * 1. Each request is settled exactly once: by its reply, or with `internal` when the writer's thread dies.
 * 2. `onCur` hears of a new visible state before the request that made it is settled.
 */
import { DlfsError } from '../../base/errors.ts';
import type { GuestChannel } from '../../base/host-thread.ts';
import type { CallName, Calls, Reply, WriterInit } from './protocol.ts';
import type { Opening } from './rows.ts';
import type { WriterPool } from './writer-pool.ts';

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: DlfsError) => void;
}

/** See the file's header. */
export class WriterPort {
  readonly opening: Opening;
  readonly #channel: GuestChannel;
  readonly #onCur: (cur: number) => void;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  /** Why no more requests are taken; null while they are. */
  #over: DlfsError | null = null;

  private constructor(channel: GuestChannel, opening: Opening, onCur: (cur: number) => void) {
    this.#channel = channel;
    this.opening = opening;
    this.#onCur = onCur;
    channel.port.on('message', (reply: Reply) => this.#take(reply));
  }

  /**
   * Lets a thread of the pool open the database.
   * @param onCur told the number of the visible state with each reply
   * @throws DlfsError why it could not be opened
   */
  static async open(pool: WriterPool, init: WriterInit, onCur: (cur: number) => void): Promise<WriterPort> {
    const first = Promise.withResolvers<Reply>();
    let lost = (error: DlfsError): void => first.reject(error);
    const channel = pool.connect(init, (cause) => {
      lost(new DlfsError('internal', 'the thread that writes the cache index has ended', { cause }));
    });
    channel.port.once('message', first.resolve);
    try {
      const reply = await first.promise;
      if (reply.kind === 'opened') {
        const made = new WriterPort(channel, reply.opening, onCur);
        lost = (error) => made.#end(error);
        return made;
      }
      throw reply.kind === 'unopened'
        ? DlfsError.fromJSON(reply.error)
        : new DlfsError('internal', 'the index worker spoke out of turn');
    } catch (thrown) {
      channel.leave();
      throw thrown;
    }
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
    if (this.#over !== null) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      this.#waiting.set(id, { resolve, reject });
      this.#channel.port.postMessage({ id, call, args }, transfer);
    });
  }

  /** Closes the database and the channel; work under way is given up. */
  async close(): Promise<void> {
    if (this.#over !== null) return;
    const closing = this.call('close', {});
    const closed = new DlfsError('interrupted', 'the cache index is closed');
    this.#over = closed;
    try {
      await closing;
    } finally {
      this.#end(closed);
      this.#channel.leave();
    }
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
    this.#over ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
