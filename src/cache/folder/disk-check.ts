/**
 * Whether a directory can carry a cache, and if not, what to do.
 *
 * Invariants:
 * 1. Every refusal names the directory and the way out in one line.
 */
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DlfsError, type ErrorCode } from '../../base/errors.ts';

/** File systems by their magic number in statfs (linux/magic.h). */
const UNFIT: ReadonlyMap<number, string> = new Map([
  [0x794c7630, 'overlay'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x65735546, 'FUSE'],
  [0x6969, 'NFS'],
]);

/** Why a file system is refused. */
const REASON: Readonly<Record<string, string>> = {
  overlay: 'a container image layer, which the kernel cannot read through: mount a host directory there',
  tmpfs: 'memory, which would hold every byte twice: choose a directory on a local disk',
  ramfs: 'memory, which would hold every byte twice: choose a directory on a local disk',
  FUSE: 'served by another process: choose a directory on a local disk',
  NFS: 'on the network: choose a directory on a local disk',
};

/** What makes a directory unusable, by errno. */
const BY_ERRNO: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EROFS: ['cache-unusable', 'is on a read-only file system: choose another with --cache-dir'],
  EACCES: ['cache-unusable', 'is not writable for this user: run as root or choose another with --cache-dir'],
  EPERM: ['cache-unusable', 'is not writable for this user: run as root or choose another with --cache-dir'],
  ENOSPC: ['disk-full', 'is on a disk that is full: free some space or choose another with --cache-dir'],
  EDQUOT: ['disk-full', 'is over its disk quota: free some space or choose another with --cache-dir'],
  ENOTDIR: ['cache-unusable', 'is not a directory: choose another with --cache-dir'],
  EEXIST: ['cache-unusable', 'is not a directory: choose another with --cache-dir'],
};

/**
 * Makes the directory if it is missing and proves that it can carry a cache.
 * @throws DlfsError `cache-unusable` or `disk-full`
 */
export async function checkCacheDisk(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const kind = UNFIT.get((await statfs(directory)).type);
    if (kind !== undefined) {
      throw new DlfsError(
        'cache-unusable',
        `the cache directory ${directory} is on ${kind}, ${REASON[kind] ?? 'unfit'} (--cache-dir)`,
      );
    }
    // A folder of a name that nobody else has: a crash may have left one, and in a container each process has the same number.
    const trial = await mkdtemp(join(directory, '.trial-'));
    try {
      await writeFile(join(trial, 'file'), Buffer.alloc(4096), { mode: 0o600 });
    } finally {
      await rm(trial, { recursive: true, force: true });
    }
  } catch (error) {
    throw explain(directory, error);
  }
}

function explain(directory: string, error: unknown): DlfsError {
  if (error instanceof DlfsError) return error;
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = BY_ERRNO[errno];
  if (known === undefined) return DlfsError.from(error);
  return new DlfsError(known[0], `the cache directory ${directory} ${known[1]}`, { cause: error });
}
