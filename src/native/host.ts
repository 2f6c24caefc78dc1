/**
 * The engine as the rest of the control plane uses it: events by whom they concern, tasks as promises.
 *
 * One host a process. Volumes and sessions register a handler under their number; events of one wake-up are handed out in
 * order, then every batch listener is called once, so that decisions are made for a whole batch instead of for each event.
 *
 * Invariants:
 * 1. A handler that throws does not stop the batch: the error is logged, the event counts as handled.
 * 2. A task's promise settles exactly once; those that wait when the host is disposed are rejected.
 * 3. Work per turn is bounded by what one wake-up brought; the loop gets its turn between wake-ups.
 */
import { setImmediate } from 'node:timers';
import type { Clock } from '../base/clock.ts';
import { DlfsError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Engine, EngineOptions, NativeBinding } from './binding.ts';
import { EVENT, EventDrain, type NativeEvent } from './events.ts';

/** Milliseconds of events that are handled before the event loop gets its turn. */
const TURN = 4;

/** How a task ended. */
export interface TaskResult {
  /** 0 or a Linux error number. */
  readonly errno: number;
  /** As the task defines it. */
  readonly value: number;
}

/** Owns the engine; see the file's header. */
export class NativeHost implements AsyncDisposable {
  readonly binding: NativeBinding;
  readonly engine: Engine;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #log: Logger;
  readonly #drain: EventDrain;
  readonly #handlers = new Map<number, (event: NativeEvent) => void>();
  readonly #batchEnd = new Set<() => void>();
  readonly #tasks = new Map<number, { resolve: (result: TaskResult) => void; reject: (error: Error) => void }>();
  /** Buffers that the engine writes into. */
  readonly #lent = new Set<Uint8Array>();
  #nextNumber = 1;
  #closed = false;

  /**
   * @param binding the loaded addon
   * @param options threads and memory
   * @param clock bounds a turn
   * @param log for handlers that throw
   */
  constructor(binding: NativeBinding, options: EngineOptions, clock: Pick<Clock, 'monotonic'>, log: Logger) {
    this.binding = binding;
    this.#clock = clock;
    this.#log = log;
    this.engine = new binding.Engine(options, () => {
      this.#wake();
    });
    this.#drain = new EventDrain(this.engine);
  }

  /** Hands events of a volume or session to `handle` until disposed. */
  on(origin: number, handle: (event: NativeEvent) => void): Disposable {
    this.#handlers.set(origin, handle);
    return { [Symbol.dispose]: () => void this.#handlers.delete(origin) };
  }

  /** Calls `listener` after each batch of events until disposed. */
  onBatchEnd(listener: () => void): Disposable {
    this.#batchEnd.add(listener);
    return { [Symbol.dispose]: () => void this.#batchEnd.delete(listener) };
  }

  /** A number for a run: never used before in this process. */
  nextNumber(): number {
    return this.#nextNumber++;
  }

  /**
   * Starts a task of the engine.
   * @param start is given the task's number
   * @returns how it ended
   * @throws DlfsError `interrupted` when the host is disposed first
   */
  task(start: (task: number) => void): Promise<TaskResult> {
    const task = this.nextNumber();
    return new Promise<TaskResult>((resolve, reject) => {
      if (this.#closed) {
        reject(new DlfsError('interrupted', 'the data plane is shut down'));
        return;
      }
      this.#tasks.set(task, { resolve, reject });
      start(task);
    });
  }

  /**
   * Reads bytes of a file, as a READ of a connection would.
   * @param at the volume, the inode, the offset; `reader` tells streams apart for readahead (0: not known)
   * @param buffer filled from its start, 1 MiB at most; not the caller's until this resolves
   * @param timeoutMs 0: wait for ever
   * @returns errno (ETIMEDOUT at the limit), and the bytes read: fewer than asked for at the end of the file alone
   * @throws DlfsError `interrupted` when the host is disposed first
   */
  async read(
    at: { readonly volume: number; readonly ino: number; readonly offset: number; readonly reader: number },
    buffer: Uint8Array,
    timeoutMs: number,
  ): Promise<TaskResult> {
    const ended = this.task((task) => {
      this.engine.read(at.volume, task, at.ino, at.offset, buffer, at.reader, timeoutMs);
    });
    // Another thread writes into it: it must outlive the task, whatever the caller does meanwhile.
    this.#lent.add(buffer);
    try {
      return await ended;
    } finally {
      this.#lent.delete(buffer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.engine.close();
    for (const waiting of this.#tasks.values())
      waiting.reject(new DlfsError('interrupted', 'the data plane is shut down'));
    this.#tasks.clear();
  }

  #wake(): void {
    if (this.#closed) return;
    const end = this.#clock.monotonic() + TURN;
    const { count, more } = this.#drain.drain(
      (event) => {
        this.#handle(event);
      },
      () => this.#clock.monotonic() > end,
    );
    if (count > 0) for (const listener of this.#batchEnd) this.#guard(listener);
    // Answers bring the next requests: without a break they could keep everything else from its turn.
    if (more) {
      setImmediate(() => {
        this.#wake();
      });
    }
  }

  #handle(event: NativeEvent): void {
    if (event.type === EVENT.taskDone) {
      const waiting = this.#tasks.get(event.a);
      this.#tasks.delete(event.a);
      waiting?.resolve({ errno: event.b, value: event.c });
      return;
    }
    const handler = this.#handlers.get(event.origin);
    if (handler !== undefined) this.#guard(() => handler(event));
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#log.error('an event handler failed', { err: error });
    }
  }
}
