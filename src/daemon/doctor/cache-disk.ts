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
import { mountOf, readMounts } from '../mountinfo.ts';
import { resolvePath } from '../registry/resolve-path.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

/** File systems that passthrough and sparse files were proven on. */
const PROVEN: ReadonlySet<string> = new Set(['ext4', 'xfs']);

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
    const { path, kind, existing } = resolvePath(directory, readMounts());
    if (kind === 'other')
      return [fail('cache', 'cache-unusable', `${path} is not a directory`, 'choose another: --cache-dir')];
    const type = cacheDiskType(directory);
    return [await judgeDirectory(path, existing, type), judgeSpace(existing, floor)];
  } catch (error) {
    const { code, message } = DlfsError.from(error);
    return [fail('cache', code, message, 'choose another directory: --cache-dir')];
  }
}

async function judgeDirectory(path: string, existing: string, type: string): Promise<Finding> {
  try {
    if (path === existing) await checkCacheDisk(path);
    else accessSync(existing, constants.W_OK);
  } catch (error) {
    const { code, message } = DlfsError.from(error);
    return fail(
      'cache',
      code === 'access-denied' ? 'cache-unusable' : code,
      message,
      'choose another directory: --cache-dir',
    );
  }
  const found = `${path} on ${type}${path === existing ? '' : ' (will be made)'}`;
  if (['overlay', 'tmpfs', 'ramfs', 'nfs', 'nfs4'].includes(type) || type.startsWith('fuse')) {
    return fail('cache', 'cache-unusable', found, 'choose a directory on a local disk with ext4 or xfs: --cache-dir');
  }
  return PROVEN.has(type)
    ? ok('cache', found)
    : warn('cache', found, 'it is proven on ext4 and xfs; another file system may be slower');
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
