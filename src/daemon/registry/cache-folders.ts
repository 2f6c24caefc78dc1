/**
 * The caches on this disk: what `dlfs cache` lists and removes, also of sources that are mounted no more.
 *
 * A cache directory holds one folder a source, named by 16 hexadecimal digits (`cache/folder/`). Who serves from a folder holds the lock
 * in it; the kernel's table of locks tells that without taking it.
 *
 * Invariants:
 * 1. Listing changes nothing and never takes a lock: a mount that starts meanwhile is not disturbed.
 * 2. Removing happens under the folder's lock: nobody serves from it, and nobody can start to.
 * 3. Nothing is removed that is not a folder of ours: the name and the lock file say so.
 */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { lstat, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DlfsError } from '../../base/errors.ts';
import { ownerOf } from '../../cache/folder/cache-folder.ts';
import { readTotals } from './index-totals.ts';

const NAME = /^[0-9a-f]{16}$/;

/** A folder that is being removed carries this before its name: an interrupted removal is completed by the next. */
const REMOVING = '.removing-';

const IDENTITY = z.object({
  kind: z.literal('s3'),
  endpoint: z.string().nullable(),
  bucket: z.string(),
  prefix: z.string(),
});

/** One source's cache. */
export interface CacheFolderInfo {
  readonly fingerprint: string;
  readonly path: string;
  /** `s3://bucket/prefix`; null where the folder does not say. */
  readonly source: string | null;
  /** The endpoint; null: AWS, or unknown. */
  readonly endpoint: string | null;
  /** Allocated bytes of cached blocks. */
  readonly bytes: number;
  /** Cache files. */
  readonly files: number;
  /** When its index was last written, in milliseconds since 1970. */
  readonly usedMs: number;
  /** Process that serves from it; null: none. */
  readonly pid: number | null;
  /** Where it is mounted; null: nowhere, or unknown. */
  readonly dir: string | null;
}

/**
 * The caches in a cache directory, the most recently used first.
 * @param root `--cache-dir`
 * @throws DlfsError `access-denied` where it may not be read
 */
export async function listCaches(root: string): Promise<CacheFolderInfo[]> {
  const names = await readdir(root).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw DlfsError.from(error, { key: root });
  });
  const found = await Promise.all(
    names.filter((name) => NAME.test(name)).map((name) => describe(join(root, name), name)),
  );
  return found.filter((info) => info !== null).sort((left, right) => right.usedMs - left.usedMs);
}

/**
 * Removes caches that nobody serves from.
 * @param root `--cache-dir`
 * @param chosen of `listCaches`
 * @param lock flock(2), exclusive and non-blocking: an errno, 0 on success
 * @throws DlfsError `cache-busy` for the first that is in use; those before it are gone
 */
export async function removeCaches(
  root: string,
  chosen: readonly CacheFolderInfo[],
  lock: (fd: number) => number,
): Promise<void> {
  const busy = chosen.find((info) => info.pid !== null);
  if (busy !== undefined) throw inUse(busy);
  for (const info of chosen) await remove(root, info, lock);
  // What an interrupted removal left.
  for (const name of await readdir(root).catch(() => [])) {
    if (name.startsWith(REMOVING) && NAME.test(name.slice(REMOVING.length)))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

/**
 * The caches that nobody serves from, the one that was used longest ago first, without a look into them.
 * @param before used before then, in milliseconds since 1970
 */
export async function idleCaches(root: string, before: number): Promise<{ fingerprint: string; usedMs: number }[]> {
  const found: { fingerprint: string; usedMs: number }[] = [];
  for (const fingerprint of (await readdir(root)).filter((name) => NAME.test(name))) {
    const path = join(root, fingerprint);
    const lock = await lstat(join(path, 'lock')).catch(() => null);
    if (lock?.isFile() !== true || isHeld(join(path, 'lock'))) continue;
    const usedMs = await lastUse(path);
    if (usedMs < before) found.push({ fingerprint, usedMs });
  }
  return found.sort((left, right) => left.usedMs - right.usedMs);
}

/** Whether a process holds a lock file; one that is not there is held by nobody. */
export function isHeld(lockFile: string): boolean {
  try {
    return lockHolder(lockFile) !== null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** All that is told of one cache; null where there is none of that name. */
export function describeCache(root: string, fingerprint: string): Promise<CacheFolderInfo | null> {
  return describe(join(root, fingerprint), fingerprint);
}

async function remove(root: string, info: CacheFolderInfo, lock: (fd: number) => number): Promise<void> {
  const fd = openSync(join(info.path, 'lock'), 'r+');
  try {
    if (lock(fd) !== 0) throw inUse(info);
    const doomed = join(root, REMOVING + info.fingerprint);
    await rm(doomed, { recursive: true, force: true });
    // Out of the way at once: a mount that starts now makes a new folder.
    await rename(info.path, doomed);
    // A subfolder at a time: millions of files in one call would keep every thread of the pool.
    const objects = join(doomed, 'objects');
    for (const name of await readdir(objects).catch(() => []))
      await rm(join(objects, name), { recursive: true, force: true });
    await rm(doomed, { recursive: true, force: true });
  } finally {
    closeSync(fd);
  }
}

function inUse({ source, fingerprint, dir, pid }: CacheFolderInfo): DlfsError {
  const where = dir === null ? `process ${pid ?? '?'}` : `the mount at ${dir}`;
  return new DlfsError(
    'cache-busy',
    `the cache of ${source ?? fingerprint} is in use by ${where}; unmount it first: dlfs umount`,
  );
}

async function describe(path: string, fingerprint: string): Promise<CacheFolderInfo | null> {
  const lockFile = join(path, 'lock');
  const lock = await lstat(lockFile).catch(() => null);
  if (lock?.isFile() !== true) return null;
  const identity = await readIdentity(path);
  const pid = lockHolder(lockFile);
  const index = join(path, 'index.db');
  const totals = readTotals(index) ?? (await measured(join(path, 'objects')));
  return {
    fingerprint,
    path,
    source: identity === null ? null : `s3://${identity.bucket}${identity.prefix === '' ? '' : `/${identity.prefix}`}`,
    endpoint: identity?.endpoint ?? null,
    ...totals,
    usedMs: await lastUse(path),
    pid,
    dir: pid === null ? null : ((await ownerOf(path))?.dir ?? null),
  };
}

async function readIdentity(path: string): Promise<z.output<typeof IDENTITY> | null> {
  try {
    return IDENTITY.parse(JSON.parse(await readFile(join(path, 'source.json'), 'utf8')));
  } catch {
    return null;
  }
}

async function lastUse(path: string): Promise<number> {
  const files = ['index.db', 'index.db-wal', 'lock'].map((name) => join(path, name));
  return Math.max(...(await Promise.all(files.map(modified))));
}

async function modified(path: string): Promise<number> {
  return await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

/** What the files occupy, where no index says so. */
async function measured(objects: string): Promise<{ bytes: number; files: number }> {
  let [bytes, files] = [0, 0];
  for (const entry of await readdir(objects, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const status = await lstat(join(entry.parentPath, entry.name)).catch(() => null);
    if (status === null) continue;
    files += 1;
    bytes += status.blocks * 512;
  }
  return { bytes, files };
}

/**
 * The process that holds the flock on a file, by the kernel's table (proc_locks(5)).
 * @returns null where nobody does; 0 for a process outside of this one's view
 */
function lockHolder(path: string): number | null {
  const { dev, ino } = statSync(path);
  // linux/kdev_t.h, as stat(2) packs it: the table has major:minor in hexadecimal.
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  const mark = ` ${hex(major)}:${hex(minor)}:${ino} `;
  for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
    const [, kind, , , pid] = line.split(/\s+/);
    if (kind === 'FLOCK' && line.includes(mark)) return Number(pid);
  }
  return null;
}
