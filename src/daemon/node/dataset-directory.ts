/**
 * The directories of datasets below the daemon's root: each is made with its mount, and removed after it.
 *
 * Invariants:
 * 1. A dataset's directory lies below the root, whatever its name is, and no part of it below the root is a link.
 * 2. Only empty directories are removed; nothing that is mounted is looked into.
 * 3. A directory that holds something, or at which somebody else has mounted, is refused.
 */
import { lstatSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import { makePublicDirectory } from '../../base/public-directory.ts';
import { isWithin, readMounts } from '../mountinfo.ts';
import { checkMountPoint, type MountPoint } from '../registry/mount-point.ts';
import type { MountRegistry } from '../registry/mount-registry.ts';
import { resolvePath } from '../registry/resolve-path.ts';

const WRITABLE_BY_OTHERS = 0o022;

/** See the file's header. */
export class DatasetDirectories {
  /** Absolute, without links. */
  readonly root: string;
  readonly #registry: MountRegistry;

  private constructor(root: string, registry: MountRegistry) {
    this.root = root;
    this.#registry = registry;
  }

  /**
   * Makes the root where it is missing.
   * @param cacheDir must lie neither below the root nor above it
   * @throws DlfsError `invalid-argument`, `privilege`, `mount-busy`
   */
  static open(root: string, cacheDir: string, registry: MountRegistry): DatasetDirectories {
    const mounts = readMounts();
    const { path, kind } = resolvePath(root, mounts);
    const cache = resolvePath(cacheDir, mounts).path;
    if (isWithin(path, cache) || isWithin(cache, path)) {
      throw new DlfsError(
        'invalid-argument',
        `--root ${path} and --cache-dir ${cache} lie within each other: datasets would be served out of their own cache; choose two places`,
      );
    }
    if (kind === 'other') throw new DlfsError('invalid-argument', `--root ${path} is not a directory`);
    try {
      makePublicDirectory(path);
      const { uid, mode } = lstatSync(path);
      if (uid !== process.geteuid?.() || (mode & WRITABLE_BY_OTHERS) !== 0) {
        throw new DlfsError(
          'privilege',
          `--root ${path} can be changed by other users, who could put anything in a dataset's place: chown root, chmod 755`,
        );
      }
    } catch (error) {
      throw DlfsError.from(error, { key: path });
    }
    return new DatasetDirectories(path, registry);
  }

  /**
   * Where a dataset is seen.
   * @throws DlfsError `invalid-argument` for names that would leave the root
   */
  of(namespace: string | null, name: string): string {
    const parts = namespace === null ? [name] : [namespace, name];
    if (parts.some((part) => part === '' || part === '.' || part === '..' || /[/\0]/.test(part))) {
      throw new DlfsError('invalid-argument', `a dataset cannot be called ${JSON.stringify(parts.join('/'))}`);
    }
    return join(this.root, ...parts);
  }

  /**
   * Looks whether a mount can be made at a dataset's directory, which need not be there: the mount makes it.
   * @returns what a crash left there, if anything
   * @throws DlfsError `mount-busy`, `invalid-argument`, `privilege`
   */
  prepare(dir: string): MountPoint {
    const mounts = readMounts();
    const { path, kind } = resolvePath(dir, mounts);
    if (path !== dir) throw new DlfsError('invalid-argument', `${dir} leads to ${path} by a link: remove the link`);
    if (kind === 'missing') return { dir, dead: null };
    return checkMountPoint(dir, mounts, this.#registry);
  }

  /** Removes a dataset's directory, and its namespace's behind the last; what holds something stays. */
  remove(dir: string): void {
    for (let path = dir; path !== this.root && isWithin(path, this.root); path = join(path, '..')) {
      try {
        rmdirSync(path);
      } catch {
        return;
      }
    }
  }
}
