/**
 * A cache folder seen from outside: its cache files, what its index says of them, and the statistics of who serves from it.
 *
 * The index is read by a connection of its own, read-only; a mount that writes it is not disturbed.
 */
import Database from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadNative } from '../../src/native/binding.ts';
import type { ServingStats } from '../../src/daemon/stats.ts';
import { until } from './process.ts';

/** Milliseconds in which a process that serves has written its statistics anew, on a machine under load. */
const STATS_MS = 30_000;

/** What the index knows of one file. */
export interface IndexedObject {
  readonly ino: number;
  readonly size: number;
  readonly blocks: number;
  /** Allocated bytes by the index's own count. */
  readonly bytes: number;
  readonly used: number;
  /** 0 partial, 1 whole, 2 published. */
  readonly state: number;
}

/** One block as the index has it. */
export interface IndexedBlock {
  readonly ino: number;
  readonly idx: number;
  readonly hash: bigint;
}

/** A file in `objects/`. */
export interface CacheFile {
  /** The number that is its name; NaN for a name that is none. */
  readonly ino: number;
  readonly path: string;
  readonly size: number;
  /** Bytes that the disk has given it. */
  readonly allocated: number;
}

/** See the file's header. */
export class CacheFiles {
  /** The folder of one source. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * The folder of the only source in a cache directory.
   * @throws Error where there is none, or several
   */
  static async in(cacheDir: string): Promise<CacheFiles> {
    const names = (await readdir(cacheDir)).filter((name) => /^[0-9a-f]{16}$/.test(name));
    const [only] = names;
    if (only === undefined || names.length > 1) throw new Error(`${names.length} caches in ${cacheDir}`);
    return new CacheFiles(join(cacheDir, only));
  }

  /** A source's own folder. */
  static of(folder: string): CacheFiles {
    return new CacheFiles(folder);
  }

  /** Path of the cache file of an inode. */
  pathOf(ino: number): string {
    return join(this.folder, 'objects', (ino % 256).toString(16).padStart(2, '0'), String(ino));
  }

  /** All files in `objects/`, in no order. Files that vanish meanwhile are left out. */
  async files(): Promise<CacheFile[]> {
    const objects = join(this.folder, 'objects');
    const entries = await readdir(objects, { recursive: true, withFileTypes: true });
    const found = await Promise.all(
      entries
        .filter((entry) => !entry.isDirectory())
        .map(async ({ parentPath, name }) => {
          const path = join(parentPath, name);
          const { size, blocks } = await stat(path).catch(() => ({ size: 0, blocks: -1 }));
          return { ino: /^\d+$/.test(name) ? Number(name) : Number.NaN, path, size, allocated: blocks * 512 };
        }),
    );
    return found.filter(({ allocated }) => allocated >= 0);
  }

  /** What the index says of all objects. */
  objects(): IndexedObject[] {
    return this.#read(
      (database) =>
        database.prepare('SELECT ino, size, blocks, bytes, used, state FROM object').all() as IndexedObject[],
    );
  }

  /** What the index says of one object; null where nothing. */
  object(ino: number): IndexedObject | null {
    return this.objects().find((object) => object.ino === ino) ?? null;
  }

  /** All blocks that the index knows, with their hashes. */
  blocks(): IndexedBlock[] {
    return this.#read((database) =>
      (database.prepare('SELECT ino, idx, hash FROM block').all() as { ino: number; idx: number; hash: Buffer }[]).map(
        ({ ino, idx, hash }) => ({ ino, idx, hash: hash.readBigUInt64BE() }),
      ),
    );
  }

  /** How many blocks the index knows in all. */
  blockCount(): number {
    return this.#read((database) => database.prepare('SELECT count(*) FROM block').pluck().get() as number);
  }

  /** Blocks that the process which serves, or served last, has committed within the last minute. */
  recentBlocks(): { readonly ino: number; readonly idx: number }[] {
    const rows = this.#read(
      (database) =>
        database
          .prepare('SELECT blocks FROM recent WHERE run = (SELECT run FROM state)')
          .pluck()
          .all() as readonly Buffer[],
    );
    return rows.flatMap((row) =>
      Array.from({ length: row.length / 16 }, (_, i) => ({
        ino: row.readDoubleLE(i * 16),
        idx: row.readDoubleLE(i * 16 + 8),
      })),
    );
  }

  /** How many commits of blocks the last minute saw. */
  commitCount(): number {
    return this.#read((database) => database.prepare('SELECT count(*) FROM recent').pluck().get() as number);
  }

  /** Runs `look` on one snapshot of the index. */
  #read<T>(look: (database: Database.Database) => T): T {
    const database = new Database(join(this.folder, 'index.db'), { readonly: true, timeout: STATS_MS });
    try {
      return look(database);
    } finally {
      database.close();
    }
  }

  /** Waits until the index knows so many blocks. */
  async committed(blocks: number): Promise<void> {
    await until(() => this.blockCount() === blocks, STATS_MS, `the index knows ${blocks} blocks`);
  }

  /** Waits until an object has a state in the index. */
  async hasState(ino: number, state: number): Promise<void> {
    await until(() => this.object(ino)?.state === state, STATS_MS, `object ${ino} has the state ${state}`);
  }

  /** The statistics as they were written last. */
  async stats(): Promise<ServingStats> {
    return JSON.parse(await readFile(join(this.folder, 'stats.json'), 'utf8')) as ServingStats;
  }

  /** Waits until the statistics are as wished; gives them. */
  async statsWhere(wish: (stats: ServingStats) => boolean, what: string): Promise<ServingStats> {
    let last: ServingStats | null = null;
    await until(
      async () => {
        last = await this.stats().catch(() => last);
        return last !== null && wish(last);
      },
      STATS_MS,
      what,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(last?.cache)}`, { cause: error });
    });
    return await this.stats();
  }

  /** Statistics of which both the reading and the writing came behind this call. */
  async freshStats(): Promise<ServingStats> {
    const path = join(this.folder, 'stats.json');
    const mark = async (): Promise<bigint> => (await stat(path, { bigint: true }).catch(() => null))?.mtimeNs ?? 0n;
    const before = await mark();
    let after = before;
    // Two writes on: the first may have begun before.
    for (let writes = 0; writes < 2; writes++) {
      const seen = after;
      await until(async () => (after = await mark()) !== seen, STATS_MS, 'the statistics are written');
    }
    return await this.stats();
  }

  /**
   * Blocks of the index that their cache file does not hold as their hash says.
   * @param blockSize bytes
   * @param known blocks that need no look, as `INO/INDEX`; what was looked at is added
   */
  async wrongBlocks(blockSize: number, known = new Set<string>()): Promise<string[]> {
    const native = loadNative();
    const blocks = this.blocks().filter(({ ino, idx }) => !known.has(`${ino}/${idx}`));
    const sizes = new Map(this.objects().map(({ ino, size }) => [ino, size]));
    const wrong: string[] = [];
    for (const { ino, idx, hash } of blocks) {
      known.add(`${ino}/${idx}`);
      const length = Math.min(blockSize, (sizes.get(ino) ?? 0) - idx * blockSize);
      const bytes = await readPart(this.pathOf(ino), idx * blockSize, length);
      if (bytes?.length !== length || native.xxh64(bytes) !== hash) wrong.push(`${ino}/${idx}`);
    }
    return wrong;
  }

  /** Flips all bits of some bytes of a cache file; its size stays. */
  async flip(ino: number, offset: number, length = 1): Promise<void> {
    const file = await open(this.pathOf(ino), 'r+');
    try {
      const bytes = Buffer.alloc(length);
      await file.read(bytes, 0, length, offset);
      await file.write(
        bytes.map((byte) => byte ^ 0xff),
        0,
        length,
        offset,
      );
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function readPart(path: string, offset: number, length: number): Promise<Buffer | null> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return null;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** SHA-256 of bytes, in hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
