/**
 * From a key to the directories above it and its name.
 *
 * Invariants:
 * 1. A key that cannot be named still makes the directories before its faulty component exist: a listing by directory would
 *    show them too, and both ways to list must agree.
 * 2. A key that ends with a slash is a directory marker: all of its components are directories, and it has no name itself.
 */
import { faultOfName, isPathTooLong, PATH_BYTES_MAX, type SkipReason } from './path-rules.ts';

/** A key taken apart. */
export interface KeyPath {
  /** The directories, outermost first; those before the fault where there is one. */
  readonly directories: readonly string[];
  /** The file's name; null for a marker, and where there is a fault. */
  readonly name: string | null;
  /** Why the key cannot be named; null where it can. */
  readonly fault: SkipReason | null;
}

/**
 * Takes a key apart.
 * @param relative the key without the prefix of the directory that the result is relative to
 * @param baseBytes bytes of that directory's own path, its slash included
 */
export function splitKey(relative: string, baseBytes = 0): KeyPath {
  const parts = relative.split('/');
  const last = parts.pop() ?? '';
  const directories: string[] = [];
  // Counting bytes costs more than everything else here, and is needed for keys of a thousand characters only.
  const isLong = isPathTooLong(baseBytes, relative);
  let path = baseBytes;
  for (const part of parts) {
    if (isLong) path += Buffer.byteLength(part);
    const fault = faultOfName(part) ?? (path > PATH_BYTES_MAX ? 'path-too-long' : null);
    if (fault !== null) return { directories, name: null, fault };
    directories.push(part);
    path += 1;
  }
  if (last === '') return { directories, name: null, fault: null };
  const fault = faultOfName(last) ?? (isLong ? 'path-too-long' : null);
  return { directories, name: fault === null ? last : null, fault };
}
