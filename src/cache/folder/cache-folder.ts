/**
 * The cache folder of one source: opened, locked, described.
 *
 * `<cache-dir>/<fingerprint>/` holds `source.json` (what it caches, for people), `index.db`, `objects/` (cache files), `lock`
 * and `owner.json` (who serves from it now).
 *
 * Invariants:
 * 1. At most one process serves from a folder: an flock on `lock` that the kernel drops when the process ends, however it ends.
 * 2. The folder is 0700, its files 0600, and nothing in them is a secret.
 * 3. `owner.json` is written under the lock; whoever reads it without the lock takes it as a hint.
 */
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, readFile, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import type { NativeBinding } from '../../native/binding.ts';
import { fingerprint, type CacheIdentity } from './fingerprint.ts';

/** Who serves from a folder. */
export interface FolderOwner {
  readonly pid: number;
  /** The mount point. */
  readonly dir: string;
  /** Its log; null in the foreground. */
  readonly log: string | null;
}

/** A locked folder. Disposing it gives the lock back. */
export class CacheFolder implements AsyncDisposable {
  readonly path: string;
  readonly #lock: FileHandle;

  private constructor(path: string, lock: FileHandle) {
    this.path = path;
    this.#lock = lock;
  }

  /** Path of the index. */
  get index(): string {
    return join(this.path, 'index.db');
  }

  /** Path of the folder of cache files. */
  get objects(): string {
    return join(this.path, 'objects');
  }

  /** Path of the statistics that the serving process writes. */
  get stats(): string {
    return join(this.path, 'stats.json');
  }

  /**
   * Opens and locks the folder of a source, making it where it is missing.
   * @param root `--cache-dir`: one that `checkCacheDisk` has found to be good
   * @throws DlfsError `cache-busy` naming the mount that has it; `cache-unusable`, `disk-full`
   */
  static async open(
    root: string,
    identity: CacheIdentity,
    owner: FolderOwner,
    native: NativeBinding,
  ): Promise<CacheFolder> {
    const path = join(root, await fingerprint(identity));
    await mkdir(join(path, 'objects'), { recursive: true, mode: 0o700 });
    await requireOwn(path);
    await requireOwn(join(path, 'objects'));
    await chmod(path, 0o700);
    const lock = await open(join(path, 'lock'), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      if (native.lock(lock.fd) !== 0) throw await busy(path, identity);
      await replace(join(path, 'source.json'), identity);
      await replace(join(path, 'owner.json'), owner);
      return new CacheFolder(path, lock);
    } catch (error) {
      await lock.close();
      throw DlfsError.from(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.path, 'owner.json'), { force: true });
    await this.#lock.close();
  }
}

/** Who serves from a folder, as far as it says; null where nobody does. */
export async function ownerOf(path: string): Promise<FolderOwner | null> {
  try {
    const parsed = JSON.parse(await readFile(join(path, 'owner.json'), 'utf8')) as Partial<FolderOwner>;
    if (typeof parsed.pid !== 'number' || typeof parsed.dir !== 'string') return null;
    return { pid: parsed.pid, dir: parsed.dir, log: typeof parsed.log === 'string' ? parsed.log : null };
  } catch {
    return null;
  }
}

async function busy(path: string, identity: CacheIdentity): Promise<DlfsError> {
  const owner = await ownerOf(path);
  const who = owner === null ? 'another process' : `the mount at ${owner.dir} (pid ${owner.pid})`;
  const source = `s3://${identity.bucket}/${identity.prefix}`;
  return new DlfsError(
    'cache-busy',
    `${source} is served already by ${who}: use that, or give this one a cache of its own with --cache-dir`,
  );
}

/** Refuses a folder that somebody else prepared: its name can be guessed, and what lies in it is served. */
async function requireOwn(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory() && found.uid === process.geteuid?.()) return;
  throw new DlfsError(
    'cache-unusable',
    `${path} does not belong to this user: remove it, or choose another --cache-dir`,
  );
}

/** Replaces a small file by rename: a reader sees the old one or the new one. */
async function replace(path: string, value: unknown): Promise<void> {
  const next = `${path}.new`;
  await writeFile(next, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(next, path);
}
