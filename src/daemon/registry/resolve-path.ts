/**
 * Makes a path absolute and free of symbolic links, without ever asking a mount of ours.
 *
 * `realpath` asks the file system for each part of a path; a part that is a dead or stuck mount would fail it, or hold it
 * for ever. Here each part is first looked up in the kernel's table of mounts: a mount point is a directory, that needs no
 * question.
 *
 * Invariants:
 * 1. No system call names a path at or below a mount of type `fuse.dlfs`.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import { DLFS_TYPE, mountAt, type KernelMount } from '../mountinfo.ts';

/** What the kernel allows, too (path_resolution(7)). */
const MAX_LINKS = 40;

/** What a path leads to. */
export interface ResolvedPath {
  /** Absolute, without symbolic links as far as it exists. */
  readonly path: string;
  /** `missing`: it, or a part of it, does not exist. */
  readonly kind: 'directory' | 'other' | 'missing';
  /** The longest part of it that exists; the path itself unless it is missing. */
  readonly existing: string;
  /** The mount that one sees at exactly this path, if it is a mount point. */
  readonly mount: KernelMount | null;
}

/**
 * Resolves a path.
 * @param path relative to the working directory, or absolute
 * @param mounts the kernel's table
 * @throws DlfsError `mount-busy` for a path below a mount of ours, `invalid-argument` for one with too many links or bytes,
 *   or with a part that is not a directory, `privilege` where it may not be looked at
 */
export function resolvePath(path: string, mounts: readonly KernelMount[]): ResolvedPath {
  if (path === '' || path.includes('\0')) throw new DlfsError('invalid-argument', 'a directory has an empty name');
  const absolute = isAbsolute(path) ? path : `${process.cwd()}/${path}`;
  let todo = namesOf(absolute);
  let done = '/';
  let kind: ResolvedPath['kind'] = 'directory';
  let links = 0;
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    if (kind === 'other') throw new DlfsError('invalid-argument', `${done} is not a directory`);
    if (name === '..') {
      done = dirname(done); // nothing of `done` is a link
      continue;
    }
    const here = mountAt(mounts, done);
    if (here?.type === DLFS_TYPE) {
      throw new DlfsError(
        'mount-busy',
        `${absolute} lies in the mount of ${here.source} at ${done}; choose another directory`,
      );
    }
    const next = join(done, name);
    const status = mountAt(mounts, next) === null ? look(next) : 'mount point';
    if (status === null) return { path: join(next, ...todo), kind: 'missing', existing: done, mount: null };
    if (status !== 'mount point' && status.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new DlfsError('invalid-argument', `${absolute}: too many symbolic links`);
      const target = readlinkSync(next);
      if (isAbsolute(target)) done = '/';
      todo = [...namesOf(target), ...todo];
      continue;
    }
    done = next;
    kind = status === 'mount point' || status.isDirectory() ? 'directory' : 'other';
  }
  return { path: done, kind, existing: done, mount: mountAt(mounts, done) };
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function look(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ENAMETOOLONG')
      throw new DlfsError('invalid-argument', `${path.slice(0, 100)}…: a name in it is too long`, { cause: error });
    if (code === 'EACCES')
      throw new DlfsError('privilege', `${path} may not be looked at by this user`, { cause: error });
    throw DlfsError.from(error);
  }
}
