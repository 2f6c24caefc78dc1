/**
 * The writer threads of a process: each is the only writer of the databases that were opened on it.
 *
 * Invariants:
 * 1. Threads are started as databases come, or all by `warm`, `threads` of them at most; a database goes to the one with the fewest.
 * 2. A thread that dies takes down the databases on it and no other: their calls fail with `internal`. What is opened later gets
 *    another thread in its place.
 */
import { HostThread, type GuestChannel } from '../../base/host-thread.ts';
import { moduleUrl } from '../../base/module-url.ts';
import type { WriterInit } from './protocol.ts';

/** Writing is waiting for the disk and a processor: more threads than four add neither. */
export const MAX_WRITER_THREADS = 4;

/** See the file's header. Dispose it after the indexes that were opened on it. */
export class WriterPool implements AsyncDisposable {
  readonly #threads: HostThread[] = [];
  readonly #most: number;
  readonly #program: URL;

  /**
   * @param threads at most
   * @param program another program for the threads, for tests
   */
  constructor(threads: number, program: URL = moduleUrl('./worker/thread.ts', import.meta.url)) {
    this.#most = Math.max(1, threads);
    this.#program = program;
  }

  /** Databases on each thread. */
  get load(): readonly number[] {
    return this.#threads.map(({ guests }) => guests);
  }

  /** Starts all threads: many databases are about to come. */
  warm(): void {
    while (this.#threads.length < this.#most) this.#add().warm();
  }

  /**
   * Gives a database to a thread.
   * @param onLost told when that thread dies, with the error or null
   */
  connect(init: WriterInit, onLost: (cause: unknown) => void): GuestChannel {
    return this.#thread().connect(init, onLost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread[Symbol.asyncDispose]()));
  }

  #thread(): HostThread {
    const idle = this.#threads.find(({ guests }) => guests === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.length < this.#most) return this.#add();
    return this.#threads.reduce((least, thread) => (thread.guests < least.guests ? thread : least));
  }

  #add(): HostThread {
    const added = new HostThread({ program: this.#program, name: 'dlfs-index' });
    this.#threads.push(added);
    return added;
  }
}
