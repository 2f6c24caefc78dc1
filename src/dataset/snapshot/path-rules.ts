/**
 * Which keys a POSIX directory tree can name.
 *
 * A key relative to the mounted prefix is split at its slashes. Each component becomes a name of a directory, so each must be
 * one that the kernel and every program accept. What cannot be named is counted by reason and shown as a sample, never
 * renamed, escaped or merged: a guess would give two keys one path.
 *
 * Invariants:
 * 1. A component without fault is 1 to 255 bytes of well-formed UTF-8 without `/` and NUL, and neither `.` nor `..`.
 * 2. A path without fault is at most 4095 bytes: with its NUL it fits PATH_MAX.
 */

/** Why a key has no path. */
export const SKIP_REASONS = {
  'empty-component': 'two slashes in a row, or one at the start: POSIX reads them as one',
  'dot-component': '"." or ".." as a component: POSIX resolves it to another directory',
  nul: 'a NUL character, which ends a path',
  'name-too-long': 'a component over 255 bytes (NAME_MAX)',
  'path-too-long': 'a path over 4095 bytes (PATH_MAX)',
  'lone-surrogate': 'a character that UTF-8 cannot write',
  'file-and-directory': 'an object that is also the directory of other objects: the directory is shown',
  'directory-marker-with-data':
    'a key that ends with a slash and yet has data: the directory is shown, its data has no name',
  undecodable: 'bytes that are no text in UTF-8, which the listing could not even name',
} as const;

/** One of the reasons. */
export type SkipReason = keyof typeof SKIP_REASONS;

/** NAME_MAX of Linux, in bytes; FUSE refuses longer names. */
export const NAME_MAX = 255;

/** PATH_MAX of Linux less the terminating NUL, in bytes. */
export const PATH_BYTES_MAX = 4095;

/** The most bytes of UTF-8 that one UTF-16 code unit becomes: short strings need no count. */
const BYTES_PER_UNIT = 3;

/**
 * What is wrong with a component as a name.
 * @param name what stands between two slashes
 * @returns null where nothing is
 */
export function faultOfName(name: string): SkipReason | null {
  if (name === '') return 'empty-component';
  if (name === '.' || name === '..') return 'dot-component';
  if (name.includes('\0')) return 'nul';
  if (!name.isWellFormed()) return 'lone-surrogate';
  if (name.length * BYTES_PER_UNIT > NAME_MAX && Buffer.byteLength(name) > NAME_MAX) return 'name-too-long';
  return null;
}

/**
 * Whether a path is too long to be given to a system call.
 * @param baseBytes bytes of the path above, its slash included; 0 at the root
 * @param path what follows, without a slash at its end
 */
export function isPathTooLong(baseBytes: number, path: string): boolean {
  if (baseBytes + path.length * BYTES_PER_UNIT <= PATH_BYTES_MAX) return false;
  return baseBytes + Buffer.byteLength(path) > PATH_BYTES_MAX;
}
