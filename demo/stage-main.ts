/**
 * The demo's stage: owns everything that must be cleaned up — the origin, the mount, the folder — in a process of its own.
 *
 * The demo may be interrupted or killed at any moment; the stage, which no terminal's signal reaches, notices that its
 * channel has closed and cleans up.
 *
 * Invariants:
 * 1. When it ends, the mount, the processes and the folder are gone; where the mount cannot be taken away, the folder stays
 *    and the exit code is 1.
 * 2. It ends with its channel, unless told to stay; then by SIGTERM or SIGINT.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BUCKET, startOrigin, type DemoOrigin } from './origin.ts';
import type { FromStage, OriginCount, StageOptions, ToStage } from './stage-protocol.ts';

const DLFS = fileURLToPath(new URL('../bin/dlfs', import.meta.url));

/** Its statistics are written each second; after a phase, one more is awaited. */
const STATS_LIMIT_MS = 5000;

/** A mount that is told to end waits ten seconds for its users, then detaches itself. */
const STOP_LIMIT_MS = 30_000;

/** What is on the stage. */
class Stage {
  readonly #folder: string;
  #origin: DemoOrigin | null = null;
  #daemon: ChildProcess | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get #dir(): string {
    return join(this.#folder, 'mount');
  }

  get #log(): string {
    return join(this.#folder, 'dlfs.log');
  }

  async start({ bucket, versitygw }: StageOptions): Promise<FromStage> {
    const folder = this.#folder;
    for (const name of ['mount', 'cache', 'scratch']) mkdirSync(join(folder, name), { mode: 0o755 });
    if (bucket === null) this.#origin = await startOrigin(join(folder, 'buckets'), join(folder, 'scratch'), versitygw);
    await this.#mount(bucket);
    return { type: 'mounted', dir: this.#dir, url: this.#origin?.url ?? null, log: this.#log };
  }

  /** What the origin has done; where it does not count itself, what dlfs counted. */
  async count(): Promise<OriginCount> {
    const { gets = null, lists = null, bytes = null } = (await this.#origin?.requests()) ?? {};
    if (gets !== null && bytes !== null) return { gets, lists, bytes };
    const { fetch } = await this.#stats();
    return { gets: gets ?? fetch.gets, lists, bytes: fetch.bytes };
  }

  async clean(): Promise<boolean> {
    const daemon = this.#daemon;
    if (daemon !== null && !hasEnded(daemon)) {
      daemon.kill('SIGTERM');
      const patience = new AbortController();
      void delay(STOP_LIMIT_MS, undefined, { signal: patience.signal }).then(
        () => daemon.kill('SIGKILL'),
        () => false,
      );
      await once(daemon, 'exit');
      patience.abort();
    }
    // A process that was killed leaves its mount; the name of the tool that takes it away is the product's own.
    if (this.#isMounted()) await once(spawn(DLFS, ['umount', '--lazy', this.#dir], { stdio: 'ignore' }), 'exit');
    await this.#origin?.[Symbol.asyncDispose]();
    if (this.#isMounted()) return false; // its files are the origin's: nothing is removed through a mount
    await rm(this.#folder, { recursive: true, force: true });
    return true;
  }

  async #mount(bucket: StageOptions['bucket']): Promise<void> {
    const folder = this.#folder;
    const source =
      bucket === null
        ? [`s3://${BUCKET}`, this.#dir, '--endpoint', this.#origin?.url ?? '']
        : [bucket.source, this.#dir, ...bucket.options];
    const args = [
      'mount',
      ...source,
      '--cache-dir',
      join(folder, 'cache'),
      '--cache-floor',
      '512MiB',
      '--log-file',
      this.#log,
      '--foreground',
    ];
    const daemon = spawn(DLFS, args, { env: this.#environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    this.#daemon = daemon;
    const words = { out: '', err: '' };
    await new Promise<void>((resolve, reject) => {
      daemon.stderr.on('data', (data: Buffer) => (words.err += data.toString()));
      daemon.stdout.on('data', (data: Buffer) => {
        words.out += data.toString();
        if (words.out.includes('dlfs: serving')) resolve();
      });
      daemon.once('error', reject);
      // 'close' and not 'exit': by then all that it said has been read.
      daemon.once('close', () => {
        reject(
          new Error(words.err.trim() === '' ? `dlfs ended before it served; log: ${this.#log}` : words.err.trim()),
        );
      });
    });
  }

  /** The environment of dlfs: for the demo's own origin, its keys and nobody else's. */
  #environment(): NodeJS.ProcessEnv {
    if (this.#origin === null) return process.env;
    const foreign = /^(AWS_|HTTPS?_PROXY$|ALL_PROXY$)/i;
    return {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name))),
      AWS_ACCESS_KEY_ID: this.#origin.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.#origin.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    };
  }

  async #stats(): Promise<{ fetch: { gets: number; bytes: number } }> {
    const cache = join(this.#folder, 'cache');
    const asked = Date.now();
    for (;;) {
      for (const name of await readdir(cache)) {
        const path = join(cache, name, 'stats.json');
        if (existsSync(path) && statSync(path).mtimeMs > asked) return JSON.parse(readFileSync(path, 'utf8')) as never;
      }
      if (Date.now() - asked > STATS_LIMIT_MS) throw new Error('dlfs has written no statistics');
      await delay(50);
    }
  }

  /** By the kernel's table: the mount itself is not asked. */
  #isMounted(): boolean {
    return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.#dir} `);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function tell(message: FromStage): void {
  if (process.connected) process.send?.(message);
}

let stage: Stage | null = null;
let stays = false;
let ending: Promise<void> | null = null;

function end(): void {
  ending ??= (stage?.clean() ?? Promise.resolve(true)).then(
    (clean) => process.exit(clean ? 0 : 1),
    () => process.exit(1),
  );
}

function answer(work: Promise<FromStage>): void {
  work.then(tell, (error: unknown) => {
    tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  });
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
process.on('disconnect', () => {
  if (!stays) end();
});
process.on('message', (message: ToStage) => {
  switch (message.type) {
    case 'own':
      stage = new Stage(message.folder);
      return;
    case 'start':
      if (stage !== null) answer(stage.start(message.options));
      return;
    case 'count':
      if (stage !== null) answer(stage.count().then((count) => ({ type: 'count', count })));
      return;
    case 'stay':
      stays = true;
      tell({ type: 'staying' });
      return;
    case 'stop':
      end();
  }
});
