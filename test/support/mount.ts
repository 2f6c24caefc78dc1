/**
 * A dlfs mount as a user has it: `bin/dlfs mount … --foreground` as a child process, and its end.
 *
 * How it works: the mount serves when the process says so (`dlfs: serving DIR`, a line of its own on stdout); until then
 * and afterwards nothing here touches the mount point. All that the process prints is kept for failure messages.
 *
 * Invariants:
 * 1. Disposal leaves nothing: no process, no mount, no FUSE connection; it takes a bounded time, whatever state the
 *    process and the mount are in. Where it had to use force although nothing had been killed on purpose, it throws
 *    afterwards: a mount that does not end when it is told to is a fault, not a nuisance.
 * 2. Only the process that was started here, and its process group, is ever signalled.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execute } from '../posix/execute.ts';
import { abortAndDetach, mountedAt } from './fuse-connection.ts';
import { MARKER } from './leftovers.ts';
import { until, within } from './process.ts';

/** The program under test. */
export const DLFS = fileURLToPath(new URL('../../bin/dlfs', import.meta.url));

/** How a mount is started. */
export interface MountSpec {
  /** `s3://BUCKET[/PREFIX]`. */
  readonly source: string;
  /** The mount point: an existing, empty directory that the caller removes. */
  readonly dir: string;
  /** Options behind `dlfs mount SOURCE DIR --foreground`. */
  readonly args: readonly string[];
  /** Keys and the like; added to `cleanEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** How long the mount may take to serve, in milliseconds. */
  readonly readyMs?: number;
  /** Another program in place of `bin/dlfs`, called in the same way: for tests of this file. */
  readonly program?: string;
}

/** A machine under load still starts a daemon in this time. */
const READY_MS = 60_000;
/** A clean end waits for writes to the cache's disk. */
const STOP_MS = 60_000;
/** Behind SIGKILL or an abort, only the kernel has something to do. */
const KILL_MS = 10_000;
/** How long the output of a process that has ended may take to arrive. */
const LAST_WORDS_MS = 1000;
/** How many of its last lines a mount's log keeps. */
const LOG_LINES = 400;

/** An environment without anything of the user's that would reach the SDK: keys, profiles, proxies, metadata services. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'NODE_OPTIONS', 'DLFS_TOOLS', MARKER];
  const env: Record<string, string> = {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
  for (const name of kept) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...extra };
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** See the file's header. */
export class DlfsMount implements AsyncDisposable {
  readonly spec: MountSpec;
  #child: ChildProcess;
  #exited: Promise<Exit>;
  readonly #log: string[];
  /** Whether the process was killed on purpose, so that force is no surprise. */
  #killed = false;
  #ended = false;

  private constructor(spec: MountSpec, log: string[], child: ChildProcess) {
    this.spec = spec;
    this.#log = log;
    this.#child = child;
    this.#exited = exitOf(child);
  }

  /**
   * Starts a mount and waits until it serves.
   * @throws Error with its log, where it ends before or does not serve in time; nothing is left then
   */
  static async start(spec: MountSpec): Promise<DlfsMount> {
    const log: string[] = [];
    const mount = new DlfsMount(spec, log, run(spec, log));
    try {
      await mount.#serving();
      return mount;
    } catch (error) {
      mount.#killed = true;
      await mount[Symbol.asyncDispose]();
      throw mount.explain(error);
    }
  }

  /** The mount point. */
  get dir(): string {
    return this.spec.dir;
  }

  /** The serving process (`bin/dlfs` becomes it by exec). */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('bin/dlfs did not start');
    return this.#child.pid;
  }

  /** What it has printed: the last lines of both streams. */
  get log(): string {
    return this.#log.join('\n');
  }

  /** Waits until its log has a line of that kind; the line. */
  async logged(pattern: RegExp, limitMs = STOP_MS): Promise<string> {
    await until(() => this.#log.some((line) => pattern.test(line)), limitMs, `a line ${String(pattern)}:\n${this.log}`);
    return this.#log.find((line) => pattern.test(line)) ?? '';
  }

  /** How many lines of its log are of that kind. */
  count(pattern: RegExp): number {
    return this.#log.filter((line) => pattern.test(line)).length;
  }

  /** The error with the log added, for a test's failure. */
  explain(error: unknown): Error {
    const message = error instanceof Error ? error.message : String(error);
    return new Error(`${message}\n--- log of ${this.spec.source} at ${this.dir}\n${this.log}\n---`, { cause: error });
  }

  /**
   * Ends the mount by `dlfs umount` and waits for the process.
   * @throws Error where either fails or the mount is still in the kernel's table
   */
  async umount(): Promise<void> {
    await execute(DLFS, ['umount', this.dir], { env: cleanEnvironment(), limitMs: STOP_MS });
    await this.#endsWell();
  }

  /** Ends the mount by SIGTERM and waits; throws as `umount`. */
  async terminate(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#endsWell();
  }

  /** Kills the process at once, as a crash does, and waits until it is gone. The dead mount stays. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#signalGroup('SIGKILL');
    await within(this.#exited, KILL_MS, 'the process is gone behind SIGKILL');
  }

  /** Starts the same mount again, after `umount`, `terminate` or `kill`, and waits until it serves. */
  async startAgain(args: readonly string[] = this.spec.args): Promise<void> {
    await within(this.#exited, KILL_MS, 'the process has ended');
    this.#log.push('--- started again');
    this.#child = run({ ...this.spec, args }, this.#log);
    this.#exited = exitOf(this.#child);
    this.#killed = false;
    await this.#serving();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const forced = await this.#endByAnyMeans();
    if (forced !== null && !this.#killed) throw this.explain(new Error(`the mount did not end by itself: ${forced}`));
  }

  /** null where the process ended as it was told to, else what had to be done. */
  async #endByAnyMeans(): Promise<string | null> {
    let forced: string | null = null;
    const running = (): boolean => this.#child.exitCode === null && this.#child.signalCode === null;
    if (running() && this.#child.pid !== undefined) {
      this.#child.kill('SIGTERM');
      try {
        await within(this.#exited, STOP_MS, 'an end behind SIGTERM');
      } catch {
        forced = 'killed, SIGTERM did not end it';
        await abortAndDetach(this.dir);
        this.#signalGroup('SIGKILL');
        await within(this.#exited, KILL_MS, 'the process is gone behind an abort and SIGKILL');
      }
    }
    if (await abortAndDetach(this.dir)) forced ??= 'its mount was still there';
    return forced;
  }

  async #endsWell(): Promise<void> {
    const exit = await within(this.#exited, STOP_MS, 'the process ends').catch((error: unknown) => {
      throw this.explain(error);
    });
    if (exit.code !== 0) throw this.explain(new Error(`ended with ${exit.signal ?? String(exit.code)}`));
    if ((await mountedAt(this.dir)) !== null) throw this.explain(new Error('the mount is still there'));
  }

  async #serving(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no stdout');
    const served = new Promise<void>((resolve, reject) => {
      createInterface({ input: stdout }).on('line', (line) => {
        this.#keep(line);
        if (line === `dlfs: serving ${this.dir}`) resolve();
      });
      void this.#exited.then(({ code, signal }) => {
        reject(new Error(`ended with ${signal ?? String(code)} before it served`));
      }, reject);
    });
    await within(served, this.spec.readyMs ?? READY_MS, 'the mount serves');
  }

  #keep(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES) this.#log.shift();
  }

  #signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function run(spec: MountSpec, log: string[]): ChildProcess {
  const child = spawn(spec.program ?? DLFS, ['mount', spec.source, spec.dir, '--foreground', ...spec.args], {
    env: cleanEnvironment(spec.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group of its own, so that all of it can be ended
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    if (log.length > LOG_LINES) log.shift();
  });
  child.once('exit', (code, signal) => log.push(`--- ended with ${signal ?? String(code)}`));
  return child;
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  const closed = once(child, 'close');
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  // Its last words may still be on the way; a process that it left behind may hold the pipes for ever.
  await within(closed, LAST_WORDS_MS, 'its output has ended').catch(() => undefined);
  return { code, signal };
}
