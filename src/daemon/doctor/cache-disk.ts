/**
 * What the doctor finds out about the cache's disk: its file system, its space, and the caches that are on it.
 *
 * Invariants:
 * 1. Nothing is left behind: a missing directory is judged by the one that it would be made in.
 */
import { accessSync, constants, statfsSync } from 'node:fs';
import { bytes } from '../../base/brand.ts';
import { DlfsError } from '../../base/errors.ts';
import { formatSize, sizeOf, type SizeOrShare } from '../../base/size.ts';
import { checkCacheDisk } from '../../cache/folder/disk-check.ts';
import { mountOf, readMounts, type KernelMount } from '../mountinfo.ts';
import { resolvePath, type ResolvedPath } from '../registry/resolve-path.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

/** File systems that passthrough and sparse files were proven on. */
const PROVEN: ReadonlySet<string> = new Set(['ext4', 'xfs']);

/** File systems that cannot carry a cache, and why. */
const UNFIT: Readonly<Record<string, string>> = {
  overlay: "a container's layer, which the kernel cannot read through",
  tmpfs: 'in memory, which would hold every byte twice',
  ramfs: 'in memory, which would hold every byte twice',
  nfs: 'on the network',
  nfs4: 'on the network',
  cifs: 'on the network',
};

/** Why no cache can be in a directory that may not be there yet: by what can be seen without writing. */
function refusalOf({ path, kind, existing }: ResolvedPath, type: string): DlfsError | null {
  const other = 'choose another with --cache-dir';
  if (kind === 'other')
    return new DlfsError('cache-unusable', `the cache directory ${path} is not a directory; ${other}`);
  const why = UNFIT[type] ?? (type.startsWith('fuse') ? 'served by another process' : null);
  if (why !== null) {
    return new DlfsError(
      'cache-unusable',
      `the cache directory ${path} is on ${type}: ${why}; choose one on a local disk with --cache-dir`,
    );
  }
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const readOnly = (error as NodeJS.ErrnoException).code === 'EROFS';
    const what = readOnly ? 'is on a read-only file system' : 'is not writable for this user';
    return new DlfsError('cache-unusable', `the cache directory ${path} ${what}; ${other}`, { cause: error });
  }
}

/**
 * Checks a cache directory before anything is started for it; what only writing can tell shows later.
 * @returns it, absolute and without symbolic links
 * @throws DlfsError `cache-unusable`; as `resolvePath` for what is no path
 */
export function checkCacheDirectory(directory: string, mounts: readonly KernelMount[]): string {
  const resolved = resolvePath(directory, mounts);
  const refusal = refusalOf(resolved, mountOf(mounts, resolved.existing)?.type ?? 'unknown');
  if (refusal !== null) throw refusal;
  return resolved.path;
}

/** Type of the file system that a directory is, or would be, on. */
export function cacheDiskType(directory: string): string {
  const mounts = readMounts();
  return mountOf(mounts, resolvePath(directory, mounts).existing)?.type ?? 'unknown';
}

/**
 * Looks at the disk.
 * @param directory `--cache-dir`
 * @param floor `--cache-floor`
 */
export async function examineCacheDisk(directory: string, floor: SizeOrShare): Promise<Finding[]> {
  try {
    const resolved = resolvePath(directory, readMounts());
    return [await judgeDirectory(resolved, cacheDiskType(directory)), judgeSpace(resolved.existing, floor)];
  } catch (error) {
    const { code, message } = DlfsError.from(error);
    return [fail('cache', code, message, 'choose another directory: --cache-dir')];
  }
}

async function judgeDirectory(resolved: ResolvedPath, type: string): Promise<Finding> {
  const { path, existing } = resolved;
  const refusal = refusalOf(resolved, type);
  if (refusal !== null) return fail('cache', refusal.code, refusal.message, 'a local disk with ext4 or xfs is best');
  // A trial by writing; a directory that is not there yet is not made for it.
  if (path === existing) await checkCacheDisk(path);
  const found = `${path} on ${type}${path === existing ? '' : ' (will be made)'}`;
  if (PROVEN.has(type)) return ok('cache', found);
  return warn('cache', found, 'it is proven on ext4 and xfs; another file system may be slower');
}

function judgeSpace(existing: string, floor: SizeOrShare): Finding {
  const { bavail, blocks, bsize, ffree, files } = statfsSync(existing);
  const keep = sizeOf(floor, bytes(blocks * bsize));
  const free = bavail * bsize;
  const found = `${formatSize(free)} free of ${formatSize(blocks * bsize)}, ${formatSize(keep)} are kept free`;
  if (files > 0 && ffree === 0)
    return warn('space', 'the disk has no inode left', 'remove files, or choose another disk: --cache-dir');
  if (free > keep) return ok('space', found);
  return warn(
    'space',
    found,
    'reads are served, but nothing more is cached: free some space (dlfs cache ls), or lower --cache-floor',
  );
}
