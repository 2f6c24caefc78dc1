/**
 * `bin/dlfs daemon` as a child process over a folder of manifests, and its end.
 *
 * Invariants:
 * 1. Disposal leaves nothing: no process, no mount below the root, no FUSE connection; it takes a bounded time. Where it had to use
 *    force although nothing had been killed on purpose, it throws afterwards.
 * 2. Nothing here touches what is below the root.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { abortAndDetach } from './fuse-connection.ts';
import { TempDir } from './files.ts';
import { cleanEnvironment, DLFS } from './mount.ts';
import { parseMountinfo } from './mount-table.ts';
import { until, within } from './process.ts';

const READY_MS = 60_000;
const STOP_MS = 60_000;
const LOG_LINES = 2000;

/** How a daemon is started. */
export interface DaemonSpec {
  /** Manifests by file name; more come by `write`. */
  readonly manifests: Readonly<Record<string, object>>;
  /** Further options of `dlfs daemon`. */
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** See the file's header. */
export class DlfsDaemon implements AsyncDisposable {
  readonly #temp: TempDir;
  readonly #spec: DaemonSpec;
  readonly #log: string[] = [];
  #child: ChildProcess;
  #exited: Promise<number | null>;
  #isKilled = false;
  #isEnded = false;

  private constructor(temp: TempDir, spec: DaemonSpec) {
    this.#temp = temp;
    this.#spec = spec;
    [this.#child, this.#exited] = this.#run();
  }

  /** Starts a daemon and waits until everything that is wanted is served, or has failed once. */
  static async start(spec: DaemonSpec): Promise<DlfsDaemon> {
    const temp = await TempDir.create('node');
    for (const dir of ['config', 'root', 'cache', 'state']) await mkdir(temp.join(dir));
    for (const [file, manifest] of Object.entries(spec.manifests)) {
      await writeFile(temp.join('config', file), JSON.stringify(manifest));
    }
    const daemon = new DlfsDaemon(temp, spec);
    try {
      await daemon.#serving();
      return daemon;
    } catch (error) {
      daemon.#isKilled = true;
      await daemon[Symbol.asyncDispose]();
      throw daemon.explain(error);
    }
  }

  get root(): string {
    return this.#temp.join('root');
  }

  /** The folder of its manifests. */
  get config(): string {
    return this.#temp.join('config');
  }

  get cache(): string {
    return this.#temp.join('cache');
  }

  /** Where its API listens. */
  get socket(): string {
    return this.#temp.join('api.sock');
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('bin/dlfs did not start');
    return this.#child.pid;
  }

  /** What it has printed: the last lines of both streams. */
  get log(): string {
    return this.#log.join('\n');
  }

  /** Where a dataset is seen. */
  dirOf(name: string): string {
    return this.#temp.join('root', ...name.split('/'));
  }

  /** Writes a manifest in one step. */
  async write(file: string, manifest: object): Promise<void> {
    const draft = this.#temp.join('config', `.${file}.new`);
    await writeFile(draft, JSON.stringify(manifest));
    await rename(draft, this.#temp.join('config', file));
  }

  /** Removes a manifest. */
  async remove(file: string): Promise<void> {
    await rm(this.#temp.join('config', file));
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
    return new Error(`${message}\n--- log of the daemon\n${this.log}\n---`, { cause: error });
  }

  /** Mounts of ours below the root, by directory, with their connections' numbers: what is seen there comes last. */
  async mounts(): Promise<Map<string, number[]>> {
    const found = new Map<string, number[]>();
    for (const { dir, type, minor } of parseMountinfo(await readFile('/proc/self/mountinfo'))) {
      if (type !== 'fuse.dlfs' || !dir.startsWith(`${this.root}/`)) continue;
      found.set(dir, [...(found.get(dir) ?? []), minor]);
    }
    return found;
  }

  /** Ends it by SIGTERM and waits. @throws Error where it does not end well */
  async terminate(): Promise<void> {
    this.#child.kill('SIGTERM');
    const code = await within(this.#exited, STOP_MS, 'the daemon ends').catch((error: unknown) => {
      throw this.explain(error);
    });
    if (code !== 0) throw this.explain(new Error(`ended with ${String(code)}`));
    const left = await this.mounts();
    if (left.size > 0) throw this.explain(new Error(`still mounted: ${[...left.keys()].join(', ')}`));
  }

  /** Kills it at once, as a crash does, and waits until it is gone. Dead mounts stay. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
    await within(this.#exited, STOP_MS, 'the daemon is gone behind SIGKILL');
  }

  /** Starts it again, and waits as `start` does. @returns milliseconds from its start until everything was served */
  async startAgain(): Promise<number> {
    await within(this.#exited, STOP_MS, 'the daemon has ended');
    this.#log.push('--- started again');
    const begun = performance.now();
    [this.#child, this.#exited] = this.#run();
    await this.#serving();
    this.#isKilled = false;
    return performance.now() - begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    let forced: string | null = null;
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await within(this.#exited, STOP_MS, 'it ends').catch(() => {
        forced = 'killed';
        this.#child.kill('SIGKILL');
      });
      await this.#exited;
    }
    for (const dir of (await this.mounts()).keys()) {
      forced ??= `detached ${dir}`;
      await abortAndDetach(dir);
    }
    await this.#temp[Symbol.asyncDispose]();
    if (forced !== null && !this.#isKilled)
      throw this.explain(new Error(`the daemon did not end by itself: ${forced}`));
  }

  async #serving(): Promise<void> {
    const served = new Promise<void>((resolve, reject) => {
      createInterface({ input: this.#child.stdout! }).on('line', (line) => {
        this.#keep(line);
        if (line.startsWith('dlfs: serving ')) resolve();
      });
      void this.#exited.then((code) => reject(new Error(`ended with ${String(code)} before it served`)), reject);
    });
    await within(served, READY_MS, 'the daemon serves');
  }

  #run(): [ChildProcess, Promise<number | null>] {
    const { args = [], env } = this.#spec;
    const at = (name: string): string => this.#temp.join(name);
    const child = spawn(
      DLFS,
      [
        'daemon',
        '--config',
        at('config'),
        '--socket',
        this.socket,
        '--root',
        at('root'),
        '--cache-dir',
        at('cache'),
        '--state',
        at('state'),
        ...args,
      ],
      { env: cleanEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    createInterface({ input: child.stderr }).on('line', (line) => this.#keep(line));
    const exited = once(child, 'exit').then(([code]) => code as number | null);
    return [child, exited];
  }

  #keep(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES) this.#log.shift();
  }
}
