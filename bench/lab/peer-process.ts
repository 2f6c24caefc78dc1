/**
 * A FUSE program of others in the foreground, from its start to a clean end.
 *
 * Invariants:
 * 1. It is up when the kernel's table shows a mount at its directory; nothing here touches the mount point.
 * 2. Disposal leaves neither process nor mount, whatever state they are in, within a bounded time.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rmdir } from 'node:fs/promises';
import { abortAndDetach } from '../../test/support/fuse-connection.ts';
import { until, within } from '../../test/support/process.ts';
import type { Backstop } from './backstop.ts';
import { mountedDevice } from './mounted-device.ts';
import { setMountReadahead } from './readahead.ts';

/** How a program is started. */
export interface PeerOptions {
  readonly program: string;
  /** Must keep it in the foreground. */
  readonly args: readonly string[];
  /** Added to PATH and HOME; keys go here, never into arguments. */
  readonly env: Readonly<Record<string, string>>;
  /** The mount point to be, which is made and removed here. */
  readonly dir: string;
}

const START_LIMIT_MS = 30_000;
/** Uploads and caches are given time to be written. */
const STOP_LIMIT_MS = 15_000;
const KILL_LIMIT_MS = 5000;
const OUTPUT_KEPT = 2000;

/** See the file's header. */
export class PeerProcess implements AsyncDisposable {
  readonly dir: string;
  readonly #child: ChildProcess;
  readonly #guard: Disposable;

  private constructor(child: ChildProcess, dir: string, guard: Disposable) {
    this.#child = child;
    this.dir = dir;
    this.#guard = guard;
  }

  /**
   * Starts it and waits for its mount.
   * @throws Error with what it printed, where it ends before or takes too long; nothing is left then
   */
  static async start(options: PeerOptions, backstop: Backstop): Promise<PeerProcess> {
    const { program, args, env, dir } = options;
    await mkdir(dir, { recursive: true });
    const kept = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/root' };
    const child = spawn(program, args, { env: { ...kept, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    const keep = (data: Buffer): void => {
      output = (output + data.toString('utf8')).slice(-OUTPUT_KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => (output += error.message));
    const peer = new PeerProcess(child, dir, backstop.guard(dir));
    try {
      const isUp = (): boolean => {
        if (child.pid === undefined || child.exitCode !== null) throw new Error('it ended');
        return mountedDevice(dir) !== null;
      };
      await until(isUp, START_LIMIT_MS, 'it mounts');
      setMountReadahead(dir);
      return peer;
    } catch (cause) {
      await peer[Symbol.asyncDispose]();
      throw new Error(`${program} does not mount: ${output.trim()}`, { cause });
    }
  }

  /** The daemon. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited: Promise<unknown> = this.#isRunning() ? once(this.#child, 'exit') : Promise.resolve();
    try {
      // SIGTERM makes them unmount and end.
      this.#child.kill('SIGTERM');
      await within(exited, STOP_LIMIT_MS, 'it ends');
    } catch {
      await abortAndDetach(this.dir);
      this.#child.kill('SIGKILL');
      await within(exited, KILL_LIMIT_MS, 'it ends behind SIGKILL');
    }
    await abortAndDetach(this.dir);
    await rmdir(this.dir);
    this.#guard[Symbol.dispose]();
  }

  #isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }
}
