/**
 * A mount whose jobs a test runs: origin, cache folder, helper, and a process of its own that serves and is told what to do over
 * a channel (jobs-host.ts).
 *
 * Why a process: it can be killed, and the test's own threads never touch the mount that they would have to serve.
 *
 * Invariants:
 * 1. Disposal leaves nothing: no process, no mount, no folder, whatever state they are in.
 * 2. Each call has a limit, and fails with what the process has logged.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DlfsError, type PlainError } from '../../src/base/errors.ts';
import type { SizeOrShare } from '../../src/base/size.ts';
import { bytes } from '../../src/base/brand.ts';
import type { FilePage, FilePageRequest } from '../../src/daemon/jobs/file-page.ts';
import type { PinView } from '../../src/daemon/jobs/dataset-jobs.ts';
import { isFinal, type Job, type JobSpec } from '../../src/daemon/jobs/job-types.ts';
import type { ServingStats } from '../../src/daemon/stats.ts';
import { digestOf } from '../posix/content.ts';
import { Helper } from '../posix/helper.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { CacheFiles } from './cache-files.ts';
import { dropCaches, TempDir } from './files.ts';
import { abortAndDetach } from './fuse-connection.ts';
import { cleanEnvironment } from './mount.ts';
import { TreeOrigin, type OriginOptions } from './mount-origin.ts';
import { within } from './process.ts';

const HOST = fileURLToPath(new URL('jobs-host.ts', import.meta.url));

const KIB = 1024;
const MIB = 1024 * KIB;

/** How long a call may take, on a machine under load. */
const CALL_MS = 60_000;
const END_MS = 30_000;

/** What the process is started with: plain data. */
export interface HostOptions {
  readonly source: {
    readonly source: string;
    readonly endpoint: string;
    readonly region: string;
    readonly pathStyle: true;
  };
  readonly dir: string;
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly cacheFiles: number;
  readonly cacheFloor: SizeOrShare;
  readonly blockSize: number;
  readonly memory: number;
  readonly listLimit: number;
  readonly open: 'stateless' | 'passthrough';
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly dirMode: number;
  readonly ioTimeoutMs: number;
}

/** What a test may change of them. */
export type JobsMountOptions = Partial<
  Pick<HostOptions, 'cacheBytes' | 'blockSize' | 'open' | 'ioTimeoutMs' | 'listLimit'>
> & {
  readonly origin?: OriginOptions;
};

/** What the process is told. */
export interface HostCall {
  readonly id: number;
  readonly call:
    | { readonly name: 'submit'; readonly spec: JobSpec }
    | { readonly name: 'ended' | 'job' | 'cancel'; readonly job: string }
    | { readonly name: 'list' | 'pins' | 'stats' | 'refresh' }
    | { readonly name: 'unpin'; readonly globs: readonly string[] }
    | { readonly name: 'files'; readonly request: FilePageRequest };
}

/** What it answers; 0: it serves. */
export type HostReply =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PlainError };

/** See the file's header. */
export class JobsMount implements AsyncDisposable {
  readonly origin: TreeOrigin;
  readonly helper: Helper;
  readonly #options: HostOptions;
  readonly #owned: AsyncDisposableStack;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #child: ChildProcess | null = null;
  #exited: Promise<unknown> = Promise.resolve();
  #next = 1;
  #log = '';

  private constructor(origin: TreeOrigin, helper: Helper, options: HostOptions, owned: AsyncDisposableStack) {
    this.origin = origin;
    this.helper = helper;
    this.#options = options;
    this.#owned = owned;
  }

  /** Serves the files, small blocks and a disk with room whatever else is on it. */
  static async start(files: readonly TreeFile[], options: JobsMountOptions = {}): Promise<JobsMount> {
    const { origin: originOptions, ...given } = options;
    await using owned = new AsyncDisposableStack();
    const temp = owned.use(await TempDir.create('jobs'));
    const origin = owned.use(await TreeOrigin.start(new Tree(files), originOptions));
    for (const name of ['dir', 'cache']) await mkdir(temp.join(name));
    const helper = owned.use(new Helper());
    const [, endpoint = '', , region = ''] = origin.args;
    const mount = new JobsMount(
      origin,
      helper,
      {
        source: { source: origin.source, endpoint, region, pathStyle: true },
        dir: temp.join('dir'),
        cacheDir: temp.join('cache'),
        cacheBytes: 64 * MIB,
        cacheFiles: 100_000,
        cacheFloor: { kind: 'size', bytes: bytes(MIB) },
        blockSize: 64 * KIB,
        memory: 32 * MIB,
        listLimit: 1_000_000,
        open: 'stateless',
        uid: 0,
        gid: 0,
        fileMode: 0o444,
        dirMode: 0o555,
        ioTimeoutMs: 10_000,
        ...given,
      },
      owned.move(),
    );
    try {
      await mount.startAgain();
      return mount;
    } catch (error) {
      await mount[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A path in the mount. */
  at(path: string): string {
    return join(this.#options.dir, path);
  }

  /** Its cache folder, seen from outside. */
  cache(): Promise<CacheFiles> {
    return CacheFiles.in(this.#options.cacheDir);
  }

  /** Starts the process, behind `stop` or `kill`. */
  async startAgain(): Promise<void> {
    const child = fork(HOST, [JSON.stringify(this.#options)], {
      env: cleanEnvironment(this.origin.env),
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#exited = once(child, 'exit');
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    child.on('message', (reply: HostReply) => {
      this.#settle(reply);
    });
    const serves = this.#expect(0);
    void this.#exited.then(() => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(`the process has ended\n${this.#log}`));
      this.#waiting.clear();
    });
    await within(serves, CALL_MS, `it serves\n${this.#log}`);
  }

  /** Ends the process in good order. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM');
    await within(this.#exited, END_MS, `the process ends\n${this.#log}`);
  }

  /** Kills it at once, as a crash does, and takes the dead mount away. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await within(this.#exited, END_MS, 'the process is gone');
    await abortAndDetach(this.#options.dir);
  }

  /** Tells the process something. @throws DlfsError what it answers */
  async tell(call: HostCall['call']): Promise<unknown> {
    const id = this.#next++;
    const answered = this.#expect(id);
    this.#child?.send({ id, call } satisfies HostCall);
    return await within(answered, CALL_MS, `an answer to ${JSON.stringify(call)}\n${this.#log}`);
  }

  /** Takes a job on. */
  async submit(spec: JobSpec): Promise<Job> {
    return (await this.tell({ name: 'submit', spec })) as Job;
  }

  /** Waits until a job has ended. */
  async ended(job: string): Promise<Job> {
    const ended = (await this.tell({ name: 'ended', job })) as Job;
    if (!isFinal(ended.state)) throw new Error(`${job} is ${ended.state}`);
    return ended;
  }

  /** Runs a job to its end. */
  async run(spec: JobSpec): Promise<Job> {
    return await this.ended((await this.submit(spec)).id);
  }

  /** A job as it is now. */
  async job(id: string): Promise<Job> {
    return (await this.tell({ name: 'job', job: id })) as Job;
  }

  /** All jobs. */
  async list(): Promise<Job[]> {
    return (await this.tell({ name: 'list' })) as Job[];
  }

  /** All pins. */
  async pins(): Promise<PinView[]> {
    return (await this.tell({ name: 'pins' })) as PinView[];
  }

  /** A page of files. */
  async files(request: FilePageRequest): Promise<FilePage> {
    return (await this.tell({ name: 'files', request })) as FilePage;
  }

  /** Its statistics. */
  async stats(): Promise<ServingStats> {
    return (await this.tell({ name: 'stats' })) as ServingStats;
  }

  /** Reads a file whole through the mount, past the page cache. @throws Error where the bytes are others */
  async reads(file: TreeFile): Promise<void> {
    await dropCaches();
    const [digest, count] = await this.helper.call('digest', this.at(file.path));
    if (digest !== digestOf(file.content) || count !== file.content.size)
      throw new Error(`${file.path} reads wrong: ${count} bytes\n${this.#log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#child?.exitCode === null && this.#child.signalCode === null) await this.stop();
    } finally {
      this.#child?.kill('SIGKILL');
      await this.#exited;
      await abortAndDetach(this.#options.dir);
      await this.#owned.disposeAsync();
    }
  }

  #expect(id: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    waiting.promise.catch(() => undefined);
    this.#waiting.set(id, waiting);
    return waiting.promise;
  }

  #settle(reply: HostReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('error' in reply) waiting?.reject(DlfsError.fromJSON(reply.error));
    else waiting?.resolve(reply.value);
  }
}
