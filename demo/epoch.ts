/**
 * One epoch: several readers read everything once, side by side.
 *
 * Invariants:
 * 1. The time runs from the word `go`, given when all readers are ready, to the last one's end.
 * 2. No reader outlives the epoch, however it ends.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Part } from './dataset.ts';
import type { FromReader, ToReader } from './reader-protocol.ts';

/** Readers at once: as many as a small job's loader has. */
export const READERS = 4;

/** What is read. */
export interface EpochOptions {
  readonly root: string;
  readonly parts: readonly Part[];
  readonly copyTo?: string;
  readonly onProgress: (files: number, bytes: number) => void;
  /** Aborting it ends the readers. */
  readonly signal: AbortSignal;
}

/** How it went. */
export interface EpochResult {
  readonly seconds: number;
  readonly files: number;
  readonly bytes: number;
  /** CRC-32 of each part, in the order given. */
  readonly sums: readonly number[];
}

/** @throws Error with the first reader's failure, or when aborted */
export async function runEpoch(options: EpochOptions): Promise<EpochResult> {
  const { parts } = options;
  const count = Math.max(1, Math.min(READERS, parts.length));
  // Dealt out like cards: part i is the reader i mod n's.
  const hands = Array.from({ length: count }, (_, reader) => parts.filter((_part, index) => index % count === reader));
  let [files, bytes] = [0, 0];
  const readers = hands.map(
    (hand) =>
      new Reader({ root: options.root, parts: hand, copyTo: options.copyTo ?? null }, (moreFiles, moreBytes) => {
        files += moreFiles;
        bytes += moreBytes;
        options.onProgress(files, bytes);
      }),
  );
  const abort = (): void => {
    for (const reader of readers) reader.end();
  };
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    options.signal.throwIfAborted();
    await Promise.all(readers.map((reader) => reader.ready));
    const started = performance.now();
    for (const reader of readers) reader.go();
    const sums = await Promise.all(readers.map((reader) => reader.done));
    const seconds = (performance.now() - started) / 1000;
    return {
      seconds,
      files,
      bytes,
      sums: parts.map((_, index) => sums[index % count]?.[Math.floor(index / count)] ?? 0),
    };
  } finally {
    options.signal.removeEventListener('abort', abort);
    abort();
    await Promise.allSettled(readers.map((reader) => reader.ended));
  }
}

class Reader {
  readonly ready: Promise<void>;
  readonly done: Promise<readonly number[]>;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;

  constructor(work: Omit<ToReader & { type: 'parts' }, 'type'>, onProgress: (files: number, bytes: number) => void) {
    const ready = Promise.withResolvers<undefined>();
    const done = Promise.withResolvers<readonly number[]>();
    const child = fork(fileURLToPath(new URL('reader-main.ts', import.meta.url)), [], { execArgv: [] });
    const fail = (error: Error): void => {
      ready.reject(error);
      done.reject(error);
    };
    this.#child = child;
    this.ready = ready.promise;
    this.done = done.promise;
    // Whoever meets another reader's failure first never comes to await these.
    this.ready.catch(() => undefined);
    this.done.catch(() => undefined);
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        fail(new Error('a reader ended before it was done'));
        resolve();
      });
    });
    child.once('error', fail);
    child.on('message', (message: FromReader) => {
      if (message.type === 'ready') ready.resolve(undefined);
      else if (message.type === 'progress') onProgress(message.files, message.bytes);
      else if (message.type === 'done') done.resolve(message.sums);
      else fail(new Error(`a reader failed: ${message.message}`));
    });
    this.#send({ type: 'parts', ...work });
  }

  go(): void {
    this.#send({ type: 'go' });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: ToReader): void {
    if (this.#child.connected) this.#child.send(message);
  }
}
