/**
 * The demo's own origin: versitygw where it is installed, else the embedded endpoint; both over the same folder.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EndpointProcess } from './endpoint/index.ts';

/** The one bucket. */
export const BUCKET = 'demo';

/** Versitygw takes a fraction of a second to listen; a machine under load gets this long. */
const START_LIMIT_MS = 30_000;

/** A running origin; disposing ends it. */
export interface DemoOrigin extends AsyncDisposable {
  readonly url: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Requests so far; `bytes` null where the server does not tell. */
  requests(): Promise<{ gets: number; lists: number; bytes: number | null }>;
}

/**
 * Starts the origin.
 * @param buckets folder with a folder `demo` in it
 * @param scratch folder for the server's own files
 * @param versitygw its program; null: the embedded endpoint
 */
export async function startOrigin(buckets: string, scratch: string, versitygw: string | null): Promise<DemoOrigin> {
  return versitygw === null ? await embedded(join(buckets, BUCKET)) : await gateway(buckets, scratch, versitygw);
}

function newKeys(): { accessKeyId: string; secretAccessKey: string } {
  return {
    accessKeyId: `DEMO${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
}

async function embedded(folder: string): Promise<DemoOrigin> {
  const keys = newKeys();
  // No content is read for ETags: the large object alone would take a second or two.
  const endpoint = await EndpointProcess.start({ bucket: BUCKET, folder, ...keys, md5UpTo: 0 });
  return {
    ...keys,
    url: endpoint.url,
    requests: async () => {
      const { get, list } = await endpoint.counters();
      return { gets: get.requests, lists: list.requests, bytes: get.bodyBytes };
    },
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  };
}

async function gateway(buckets: string, scratch: string, program: string): Promise<DemoOrigin> {
  // A file put straight into its folder becomes an object with an ETag by an extended attribute, which Node cannot set.
  const stamp = spawnSync('python3', [fileURLToPath(new URL('stamp.py', import.meta.url)), join(buckets, BUCKET)], {
    encoding: 'utf8',
  });
  if (stamp.status !== 0)
    throw new Error(`python3 could not set extended attributes: ${stamp.stderr.trim().slice(-300)}`);
  const keys = newKeys();
  const accessLog = join(scratch, 'access.log');
  const port = await freePort();
  // Without --keep-alive it closes every connection behind its first response.
  const child = spawn(
    program,
    ['--port', `127.0.0.1:${port}`, '--quiet', '--keep-alive', '--access-log', accessLog, 'posix', buckets],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: scratch,
        ROOT_ACCESS_KEY: keys.accessKeyId,
        ROOT_SECRET_KEY: keys.secretAccessKey,
      },
      stdio: 'ignore',
    },
  );
  const exited = once(child, 'exit').then(() => undefined);
  const dispose = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  const deadline = performance.now() + START_LIMIT_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await dispose();
      throw new Error(`${program} does not listen`);
    }
    await delay(20);
  }
  return {
    ...keys,
    url: `http://127.0.0.1:${port}`,
    requests: async () => {
      const log = await readFile(accessLog, 'latin1');
      const count = (operation: string): number => log.split(` ${operation} `).length - 1;
      return { gets: count('s3_GetObject'), lists: count('s3_ListObjectsV2'), bytes: null };
    },
    [Symbol.asyncDispose]: dispose,
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
