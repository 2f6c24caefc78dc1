/**
 * A process that looks at a directory again and again, and tells at its end what it has seen (looping_reader.py).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from './process.ts';

const SCRIPT = fileURLToPath(new URL('looping_reader.py', import.meta.url));
const LIMIT_MS = 30_000;

/** What it has seen. */
export interface Seen {
  readonly rounds: number;
  /** How often the directory was empty. */
  readonly empty: number;
  /** How often an error came, by its text. */
  readonly errors: Readonly<Record<string, number>>;
  /** How often the file began with these bytes, in hexadecimal. */
  readonly contents: Readonly<Record<string, number>>;
}

/** See the file's header. Disposing it kills the process. */
export class LoopingReader implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #exited: Promise<unknown>;

  private constructor(dir: string, file: string) {
    this.#child = spawn('python3', [SCRIPT, dir, file], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#exited = once(this.#child, 'exit');
  }

  /** Starts it, and waits until it loops. */
  static async start(dir: string, file: string): Promise<LoopingReader> {
    const reader = new LoopingReader(dir, file);
    await within(once(reader.#lines, 'line'), LIMIT_MS, 'the reader loops');
    return reader;
  }

  /** Ends it. */
  async end(): Promise<Seen> {
    const line = once(this.#lines, 'line');
    this.#child.stdin!.end();
    const [text] = (await within(line, LIMIT_MS, 'the reader tells what it has seen')) as [string];
    await this.#exited;
    return JSON.parse(text) as Seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
