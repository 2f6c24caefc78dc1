/**
 * A process that blocks in one call on a path (`signals.py`): to be killed, or to be interrupted by signals that it
 * catches.
 *
 * Invariants:
 * 1. `blocked` settles only when the kernel says that the process sleeps behind its "ready": the call is under way.
 * 2. Disposal leaves no process, and takes a bounded time where the kernel lets go of it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isAlive, stateOf, until, waitChannelOf, within } from './process.ts';

/** Calls that a stalled origin may block; `pipe` blocks by itself and proves this file. */
export type BlockingCall = 'lookup' | 'readdir' | 'read' | 'direct' | 'mmap' | 'pipe';

/** How many bytes `read`, `direct` and `mmap` take from the start of the file. */
export const BLOCKING_LENGTH = 256 * 1024;

/** What the call gave when it returned. */
export interface CallResult {
  /** As the call returns: bytes, 1 for a found name, -1 for an error. */
  readonly result: number;
  /** SHA-256 of the bytes, in hex. */
  readonly sha256: string;
  /** The name of the errno, or null. */
  readonly errno: string | null;
  /** How many signal handlers ran. */
  readonly signals: number;
}

const SCRIPT = fileURLToPath(new URL('signals.py', import.meta.url));
const START_MS = 20_000;
const END_MS = 30_000;

/** See the file's header. */
export class Blocker implements AsyncDisposable {
  readonly call: BlockingCall;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #ready: Promise<void>;
  readonly #result: Promise<CallResult>;

  /**
   * Starts the process.
   * @param path what to call upon; its directory, for readdir
   * @param stormMs the pause between two signals, in milliseconds; null for none
   */
  constructor(call: BlockingCall, path: string, stormMs: number | null = null) {
    this.call = call;
    const args = ['-B', '-X', 'utf8', SCRIPT, call, path, ...(stormMs === null ? [] : [String(stormMs)])];
    this.#child = spawn('python3', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exited = once(this.#child, 'close').catch(() => undefined);
    const { promise: ready, resolve: isReady, reject: notReady } = Promise.withResolvers<undefined>();
    const { promise: result, resolve: hasResult, reject: noResult } = Promise.withResolvers<CallResult>();
    this.#ready = ready;
    this.#result = result;
    let stderr = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        if (line === 'ready') isReady(undefined);
        else hasResult(JSON.parse(line) as CallResult);
      });
    }
    void this.#exited.then(() => {
      const error = new Error(`the process in ${call} ended without a result\n${stderr}`);
      notReady(error);
      noResult(error);
    });
    // Nobody may be waiting for either: a killed process gives no result.
    ready.catch(() => undefined);
    result.catch(() => undefined);
  }

  /** The process's number. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('python3 did not start');
    return this.#child.pid;
  }

  /** Waits until the process is in the call and the kernel has put it to sleep there. */
  async blocked(): Promise<void> {
    await within(this.#ready, START_MS, `the process is about to call ${this.call}`);
    await until(
      async () => {
        // Between "ready" and the call, Python does not sleep; a mapping's first touch sleeps in the page fault.
        const state = await stateOf(this.pid);
        return (state === 'S' || state === 'D') && (await waitChannelOf(this.pid)) !== '0';
      },
      START_MS,
      `the process sleeps in ${this.call}`,
    );
  }

  /** What the call returned, once it has. */
  async returned(limitMs = END_MS): Promise<CallResult> {
    return await within(this.#result, limitMs, `${this.call} returns`);
  }

  /**
   * Sends a signal and waits until the process is gone.
   * @returns the milliseconds that it took
   * @throws Error where it takes longer than the limit
   */
  async killed(signal: NodeJS.Signals, limitMs: number): Promise<number> {
    const start = performance.now();
    this.#child.kill(signal);
    await until(async () => !(await isAlive(this.pid)), limitMs, `gone from ${this.call} behind ${signal}`);
    return performance.now() - start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await within(this.#exited, END_MS, `the process in ${this.call} is gone`);
  }
}
