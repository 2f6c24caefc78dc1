/**
 * versitygw with its posix backend: the real S3 server that tests and benchmarks run against.
 *
 * A bucket is a folder below `root`, a file in it an object. Objects are written straight into the folder (a million by
 * PUT would take an hour): by `writeObjects`, or by any means followed by `stampBucket`.
 *
 * Invariants:
 * 1. Listens on loopback only, path style, region us-east-1, with keys made for this run.
 * 2. A request whose response a client has begun to receive is in `requests()`: versitygw logs before it answers.
 * 3. After disposal the process is gone; folders that the instance made are removed, those that it was given stay.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { ServerProcess } from './server-process.ts';
import { testTool } from './test-tool.ts';

/** How versitygw is started. */
export interface VersityGwOptions {
  /** The folder whose folders are buckets, on a file system with extended attributes; absent: a temporary one. */
  readonly root?: string;
  /** Keep versions of overwritten objects. */
  readonly versioning?: boolean;
  /** A certificate and its key in PEM make it speak HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** An object to write into a bucket. A key that ends with '/' is a directory marker. */
export interface ObjectToWrite {
  readonly key: string;
  /** Content; or `size` zeros, which take no space. */
  readonly body?: Uint8Array | string;
  readonly size?: number;
  /** A whole second. */
  readonly lastModified?: Date;
  /** Without quotes; by default the MD5 of `body`. */
  readonly etag?: string;
}

/** Requests by kind, and by versitygw's own names of the operations. */
export interface RequestCounts {
  readonly list: number;
  readonly head: number;
  readonly get: number;
  readonly other: number;
  /** `s3_GetObject` → count, for instance. */
  readonly operations: Readonly<Record<string, number>>;
  /** Requests answered with a status of 400 or above. */
  readonly errors: number;
}

const WRITER = fileURLToPath(new URL('bucket_files.py', import.meta.url));

/** A time for objects whose time does not matter: a whole second, as S3 has no smaller unit. */
const SOME_TIME = Date.UTC(2024, 0, 1);

const KINDS: Readonly<Record<string, 'list' | 'head' | 'get'>> = {
  s3_ListObjectsV2: 'list',
  s3_ListObjects: 'list',
  s3_HeadObject: 'head',
  s3_GetObject: 'get',
};

/** A running versitygw. Dispose of it to end it. */
export class VersityGw implements AsyncDisposable {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region = 'us-east-1';
  /** The folder of the buckets. */
  readonly root: string;
  /** For path style: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly #process: ServerProcess;
  readonly #accessLog: string;
  readonly #resources: AsyncDisposableStack;

  // Mutable state: where in the access log counting starts.
  #logStart = 0;

  private constructor(
    server: ServerProcess,
    resources: AsyncDisposableStack,
    constants: {
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly root: string;
      readonly accessLog: string;
      readonly url: string;
    },
  ) {
    this.#process = server;
    this.#resources = resources;
    this.accessKeyId = constants.accessKeyId;
    this.secretAccessKey = constants.secretAccessKey;
    this.root = constants.root;
    this.url = constants.url;
    this.#accessLog = constants.accessLog;
  }

  /** Starts it; it serves when the promise settles. */
  static async start(options: VersityGwOptions = {}): Promise<VersityGw> {
    await using starting = new AsyncDisposableStack();
    const scratch = await mkdtemp(join(tmpdir(), 'dlfs-versitygw-'));
    starting.defer(() => rm(scratch, { recursive: true, force: true }));
    const root = options.root ?? join(scratch, 'buckets');
    if (options.root === undefined) await mkdir(root);
    const accessLog = join(scratch, 'access.log');
    const accessKeyId = 'AK' + randomBytes(9).toString('hex').toUpperCase();
    const secretAccessKey = randomBytes(30).toString('base64url');
    // Without --keep-alive it closes every connection behind its first response.
    const args = ['--port', '127.0.0.1:0', '--quiet', '--keep-alive', '--access-log', accessLog];
    if (options.tls !== undefined) {
      await writeFile(join(scratch, 'server.crt'), options.tls.cert);
      await writeFile(join(scratch, 'server.key'), options.tls.key, { mode: 0o600 });
      args.push('--cert', join(scratch, 'server.crt'), '--key', join(scratch, 'server.key'));
    }
    args.push('posix');
    if (options.versioning === true) {
      const versions = join(scratch, 'versions');
      await mkdir(versions);
      args.push('--versioning-dir', versions);
    }
    const server = starting.use(
      await ServerProcess.start({
        program: testTool('versitygw'),
        args: [...args, root],
        env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
      }),
    );
    const url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${String(server.port)}`;
    const constants = { accessKeyId, secretAccessKey, root, accessLog, url };
    return new VersityGw(server, starting.move(), constants);
  }

  /** The port on 127.0.0.1. */
  get port(): number {
    return this.#process.port;
  }

  /** The process, to pause or measure it. */
  get process(): ServerProcess {
    return this.#process;
  }

  /** The folder of bucket `name`. */
  bucketFolder(name: string): string {
    return join(this.root, name);
  }

  /** Makes an empty bucket (3 to 63 characters) and returns its folder. */
  async createBucket(name: string): Promise<string> {
    await mkdir(this.bucketFolder(name));
    return this.bucketFolder(name);
  }

  /**
   * Writes objects, replacing those that exist; any number of them, taken one by one.
   * @returns how many
   */
  async writeObjects(bucket: string, objects: Iterable<ObjectToWrite> | AsyncIterable<ObjectToWrite>): Promise<number> {
    const lines = async function* (): AsyncGenerator<string> {
      let batch = '';
      for await (const object of objects) {
        batch += JSON.stringify({
          key: object.key,
          mtime: Math.floor((object.lastModified?.getTime() ?? SOME_TIME) / 1000),
          ...(object.etag === undefined ? {} : { etag: object.etag }),
          ...(object.body === undefined
            ? { size: object.size ?? 0 }
            : { body: Buffer.from(object.body).toString('base64') }),
        });
        batch += '\n';
        if (batch.length > 65536) {
          yield batch;
          batch = '';
        }
      }
      yield batch;
    };
    return await this.#runWriter('write', bucket, Readable.from(lines()));
  }

  /**
   * Makes objects of the regular files in a bucket's folder: gives each the ETag (the MD5) and the checksum that a PUT
   * would have given it. Their times stay; S3 shows whole seconds.
   * @returns how many
   */
  stampBucket(bucket: string): Promise<number> {
    return this.#runWriter('stamp', bucket, Readable.from([]));
  }

  async #runWriter(mode: 'write' | 'stamp', bucket: string, input: Readable): Promise<number> {
    const child = spawn('python3', [WRITER, mode, this.bucketFolder(bucket)], { stdio: ['pipe', 'pipe', 'pipe'] });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (output += data.toString('utf8')));
    child.stderr.on('data', (data: Buffer) => (errors += data.toString('utf8')));
    const closed = once(child, 'close') as Promise<[code: number | null]>;
    // A writer that fails stops reading: its own message below says more than the broken pipe.
    await pipeline(input, child.stdin).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    });
    const [code] = await closed;
    if (code !== 0) throw new Error(`writing into bucket ${bucket} failed: ${errors.slice(-2000)}`);
    return Number(output);
  }

  /** Requests since the start or the last `resetRequests`. */
  async requests(): Promise<RequestCounts> {
    const log = await readFile(this.#accessLog);
    const counts = { list: 0, head: 0, get: 0, other: 0 };
    const operations: Record<string, number> = {};
    let errors = 0;
    for (const line of log.subarray(this.#logStart).toString('latin1').split('\n')) {
      // owner bucket [time] ip requester id OPERATION key uri STATUS …: the key may hold spaces, the others do not.
      const match = /^\S+ \S+ \[[^\]]+\] \S+ \S+ \S+ (s3_\w+) .*? \/\S* (\d{3}) /.exec(line);
      if (match === null) continue;
      const [, operation = '', status = ''] = match;
      counts[KINDS[operation] ?? 'other']++;
      operations[operation] = (operations[operation] ?? 0) + 1;
      if (Number(status) >= 400) errors++;
    }
    return { ...counts, operations, errors };
  }

  /** Starts counting anew. */
  async resetRequests(): Promise<void> {
    this.#logStart = (await stat(this.#accessLog)).size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
