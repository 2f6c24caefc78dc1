/**
 * A worker thread that many owners share: each is its guest and talks to it over a channel of its own.
 *
 * The thread's program calls `receiveGuests`; `connect` hands it what the guest begins with and one end of a new channel.
 * When the thread ends by itself (a fault, its memory), every guest is told, and the next `connect` starts another thread.
 *
 * Invariants:
 * 1. A guest whose thread has ended is told exactly once, unless it has left before.
 * 2. A thread is started by the first guest, or by `warm`, not before.
 * 3. After disposal no thread runs, and nobody is told of its end.
 */
import { MessageChannel, parentPort, Worker, type MessagePort } from 'node:worker_threads';

/** How a thread is started. */
export interface HostThreadOptions {
  /** The program: a module that calls `receiveGuests`. */
  readonly program: URL;
  /** For people who look at threads. */
  readonly name: string;
  /** The thread's environment; the process's own by default. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Its heap at most, MiB; beyond it the thread dies, not the process. */
  readonly heapMib?: number;
  /** Takes what it prints; by default that goes where the process's own output goes. */
  readonly onOutput?: (text: string) => void;
  /** The thread has ended by itself. */
  readonly onEnd?: (cause: unknown) => void;
}

/** A guest's end of its channel. */
export interface GuestChannel {
  readonly port: MessagePort;
  /** Closes the channel; the thread's end learns of it. */
  leave(): void;
}

interface Running {
  readonly worker: Worker;
  readonly guests: Map<MessagePort, (cause: unknown) => void>;
  readonly exited: Promise<void>;
}

/** See the file's header. Disposing it ends the thread where it stands. */
export class HostThread implements AsyncDisposable {
  readonly #options: HostThreadOptions;
  #running: Running | null = null;

  constructor(options: HostThreadOptions) {
    this.#options = options;
  }

  /** Guests that are connected now. */
  get guests(): number {
    return this.#running?.guests.size ?? 0;
  }

  /** Starts the thread before there is a guest: loading its program takes time that the caller has something else to do in. */
  warm(): void {
    this.#running ??= this.#start();
  }

  /**
   * Connects a guest.
   * @param init handed to the thread's program: plain data
   * @param onLost told when the thread ends by itself, with the error that ended it, or null
   */
  connect(init: unknown, onLost: (cause: unknown) => void): GuestChannel {
    const running = (this.#running ??= this.#start());
    const { port1, port2 } = new MessageChannel();
    running.guests.set(port1, onLost);
    running.worker.postMessage({ init, port: port2 } satisfies Arrival, [port2]);
    return {
      port: port1,
      leave: () => {
        running.guests.delete(port1);
        port1.close();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    running.guests.clear();
    await running.worker.terminate();
    await running.exited;
  }

  #start(): Running {
    const { program, name, environment, heapMib, onOutput, onEnd } = this.#options;
    const worker = new Worker(program, {
      name,
      // A worker takes an undefined value for the text "undefined".
      ...(environment === undefined
        ? {}
        : { env: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)) }),
      ...(heapMib === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMib } }),
      ...(onOutput === undefined ? {} : { stdout: true, stderr: true }),
    });
    if (onOutput !== undefined) {
      for (const stream of [worker.stdout, worker.stderr]) {
        stream.on('data', (text: Buffer) => onOutput(text.toString('utf8')));
      }
    }
    const { promise: exited, resolve } = Promise.withResolvers<undefined>();
    const running: Running = { worker, guests: new Map(), exited };
    let cause: unknown = null;
    worker.on('error', (thrown: unknown) => {
      cause = thrown;
    });
    worker.on('exit', () => {
      resolve(undefined);
      if (this.#running !== running) return;
      this.#running = null;
      onEnd?.(cause);
      const told = [...running.guests];
      running.guests.clear();
      for (const [port, onLost] of told) {
        port.close();
        onLost(cause);
      }
    });
    return running;
  }
}

/** What the thread is sent. */
interface Arrival {
  readonly init: unknown;
  readonly port: MessagePort;
}

/**
 * Takes the guests of this thread.
 * @param receive called for each guest with what it begins with and its channel
 */
export function receiveGuests(receive: (init: unknown, port: MessagePort) => void): void {
  parentPort?.on('message', ({ init, port }: Arrival) => receive(init, port));
}
