/**
 * Statistics as a file in the cache folder: what `dlfs doctor` and benchmarks read without talking to the process.
 *
 * Invariants:
 * 1. A reader sees a whole file: it is replaced by rename.
 * 2. A disk that cannot take it is no reason to stop serving.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';

/** Milliseconds between two writes. */
const PERIOD = 1_000;

/** See the file's header. Disposing it writes once more. */
export class StatsFile implements Disposable {
  readonly #path: string;
  readonly #read: () => unknown;
  readonly #log: Logger;
  readonly #timer: Timer;
  #writing = false;

  constructor(path: string, read: () => unknown, clock: Clock, log: Logger) {
    this.#path = path;
    this.#read = read;
    this.#log = log;
    this.#timer = clock.startInterval(PERIOD, () => void this.#write()).unref();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    try {
      writeFileSync(`${this.#path}.last`, this.#text(), { mode: 0o600 });
      renameSync(`${this.#path}.last`, this.#path);
    } catch (error) {
      this.#log.debug('the statistics could not be written', { err: error });
    }
  }

  #text(): string {
    return `${JSON.stringify(this.#read())}\n`;
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      await writeFile(`${this.#path}.new`, this.#text(), { mode: 0o600 });
      await rename(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.debug('the statistics could not be written', { err: error });
    } finally {
      this.#writing = false;
    }
  }
}
