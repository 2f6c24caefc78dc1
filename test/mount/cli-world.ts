/**
 * What tests of the command line need: an origin with one small tree, directories of their own, and `bin/dlfs` called as a
 * user calls it.
 *
 * Invariants:
 * 1. Mount points are read by programs only: the origin lives in the test's own process.
 * 2. On disposal, mounts below its directory are ended, by force where they must be.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, realpath } from 'node:fs/promises';
import { BytesContent, Faults, ObjectStore, readPolicy, S3Endpoint, storedObject } from '../../demo/endpoint/index.ts';
import { parseMountinfo, type KernelMount } from '../../src/daemon/mountinfo.ts';
import { MountRegistry, type MountRecord } from '../../src/daemon/registry/mount-registry.ts';
import { execute } from '../posix/execute.ts';
import { TempDir } from '../support/files.ts';
import { abortAndDetach } from '../support/fuse-connection.ts';
import { cleanEnvironment, DLFS } from '../support/mount.ts';
import { isAlive, until } from '../support/process.ts';

/** How a command ended. */
export interface Result {
  /** Null: by a signal. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** How a command is called. */
export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly cwd?: string;
  readonly program?: string;
  /** Milliseconds until it is killed. */
  readonly limitMs?: number;
}

/** The keys of the origin. */
export const KEYS = { accessKeyId: 'AKIDCOMMANDLINE00000', secretAccessKey: 'the-secret-of-the-command-line' } as const;

/** The registry that root's mounts are recorded in. */
export const registry = new MountRegistry('/run/dlfs');

/** A command may take a minute to start a mount, and then some. */
const CALL_LIMIT_MS = 90_000;

/** See the file's header. */
export class CliWorld implements AsyncDisposable {
  readonly faults: Faults;
  /** Without symbolic links. */
  readonly path: string;
  readonly endpoint: S3Endpoint;
  readonly #temp: TempDir;

  private constructor(temp: TempDir, path: string, endpoint: S3Endpoint, faults: Faults) {
    this.#temp = temp;
    this.path = path;
    this.endpoint = endpoint;
    this.faults = faults;
  }

  /** Starts an origin with the bucket `bucket`: `a/x` and `big`. @param tls a certificate to speak HTTPS with */
  static async create(tls?: { readonly cert: string; readonly key: string }): Promise<CliWorld> {
    const temp = await TempDir.create('cli');
    const faults = new Faults();
    const objects = [
      storedObject('a/x', new BytesContent(Buffer.from('hello\n'))),
      storedObject('big', new BytesContent(Buffer.alloc(3_000_000, 'big'))),
    ];
    const endpoint = await S3Endpoint.start({
      buckets: { bucket: { objects: new ObjectStore(objects) } },
      credentials: [{ ...KEYS, policy: readPolicy() }],
      faults,
      ...(tls === undefined ? {} : { tls }),
    });
    return new CliWorld(temp, await realpath(temp.path), endpoint, faults);
  }

  /** A path below the world's own directory. */
  at(...parts: string[]): string {
    return [this.path, ...parts].join('/');
  }

  /** Makes a directory and gives its path. */
  async dir(name: string): Promise<string> {
    await mkdir(this.at(name), { recursive: true });
    return this.at(name);
  }

  /** The environment of a user with the right keys. */
  get env(): Record<string, string> {
    return cleanEnvironment({ AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey });
  }

  /** Options that lead to the origin, and to a cache and a log of the world's own. */
  get args(): string[] {
    const { url, region } = this.endpoint;
    return ['--endpoint', url, '--region', region, '--cache-dir', this.at('cache'), '--log-file', this.at('log')];
  }

  /** Calls `dlfs` and waits for its end. */
  call(args: readonly string[], options: CallOptions = {}): Promise<Result> {
    return call(options.program ?? DLFS, args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** Mounts in the background; the directory is made. */
  async mount(dir: string, args: readonly string[] = this.args): Promise<Result> {
    // Not where one is mounted already: making it again would ask that mount.
    if ((await mountsAt(dir)).length === 0) await mkdir(dir, { recursive: true });
    return await this.call(['mount', 's3://bucket', dir, ...args]);
  }

  /** What a program reads of a file in a mount. */
  async read(path: string): Promise<string> {
    return (await execute('cat', [path], { limitMs: 20_000 })).stdout.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { dir } of (await kernelMounts())
      .filter((mount) => mount.dir.startsWith(`${this.path}/`))
      .toReversed()) {
      const pid = registry.find(dir)?.pid;
      await abortAndDetach(dir);
      if (pid !== undefined)
        await until(async () => !(await isAlive(pid)), 20_000, `process ${pid} of ${dir} has ended`);
    }
    await this.endpoint[Symbol.asyncDispose]();
    await this.#temp[Symbol.asyncDispose]();
  }
}

/** The kernel's table now. */
export async function kernelMounts(): Promise<KernelMount[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo'));
}

/** What is mounted at a directory, the last on top. */
export async function mountsAt(dir: string): Promise<KernelMount[]> {
  return (await kernelMounts()).filter((mount) => mount.dir === dir);
}

/** The record of a mount that must be there. */
export function recordOf(dir: string): MountRecord {
  const record = registry.find(dir);
  if (record === null) throw new Error(`no record of ${dir}`);
  return record;
}

/** Names in a folder; none where it is missing. */
export async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

/**
 * A process whose working directory is in a mount; the caller kills it. It goes there by itself: Node would wait for it to
 * have done so, and the mount for the origin, which is in this process.
 */
export async function sleeperIn(dir: string): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', 'cd "$1" && echo there && exec sleep 1000', 'sh', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

/** Runs a program to its end. */
export async function call(program: string, args: readonly string[], options: CallOptions): Promise<Result> {
  const { env, uid, cwd, limitMs = CALL_LIMIT_MS } = options;
  const child = spawn(program, args, {
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}
