/**
 * A server program as a child process that listens on a port of the kernel's choice.
 *
 * How it works: the program is told to listen on port 0; which port it got is read from the kernel's tables (the
 * listening sockets among the process's descriptors). So two servers never race for a port, and a port that shows up
 * there accepts connections.
 *
 * Invariants:
 * 1. `start` settles when the port accepts connections, or rejects with what the program printed last.
 * 2. The child ends with its owner: by disposal, or when this process exits in any orderly way.
 */

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** How a server is started. */
export interface ServerProcessOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Added to an environment that holds nothing but PATH, HOME and TMPDIR. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A server takes well under a second to listen; a machine under load gets this long. */
const START_LIMIT_MS = 30_000;

/** How often the kernel's tables are looked at while a server starts. */
const POLL_MS = 5;

/** How much of the program's output is kept for an error. */
const OUTPUT_KEPT = 8192;

/** How long a server may take to end after SIGTERM before it is killed. */
const STOP_LIMIT_MS = 5000;

/** A running server. Dispose of it to end it. */
export class ServerProcess implements AsyncDisposable {
  /** The port on 127.0.0.1. */
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #onExit: () => void;

  private constructor(child: ChildProcess, exited: Promise<void>, onExit: () => void, port: number) {
    this.#child = child;
    this.#exited = exited;
    this.#onExit = onExit;
    this.port = port;
  }

  /** Starts `program`, which must listen on one port of 127.0.0.1. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const env: Record<string, string> = { ...options.env };
    for (const name of ['PATH', 'HOME', 'TMPDIR']) {
      const value = process.env[name];
      if (value !== undefined) env[name] = value;
    }
    const child = spawn(options.program, options.args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const onExit = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', onExit);
    let output = '';
    const keep = (data: Buffer): void => {
      output = (output + data.toString('utf8')).slice(-OUTPUT_KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    let ended: string | null = null;
    const exited = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        ended = error.message;
        resolve();
      });
      child.once('exit', (code, signal) => {
        ended = `ended with ${signal ?? `code ${String(code)}`}`;
        resolve();
      });
    });
    try {
      const deadline = performance.now() + START_LIMIT_MS;
      for (;;) {
        const port = child.pid === undefined ? null : await listeningPort(child.pid);
        if (port !== null) return new ServerProcess(child, exited, onExit, port);
        // The exit handlers above set it between two looks, which the compiler cannot see.
        const fate = ended as string | null;
        if (fate !== null) throw new Error(`${options.program} ${fate}; its last output: ${output}`);
        if (performance.now() > deadline) throw new Error(`${options.program} does not listen; its output: ${output}`);
        await setTimeout(POLL_MS);
      }
    } catch (error) {
      child.kill('SIGKILL');
      await exited;
      process.off('exit', onExit);
      throw error;
    }
  }

  /** The server's process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Stops the process where it is (SIGSTOP): connections stay open, nothing is answered. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Lets a paused process go on. */
  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#child.kill('SIGTERM');
    const patience = new AbortController();
    const killed = setTimeout(STOP_LIMIT_MS, undefined, { signal: patience.signal }).then(
      () => this.#child.kill('SIGKILL'),
      () => false,
    );
    await this.#exited;
    patience.abort();
    await killed;
    process.off('exit', this.#onExit);
  }
}

/** The port on which process `pid` listens, or null while it does not. */
async function listeningPort(pid: number): Promise<number | null> {
  let table: string;
  const sockets = new Set<string>();
  try {
    table = await readFile(`/proc/${String(pid)}/net/tcp`, 'utf8');
    for (const fd of await readdir(`/proc/${String(pid)}/fd`)) {
      // A descriptor may be closed between the two calls.
      const target = await readlink(`/proc/${String(pid)}/fd/${fd}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined) sockets.add(inode);
    }
  } catch {
    // The process is gone: its owner's exit handler says so.
    return null;
  }
  for (const line of table.split('\n').slice(1)) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode; state 0A is LISTEN.
    const fields = line.trim().split(/\s+/);
    if (fields[3] === '0A' && sockets.has(fields[9] ?? '')) {
      return parseInt(fields[1]?.split(':')[1] ?? '', 16);
    }
  }
  return null;
}
