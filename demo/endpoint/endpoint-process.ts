/**
 * An endpoint in a process of its own, so that it does not share an event loop with what is measured against it.
 *
 * Faults need the endpoint in the test's own process (endpoint.ts); this one is for the demo and for benchmarks.
 *
 * Invariants:
 * 1. Questions are answered in order: the n-th 'counters' message answers the n-th question.
 * 2. Disposal waits until the child is gone.
 */

import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ChildOptions, FromChild, ToChild } from './child-protocol.ts';
import type { CounterValues } from './counters.ts';

/** How an EndpointProcess is started. */
export interface EndpointProcessOptions extends ChildOptions {
  /** Called with the number of objects found so far while the folder is read. */
  readonly onProgress?: (objects: number) => void;
}

/** A running endpoint in a child process. Dispose of it to end it. */
export class EndpointProcess implements AsyncDisposable {
  /** For path style. */
  readonly url: string;
  /** Number of objects that it serves. */
  readonly objects: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #questions: PromiseWithResolvers<CounterValues>[] = [];

  private constructor(child: ChildProcess, exited: Promise<void>, url: string, objects: number) {
    this.#child = child;
    this.#exited = exited;
    this.url = url;
    this.objects = objects;
    child.on('message', (message: FromChild) => {
      if (message.type === 'counters') this.#questions.shift()?.resolve(message.values);
    });
    void exited.then(() => {
      for (const question of this.#questions.splice(0)) question.reject(new Error('the endpoint has ended'));
    });
  }

  /**
   * Starts it; it serves when the promise settles.
   * @throws with the child's message where the folder cannot be read or the child ends
   */
  static async start(options: EndpointProcessOptions): Promise<EndpointProcess> {
    const { onProgress, ...childOptions } = options;
    const child = fork(fileURLToPath(new URL('child-main.ts', import.meta.url)), [], {
      // No arguments or flags of the parent's: a debugger or a test runner must not start twice.
      execArgv: [],
    });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => {
        resolve();
      });
    });
    try {
      const ready = await new Promise<FromChild & { type: 'ready' }>((resolve, reject) => {
        child.once('error', reject);
        void exited.then(() => {
          reject(new Error('the endpoint ended before it was ready'));
        });
        child.on('message', (message: FromChild) => {
          if (message.type === 'progress') onProgress?.(message.objects);
          else if (message.type === 'failed') reject(new Error(message.message));
          else if (message.type === 'ready') resolve(message);
        });
        const start: ToChild = { type: 'start', options: childOptions };
        child.send(start);
      });
      return new EndpointProcess(child, exited, ready.url, ready.objects);
    } catch (error) {
      if (child.pid !== undefined) {
        child.kill('SIGKILL');
        await exited;
      }
      throw error;
    }
  }

  /** The child's process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Requests and body bytes since the start or the last reset. */
  counters(): Promise<CounterValues> {
    return this.#ask({ type: 'counters' });
  }

  /** Sets the counters to zero and returns what they were. */
  resetCounters(): Promise<CounterValues> {
    return this.#ask({ type: 'reset' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) {
      const stop: ToChild = { type: 'stop' };
      this.#child.send(stop);
    }
    await this.#exited;
  }

  #ask(question: ToChild): Promise<CounterValues> {
    const answer = Promise.withResolvers<CounterValues>();
    if (!this.#child.connected) return Promise.reject(new Error('the endpoint has ended'));
    this.#questions.push(answer);
    this.#child.send(question);
    return answer.promise;
  }
}
