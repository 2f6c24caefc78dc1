/**
 * Runs the programs that measure: each with a deadline, ended by Ctrl-C, and freed by force where a mount hangs.
 *
 * Invariants:
 * 1. `run` settles within its limit and a grace, whatever the mount below does: at the limit the process group is killed, and
 *    if that does not end it, the guarded mounts are aborted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Backstop } from './backstop.ts';

/** How a program is run. */
export interface RunOptions {
  /** Milliseconds; the default is two minutes. */
  readonly limitMs?: number;
  /** Written to its standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its output is thrown away unread, as `> /dev/null` does. */
  readonly quiet?: boolean;
}

/** What came of it. */
export interface Ran {
  readonly stdout: string;
  /** From the start of the process to its end. */
  readonly seconds: number;
}

const LIMIT_MS = 120_000;
/** A killed process that still waits after this hangs in the kernel. */
const KILL_GRACE_MS = 5000;
/** What is kept of the standard error for a message. */
const ERRORS_KEPT = 2000;

/** See the file's header. */
export class Programs {
  readonly #backstop: Backstop;
  readonly #signal: AbortSignal;

  /** @param signal ends what runs, and refuses what is to start */
  constructor(backstop: Backstop, signal: AbortSignal) {
    this.#backstop = backstop;
    this.#signal = signal;
  }

  /**
   * @param args each one argument, never split
   * @throws Error with what the program said, where it ends with another status than 0, by a signal, or too late
   */
  async run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    this.#signal.throwIfAborted();
    const { limitMs = LIMIT_MS, input, env, quiet = false } = options;
    const started = performance.now();
    const child = spawn(program, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', quiet ? 'ignore' : 'pipe', 'pipe'],
      detached: true,
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (data: Buffer) => (stdout += data.toString('latin1')));
    child.stderr?.on('data', (data: Buffer) => (stderr = (stderr + data.toString('utf8')).slice(-ERRORS_KEPT)));
    child.stdin?.on('error', () => undefined); // it may end without reading
    child.stdin?.end(input);
    const fate = { late: false };
    const timers: NodeJS.Timeout[] = [];
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null) killGroup(child.pid);
      timers.push(setTimeout(() => void this.#backstop.abortAll(), KILL_GRACE_MS));
    };
    timers.push(
      setTimeout(() => {
        fate.late = true;
        end();
      }, limitMs),
    );
    this.#signal.addEventListener('abort', end, { once: true });
    try {
      const exited = once(child, 'exit').then(() => performance.now());
      exited.catch(() => undefined); // the next line tells
      const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
      const seconds = ((await exited) - started) / 1000;
      this.#signal.throwIfAborted();
      if (code !== 0) {
        const how = fate.late ? `did not end within ${limitMs} ms` : `ended with ${signal ?? String(code)}`;
        throw new Error(`${program} ${how}: ${stderr.trim()}`);
      }
      return { stdout, seconds };
    } finally {
      this.#signal.removeEventListener('abort', end);
      timers.forEach(clearTimeout);
    }
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
