/**
 * What the tests of the native fetcher over TLS stand on: certificates made on the spot, and a client that is the real
 * engine, with one volume in a temporary folder.
 */
import { execFileSync } from 'node:child_process';
import { randomFillSync, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, EndpointOptions } from '../../../src/native/binding.ts';
import { loadNative } from '../../../src/native/binding.ts';
import { EVENT, EventDrain } from '../../../src/native/events.ts';

/** Bytes of a block, and of every object here. */
export const BLOCK = 1024 * 1024;

/** A key and its certificate, PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

// `openssl ca` is the command that sets both ends of a certificate's time.
const AUTHORITY = `
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;

/**
 * Makes a self-signed certificate.
 * @param names such as `DNS:localhost,IP:127.0.0.1`
 * @param years first and last year of its time
 */
export function makeCertificate(names: string, years: readonly [number, number] = [2020, 2049]): Certificate {
  const cwd = mkdtempSync(join(tmpdir(), 'tls-'));
  const openssl = (command: string, ...rest: string[]): void => {
    execFileSync('openssl', [...command.split(' '), ...rest], { cwd, stdio: 'ignore' });
  };
  try {
    writeFileSync(join(cwd, 'ca.cnf'), AUTHORITY);
    writeFileSync(join(cwd, 'index.txt'), '');
    writeFileSync(join(cwd, 'serial'), '01\n');
    const subject = ['-subj', `/CN=dlfs test ${randomUUID()}`, '-addext', `subjectAltName=${names}`];
    openssl(
      'req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out request.pem',
      ...subject,
    );
    const time = `-startdate ${years[0]}0101000000Z -enddate ${years[1]}0101000000Z`;
    openssl(`ca -batch -selfsign -notext -config ca.cnf -keyfile key.pem -in request.pem -out cert.pem ${time}`);
    return { key: readFileSync(join(cwd, 'key.pem'), 'utf8'), cert: readFileSync(join(cwd, 'cert.pem'), 'utf8') };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** How a run ended; `kind` as in `native/src/http/fetcher.h`. */
export interface Ended {
  readonly kind: number;
  readonly text: string;
  readonly status: number;
}

/** Numbers of `FetchKind`. */
export const KIND = { ok: 0, httpError: 1, connectFailed: 2, tlsFailed: 3, timeout: 4, reset: 5, protocol: 6 } as const;

/** The engine with one volume; each fetch is an object of its own. */
export class FetchClient implements AsyncDisposable {
  readonly engine: Engine;
  /** The volume's number. */
  readonly volume: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'fetch-'));
  readonly #drain: EventDrain;
  readonly #ends = new Map<number, (ended: Ended) => void>();
  readonly #stored = new Map<number, () => void>();
  #next = 1;

  constructor() {
    const objects = join(this.#folder, 'objects');
    mkdirSync(objects);
    const options = {
      sessionThreads: 1,
      diskThreads: 1,
      fetchThreads: 2,
      memory: 64 * BLOCK,
      openFiles: 64,
      fileStates: 1024,
    };
    this.engine = new (loadNative().Engine)(options, () => this.#wake());
    this.#drain = new EventDrain(this.engine);
    const limits = { maxVolatile: 16 * BLOCK };
    this.volume = this.engine.addVolume({ objectsDir: objects, blockSize: BLOCK, ...limits });
  }

  /**
   * Fetches `blocks` blocks of an object from its start.
   * @returns how it ended, and the object's bytes as they are in the cache file where it ended well
   */
  async fetch(endpoint: number, blocks = 1): Promise<Ended & { readonly bytes: Buffer | null }> {
    const ino = this.#next++;
    this.engine.attach(this.volume, ino, blocks * BLOCK, new Uint8Array(Math.ceil(blocks / 8)), false);
    const { promise, resolve } = Promise.withResolvers<Ended>();
    this.#ends.set(ino, resolve);
    const stored = Array.from({ length: blocks }, async (_, block) => {
      await new Promise<void>((resolve) => this.#stored.set(ino * 1000 + block, resolve));
    });
    const range = `bytes=0-${blocks * BLOCK - 1}`;
    const head = Buffer.from(`GET /object HTTP/1.1\r\nHost: origin\r\nRange: ${range}\r\n\r\n`, 'latin1');
    const limits = { connectTimeoutMs: 5000, stallTimeoutMs: 5000, deadlineMs: 20_000 };
    const where = { ino, first: 0, count: blocks, offset: 0, length: blocks * BLOCK, etag: '', modified: 0 };
    this.engine.fetch(this.volume, { run: ino, endpoint, head, demand: true, store: true, ...where, ...limits });
    const ended = await promise;
    if (ended.kind !== KIND.ok) return { ...ended, bytes: null };
    await Promise.all(stored);
    const name = (ino % 256).toString(16).padStart(2, '0');
    return { ...ended, bytes: readFileSync(join(this.#folder, 'objects', name, String(ino))) };
  }

  /** An endpoint on loopback that is verified by these roots. */
  tls(port: number, serverName: string, roots: readonly string[], tunnel: EndpointOptions['tunnel'] = null): number {
    const addresses = [{ address: '127.0.0.1', port }];
    return this.engine.addEndpoint({ addresses, tls: { serverName, caPems: roots }, tunnel });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    rmSync(this.#folder, { recursive: true });
  }

  #wake(): void {
    this.#drain.drain(
      (event) => {
        if (event.type === EVENT.runEnd) {
          const [text = ''] = Buffer.from(event.bytes).toString('latin1').split('\0');
          this.#ends.get(event.a)?.({ kind: event.d, text, status: event.e });
        } else if (event.type === EVENT.stored) {
          this.#stored.get(event.a * 1000 + event.b)?.();
        }
      },
      () => false,
    );
  }
}

/** Random bytes of so many blocks. */
export function randomBlocks(blocks: number): Buffer {
  return randomFillSync(Buffer.alloc(blocks * BLOCK));
}
