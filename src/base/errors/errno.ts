/**
 * Which errno a reader sees for each code.
 *
 * The reader is a program that calls open(2), read(2) or getdents(2) and has never heard of S3.
 * It gets an errno that those calls document and that tools print as something near the truth:
 *
 * - ESTALE where the version it holds is no longer to be had: NFS taught programs that reopening helps.
 * - EACCES where keys are refused, as for a file whose mode forbids it.
 * - ENODATA for archived objects, as hierarchical storage does for a released file: it is there, its data is not.
 * - EIO for everything between us and the bytes that the reader can do nothing about. A full cache disk
 *   is among them: ENOSPC from a read would send the user to the wrong disk.
 *
 * Invariants:
 * 1. ENOSYS is never used: to FUSE it means "do not ask again, for any file".
 * 2. EAGAIN and EINTR never answer a plain read: programs would spin or see a short read. `interrupted`
 *    answers only a request whose caller is being killed.
 */
import { constants } from 'node:os';
import type { ErrorCode } from './code.ts';

/** The errno names in use. */
export type ErrnoName = keyof typeof constants.errno;

/** The table: code → errno name. */
export const ERRNO_OF = {
  'invalid-argument': 'EINVAL',
  unsupported: 'EOPNOTSUPP',
  'not-found': 'ENOENT',
  exists: 'EEXIST',
  gone: 'ESTALE',
  'changed-at-origin': 'ESTALE',
  archived: 'ENODATA',
  'access-denied': 'EACCES',
  unauthenticated: 'EACCES',
  'bucket-not-found': 'EIO',
  'region-mismatch': 'EIO',
  'endpoint-unreachable': 'EIO',
  'endpoint-not-s3': 'EIO',
  'tls-untrusted': 'EIO',
  throttled: 'EIO',
  timeout: 'EIO',
  protocol: 'EIO',
  'list-limit': 'EOVERFLOW',
  corrupt: 'EIO',
  'cache-busy': 'EBUSY',
  'cache-unusable': 'EIO',
  'disk-full': 'EIO',
  io: 'EIO',
  'too-many-files': 'ENFILE',
  privilege: 'EPERM',
  'no-fuse': 'ENODEV',
  'mount-busy': 'EBUSY',
  'not-a-mount': 'EINVAL',
  conflict: 'EBUSY',
  'no-daemon': 'ENOTCONN',
  interrupted: 'EINTR',
  internal: 'EIO',
} as const satisfies Record<ErrorCode, ErrnoName>;

/**
 * The positive errno number of a code on this machine.
 * @returns for example 116 for `gone` (ESTALE) on Linux x86-64; a FUSE reply carries it negated
 */
export function errnoOf(code: ErrorCode): number {
  return constants.errno[ERRNO_OF[code]];
}
