/**
 * A process that makes system calls for a test (`helper.py`), as an object.
 *
 * Why a process: see there. Everything that touches a mount goes through it (or through a program such as `cp`), never
 * through this process's own thread pool, where an origin living in the same process would find no thread left to answer.
 *
 * Invariants:
 * 1. Calls are answered in the order in which they were made; several may be under way.
 * 2. A call that is not answered within its deadline ends the process by SIGKILL; it and all later calls fail with the
 *    name of the call and what the kernel says it waits for.
 * 3. Disposal ends the process, and with it all its descriptors and locks.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CallName, Calls } from './calls.ts';
import type { Subject } from './permissions.ts';

/** How long a call may take before the helper is given up, in milliseconds; the slowest honest one takes a few seconds. */
const CALL_LIMIT_MS = 90_000;

/** How many characters of a failed call's arguments its message shows. */
const SHOWN = 1000;

const SCRIPT = fileURLToPath(new URL('helper.py', import.meta.url));

/** A call that failed with an errno. `code` is its name, as in Node's own errors. */
export class CallError extends Error {
  readonly code: string;

  constructor(call: string, args: readonly unknown[], code: string) {
    const shown = args.map((arg) => JSON.stringify(arg)).join(', ');
    super(`${code}: ${call}(${shown.length > SHOWN ? `${shown.slice(0, SHOWN)}…` : shown})`);
    this.name = 'CallError';
    this.code = code;
  }
}

/** A forked child that was killed by a signal. `signal` is its name. */
export class KilledError extends Error {
  readonly signal: string;

  constructor(call: string, signal: string) {
    super(`${signal} killed the child in ${call}`);
    this.name = 'KilledError';
    this.signal = signal;
  }
}

interface Waiter {
  readonly call: CallName;
  readonly args: readonly unknown[];
  readonly timer: NodeJS.Timeout;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

interface Answer {
  readonly id: number;
  readonly ok?: unknown;
  readonly errno?: string;
  readonly signal?: string;
  readonly fault?: string;
}

/** See the file's header. */
export class Helper implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiters = new Map<number, Waiter>();
  readonly #exited: Promise<unknown>;
  #next = 1;
  #gone: Error | null = null;
  #stderr = '';

  /** Starts the process; python3 is found on PATH. */
  constructor() {
    this.#child = spawn('python3', ['-B', '-X', 'utf8', SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#exited = once(this.#child, 'close').catch(() => undefined);
    this.#child.on('error', (error) => {
      this.#fail(new Error('python3 does not start', { cause: error }));
    });
    this.#child.on('close', (code, signal) => {
      this.#fail(new Error(`the helper process ended (${signal ?? String(code)})\n${this.#stderr}`));
    });
    this.#child.stdin?.on('error', () => undefined); // EPIPE; 'close' says why
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        this.#settle(JSON.parse(line, revive) as Answer);
      });
    }
  }

  /** The process's number, for what the kernel says of it. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('python3 did not start');
    return this.#child.pid;
  }

  /**
   * Makes a call.
   * @throws CallError where the call failed with an errno
   */
  call<K extends CallName>(call: K, ...args: Parameters<Calls[K]>): Promise<ReturnType<Calls[K]>> {
    return this.#send(call, args, {});
  }

  /**
   * Makes a call in a forked child that has taken on a user's ids and dropped all groups. Open descriptors are inherited.
   * @throws CallError as `call`; KilledError where a signal killed the child
   */
  callAs<K extends CallName>(who: Subject, call: K, ...args: Parameters<Calls[K]>): Promise<ReturnType<Calls[K]>> {
    return this.#send(call, args, { fork: true, uid: who.uid, gid: who.gid });
  }

  /**
   * Makes a call in a forked child with the same ids: for what may kill its process.
   * @throws as `callAs`
   */
  callForked<K extends CallName>(call: K, ...args: Parameters<Calls[K]>): Promise<ReturnType<Calls[K]>> {
    return this.#send(call, args, { fork: true });
  }

  /** Opens a file for the time of `use`, and closes it. */
  async with<T>(path: string, flags: number, use: (fd: number) => Promise<T>): Promise<T> {
    const fd = await this.call('open', path, flags);
    try {
      return await use(fd);
    } finally {
      await this.call('close', fd);
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    await this.#exited;
    clearTimeout(timer);
  }

  #send<K extends CallName>(call: K, args: readonly unknown[], how: object): Promise<ReturnType<Calls[K]>> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#giveUp(call);
      }, CALL_LIMIT_MS);
      this.#waiters.set(id, { call, args, timer, resolve, reject });
      this.#child.stdin?.write(JSON.stringify({ id, call, args, ...how }) + '\n');
    });
  }

  #settle(answer: Answer): void {
    const waiter = this.#waiters.get(answer.id);
    if (waiter === undefined) throw new Error(`an answer nobody waits for: ${JSON.stringify(answer)}`);
    this.#waiters.delete(answer.id);
    clearTimeout(waiter.timer);
    if (answer.errno !== undefined) waiter.reject(new CallError(waiter.call, waiter.args, answer.errno));
    else if (answer.signal !== undefined) waiter.reject(new KilledError(waiter.call, answer.signal));
    else if (answer.fault !== undefined) waiter.reject(new Error(`${waiter.call}: ${answer.fault}`));
    else waiter.resolve(answer.ok as never);
  }

  #giveUp(call: string): void {
    const where = ['wchan', 'stack'].map((name) => `${name}: ${read(`/proc/${String(this.#child.pid)}/${name}`)}`);
    const error = new Error(`no answer to ${call} in ${String(CALL_LIMIT_MS)} ms\n${where.join('\n')}`);
    this.#child.kill('SIGKILL');
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    for (const waiter of this.#waiters.values()) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
    this.#waiters.clear();
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch (error) {
    return String(error);
  }
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$b' in value) || typeof value.$b !== 'string') return value;
  return Buffer.from(value.$b, 'base64');
}
