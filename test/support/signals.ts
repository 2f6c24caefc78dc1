/**
 * A process that blocks in one call on a path (`signals.py`): to be killed, or to be interrupted by signals that it
 * catches.
 *
 * Invariants:
 * 1. `blocked` settles only when the kernel says that the process sleeps behind its "ready": the call is under way.
 * 2. Disposal leaves no process but one that the kernel did not let go of when it was killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isAlive, stateOf, until, waitChannelOf, within } from './process.ts';

/**
 * Calls that a stalled origin may block; `pipe` blocks by itself and proves this file, `crowd` is `CROWD` processes that
 * read.
 */
export type BlockingCall = 'lookup' | 'readdir' | 'read' | 'direct' | 'mmap' | 'pipe' | 'crowd';

/** How many processes a `crowd` is. */
export const CROWD = 64;

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
/** A process that does not go in this time waits in the kernel: whoever holds it must let go first. */
const GONE_MS = 5000;

/** See the file's header. */
export class Blocker implements AsyncDisposable {
  readonly call: BlockingCall;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #ready: Promise<void>;
  readonly #result: Promise<CallResult>;
  /** Whether it has not gone when it was killed: its test has failed, and it goes with what it waits for. */
  #stuck = false;

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

  /** Waits until all processes of a `crowd` sleep in their reads. */
  async crowdBlocked(): Promise<void> {
    await this.blocked();
    const children = async (): Promise<number[]> =>
      (await readFile(`/proc/${String(this.pid)}/task/${String(this.pid)}/children`, 'latin1'))
        .split(' ')
        .filter((pid) => pid !== '')
        .map(Number);
    const asleep = async (): Promise<boolean> => {
      const channels = await Promise.all((await children()).map((pid) => waitChannelOf(pid)));
      return channels.length === CROWD && channels.every((channel) => channel !== '0');
    };
    await until(asleep, START_MS, 'all of the crowd sleep');
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
    this.#stuck = true;
    await until(async () => !(await isAlive(this.pid)), limitMs, `gone from ${this.call} behind ${signal}`);
    this.#stuck = false;
    return performance.now() - start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#stuck) return;
    await within(this.#exited, GONE_MS, `the process in ${this.call} is gone`);
  }
}
