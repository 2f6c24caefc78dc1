/**
 * When two listings speak of one version of an object.
 *
 * Invariants:
 * 1. Two versions are the same only if reading one gives the bytes of the other: the etag says so, or, where the origin gives
 *    none, size and time of modification together.
 * 2. A size that differs is another version whatever the etag says.
 */

/** What identifies a version. */
export interface ObjectVersion {
  /** Bytes. */
  readonly size: number;
  /** LastModified, milliseconds since 1970. */
  readonly mtimeMs: number;
  /** As the origin wrote it; empty where it gave none. */
  readonly etag: string;
}

/** Whether both are the same version. The time does not count where there is an etag: rewriting the same bytes changes it. */
export function isSameVersion(left: ObjectVersion, right: ObjectVersion): boolean {
  if (left.size !== right.size || left.etag !== right.etag) return false;
  return left.etag !== '' || left.mtimeMs === right.mtimeMs;
}
