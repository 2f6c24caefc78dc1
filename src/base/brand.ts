/**
 * Branded numbers: an inode number is not a block index is not a count of bytes.
 *
 * A brand exists for the compiler alone; at run time the value is a plain number. Arithmetic gives a plain number back, which
 * its constructor checks again: that is where a wrong sum shows.
 *
 * Invariants:
 * 1. Each branded value is a safe integer in its range. 2^53 bytes are 8 PiB, beyond any object (5 TiB) or disk here.
 */
import { DlfsError } from './errors.ts';

declare const brand: unique symbol;

/** A `Base` that only its constructor makes. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** An inode number as the kernel knows it: ≥ 1; 1 is the root (FUSE_ROOT_ID). */
export type Ino = Brand<number, 'Ino'>;

/** Index of a block within its object: ≥ 0. */
export type BlockIndex = Brand<number, 'BlockIndex'>;

/** A count of bytes: ≥ 0. */
export type Bytes = Brand<number, 'Bytes'>;

/** A place in a file or object, in bytes from its start: ≥ 0. */
export type ByteOffset = Brand<number, 'ByteOffset'>;

/** A span of time in milliseconds: ≥ 0, may be a fraction. */
export type Millis = Brand<number, 'Millis'>;

/** A point in wall time: milliseconds since 1970-01-01T00:00:00Z. */
export type UnixMillis = Brand<number, 'UnixMillis'>;

/**
 * @param value an integer ≥ 1
 * @throws DlfsError `internal` where it is not
 */
export function ino(value: number): Ino {
  return integer(value, 1, 'inode number') as Ino;
}

/**
 * @param value an integer ≥ 0
 * @throws DlfsError `internal` where it is not
 */
export function blockIndex(value: number): BlockIndex {
  return integer(value, 0, 'block index') as BlockIndex;
}

/**
 * @param value an integer ≥ 0
 * @throws DlfsError `internal` where it is not
 */
export function bytes(value: number): Bytes {
  return integer(value, 0, 'count of bytes') as Bytes;
}

/**
 * @param value an integer ≥ 0
 * @throws DlfsError `internal` where it is not
 */
export function byteOffset(value: number): ByteOffset {
  return integer(value, 0, 'byte offset') as ByteOffset;
}

/**
 * @param value a finite number ≥ 0
 * @throws DlfsError `internal` where it is not
 */
export function millis(value: number): Millis {
  if (!(Number.isFinite(value) && value >= 0)) throw new DlfsError('internal', `not a span of time: ${value}`);
  return value as Millis;
}

/**
 * @param value a finite number; negative before 1970
 * @throws DlfsError `internal` where it is not
 */
export function unixMillis(value: number): UnixMillis {
  if (!Number.isFinite(value)) throw new DlfsError('internal', `not a point in time: ${value}`);
  return value as UnixMillis;
}

function integer(value: number, least: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < least) throw new DlfsError('internal', `not a valid ${what}: ${value}`);
  return value;
}
