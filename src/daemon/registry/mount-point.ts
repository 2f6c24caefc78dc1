/**
 * Whether a directory may become a mount point, and what must leave it first.
 *
 * Invariants:
 * 1. No mount of ours is touched (resolve-path.ts); the directory is looked into only when nothing is mounted there.
 * 2. Only a mount of ours whose process is proven to have ended is ever replaced.
 */
import { readdirSync } from 'node:fs';
import { DlfsError } from '../../base/errors.ts';
import { DLFS_TYPE, type KernelMount } from '../mountinfo.ts';
import type { MountRegistry } from './mount-registry.ts';
import { resolvePath } from './resolve-path.ts';

/** A directory that may become a mount point. */
export interface MountPoint {
  /** Absolute, without symbolic links. */
  readonly dir: string;
  /** What a crash left there; to be unmounted first. */
  readonly dead: KernelMount | null;
}

/**
 * Checks a directory.
 * @param dir as the user wrote it
 * @throws DlfsError `invalid-argument` where it does not exist or is no directory, `mount-busy` where something is mounted
 *   there or lies in it
 */
export function checkMountPoint(dir: string, mounts: readonly KernelMount[], registry: MountRegistry): MountPoint {
  const { path, kind, mount } = resolvePath(dir, mounts);
  if (kind === 'missing')
    throw new DlfsError('invalid-argument', `there is no directory ${path}; make it: mkdir -p ${quoted(path)}`);
  if (kind === 'other') throw new DlfsError('invalid-argument', `${path} is not a directory; choose one to mount at`);
  if (path === '/')
    throw new DlfsError('mount-busy', 'the root directory cannot be a mount point; choose an empty directory');
  if (mount !== null) return { dir: path, dead: replaceable(mount, registry) };
  const some = readdirSync(path)[0];
  if (some !== undefined) {
    throw new DlfsError(
      'mount-busy',
      `${path} is not empty (it holds "${some}"), and a mount would hide that; choose an empty directory`,
    );
  }
  return { dir: path, dead: null };
}

function replaceable(mount: KernelMount, registry: MountRegistry): KernelMount {
  const { dir, type, source } = mount;
  if (type !== DLFS_TYPE) {
    throw new DlfsError(
      'mount-busy',
      `${dir} is the mount point of ${source} (${type}); unmount that, or choose another directory`,
    );
  }
  const liveness = registry.liveness(mount);
  switch (liveness.kind) {
    case 'dead':
      return mount;
    case 'live':
      throw new DlfsError(
        'mount-busy',
        `${source} is mounted at ${dir} already, by process ${liveness.pid}; end it first: dlfs umount ${quoted(dir)}`,
      );
    case 'unknown':
      throw new DlfsError(
        'mount-busy',
        `${source} is mounted at ${dir} by a process that is not known here; if it has ended: dlfs umount --lazy ${quoted(dir)}`,
      );
  }
}

/** A path as a shell takes it, for messages that are meant to be copied. */
export function quoted(path: string): string {
  return /^[A-Za-z0-9@%+=:,./_-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
