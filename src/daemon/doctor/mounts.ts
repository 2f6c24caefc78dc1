/**
 * What the doctor finds out about the mounts of this machine: is each served, and does each have room for its cache.
 *
 * Invariants:
 * 1. No mount is touched: the kernel's table, the registry and the statistics in the cache folder say all.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatSize } from '../../base/size.ts';
import { DLFS_TYPE, type KernelMount } from '../mountinfo.ts';
import { quoted } from '../registry/mount-point.ts';
import type { MountRegistry } from '../registry/mount-registry.ts';
import { ok, warn, type Finding } from './finding.ts';

/** @param mounts the kernel's table */
export function examineMounts(mounts: readonly KernelMount[], registry: MountRegistry): Finding[] {
  return mounts.filter(({ type }) => type === DLFS_TYPE).map((mount) => examineMount(mount, registry));
}

function examineMount(mount: KernelMount, registry: MountRegistry): Finding {
  const { dir, source } = mount;
  const liveness = registry.liveness(mount);
  switch (liveness.kind) {
    case 'dead':
      return warn(
        'mount',
        `${source} at ${dir}: its process has ended`,
        `dlfs umount ${quoted(dir)}, or mount it again`,
      );
    case 'unknown':
      return warn(
        'mount',
        `${source} at ${dir}: its process is not known here`,
        `if it has ended: dlfs umount --lazy ${quoted(dir)}`,
      );
    case 'live':
      return examineCache(`${source} at ${dir}`, liveness.pid, liveness.record?.cacheFolder ?? null);
  }
}

function examineCache(name: string, pid: number, folder: string | null): Finding {
  const cache = folder === null ? null : cacheOf(folder);
  const found = `${name} by process ${pid}${cache === null ? '' : `, ${formatSize(cache.bytes)} cached`}`;
  if (cache?.atFloor !== true) return ok('mount', found);
  return warn(
    'mount',
    `${found}; its disk is at the floor of free space`,
    'free some space (dlfs cache ls), or lower --cache-floor',
  );
}

/** From the statistics that the serving process writes; null where they do not say. */
function cacheOf(folder: string): { bytes: number; atFloor: boolean } | null {
  try {
    const { cache } = JSON.parse(readFileSync(join(folder, 'stats.json'), 'utf8')) as {
      cache?: { bytes?: unknown; atFloor?: unknown };
    };
    return typeof cache?.bytes === 'number' ? { bytes: cache.bytes, atFloor: cache.atFloor === true } : null;
  } catch {
    return null;
  }
}
