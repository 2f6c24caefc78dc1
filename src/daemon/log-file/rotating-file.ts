/**
 * A log file that never grows beyond a bound: `LOG`, `LOG.1`, `LOG.2`, …
 *
 * When the file is full, its content is copied to `LOG.1` (older ones move up, the oldest goes) and the file is cut to
 * nothing. It is copied and not renamed because the process's standard error is the same open file: what the
 * runtime itself writes there when it dies must be in the file that people look at.
 *
 * Invariants:
 * 1. The files together hold at most `files × bytes`, and one line more.
 * 2. A line is written whole, in order, and to the end of the file whoever else appends (O_APPEND).
 * 3. `write` does not wait for the copy: lines that come meanwhile are kept in memory, at most `bytes` of them.
 * 4. A disk that takes nothing loses lines, never the process.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { chmod, copyFile, rename, rm } from 'node:fs/promises';
import { DlfsError } from '../../base/errors.ts';
import type { LogSink } from '../../base/log.ts';

/** How a log file is bounded. */
export interface RotatingFileOptions {
  /** Absolute; its folder exists. */
  readonly path: string;
  /** Bytes of each file. */
  readonly bytes: number;
  /** How many files there are, the current one included; ≥ 1. */
  readonly files: number;
}

/** 10 MiB of some 200 bytes a line are 50,000 lines: weeks of a healthy mount. Three of them are still opened by any editor. */
export const DEFAULT_LOG_BYTES = 10 * 1024 * 1024;
/** Files of a log, the one being written included. */
export const DEFAULT_LOG_FILES = 3;

/** See the file's header. Disposing it writes what is kept and closes the file. */
export class RotatingFile implements LogSink, AsyncDisposable {
  readonly #options: RotatingFileOptions;
  readonly #fd: number;
  #size: number;
  /** Lines that came while the file is copied; null while it is not. */
  #kept: string[] | null = null;
  #keptBytes = 0;
  #rotation: Promise<void> = Promise.resolve();

  /** @throws DlfsError `invalid-argument` where it cannot be opened */
  constructor(options: RotatingFileOptions) {
    this.#options = options;
    this.#fd = openLog(options.path);
    this.#size = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    if (this.#kept !== null) {
      if (this.#keptBytes > this.#options.bytes) return;
      this.#kept.push(line);
      this.#keptBytes += line.length;
      return;
    }
    this.#append(line);
    if (this.#size >= this.#options.bytes) this.#rotate();
  }

  /** Resolves when the file is not being copied. */
  rotated(): Promise<void> {
    return this.#rotation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rotation;
    closeSync(this.#fd);
  }

  #append(line: string): void {
    try {
      this.#size += writeSync(this.#fd, line);
    } catch {
      // Invariant 4; there is nowhere left to say it.
    }
  }

  #rotate(): void {
    this.#kept = [];
    this.#keptBytes = 0;
    this.#rotation = this.#shift()
      .then(() => {
        ftruncateSync(this.#fd, 0);
      })
      .catch(() => undefined) // a disk without space: the next full file tries again
      .then(() => {
        const kept = this.#kept ?? [];
        this.#kept = null;
        // Counted from here even where the file could not be cut: else every line would try a copy.
        this.#size = 0;
        this.#append(kept.join(''));
      });
  }

  async #shift(): Promise<void> {
    const { path, files } = this.#options;
    if (files < 2) return;
    await rm(`${path}.${files - 1}`, { force: true });
    for (let number = files - 2; number >= 1; number--) {
      await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(() => undefined); // there are fewer so far
    }
    const draft = `${path}.new`;
    await copyFile(path, draft, constants.COPYFILE_FICLONE);
    await chmod(draft, 0o600);
    await rename(draft, `${path}.1`);
  }
}

/**
 * Opens a log file for appending, making it where it is missing; readable by its owner only.
 * @returns a descriptor that the caller closes
 * @throws DlfsError `invalid-argument` where it cannot be, a symbolic link in its place included
 */
export function openLog(path: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new DlfsError(
      'invalid-argument',
      `the log ${path} cannot be written (${code}); choose another with --log-file`,
      { cause: error },
    );
  }
}
