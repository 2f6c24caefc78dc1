/**
 * Block geometry: how an object divides into blocks.
 *
 * An object of `objectSize` bytes is cut at multiples of a block size; only the last block may be shorter. Blocks lie at their
 * natural offsets in one sparse cache file, so what a block occupies on the disk is its length rounded up to the file
 * system's 4 KiB.
 *
 * Invariants:
 * 1. The blocks of an object tile it: their lengths sum to its size, none is empty, none overlaps.
 * 2. Arithmetic is by division, never by bit operations: an object may have 5 TiB, beyond 32 bits in bytes and, with 4 KiB
 *    blocks, close to them in blocks.
 * 3. Ranges are clipped to the object; a range behind its end is empty.
 */
import { DlfsError } from '../../base/errors.ts';
import { formatSize } from '../../base/size.ts';

/** Consecutive blocks: [first, first + count). */
export interface BlockRange {
  readonly first: number;
  /** ≥ 0. */
  readonly count: number;
}

/** Consecutive bytes: [offset, offset + length). */
export interface ByteRange {
  readonly offset: number;
  /** ≥ 0. */
  readonly length: number;
}

/** The smallest block: one page and one ext4 block; a smaller one could be neither punched nor mapped. */
export const MIN_BLOCK_SIZE = 4096;

/** The largest block: the longest run of one GET, which a block can never exceed. */
export const MAX_BLOCK_SIZE = 16 * 1024 * 1024;

/** Block numbers have 32 bits in the data plane; half of them is 8 TiB in the smallest blocks. */
const MAX_BLOCKS = 2 ** 31;

/**
 * The largest object: S3 allows 50 TB. A listing that promises more is a lie or a mistake, and would cost its reader memory:
 * of an object in use the map of its blocks is held, a bit each.
 */
export const MAX_OBJECT_SIZE = 64 * 1024 ** 4;

/** What ext4 and xfs allocate at a time with their default block size. */
export const ALLOCATION_UNIT = 4096;

/**
 * Checks a block size.
 * @returns the size itself
 * @throws DlfsError `invalid-argument` where it is no power of two from 4 KiB to 16 MiB
 */
export function checkBlockSize(blockSize: number): number {
  const inRange = Number.isSafeInteger(blockSize) && blockSize >= MIN_BLOCK_SIZE && blockSize <= MAX_BLOCK_SIZE;
  if (inRange && (blockSize & (blockSize - 1)) === 0) return blockSize;
  throw new DlfsError(
    'invalid-argument',
    `the block size must be a power of two from ${formatSize(MIN_BLOCK_SIZE)} to ${formatSize(MAX_BLOCK_SIZE)}, not ${blockSize}`,
  );
}

/** @returns `bytes` rounded up to what the disk allocates for them */
export function allocatedBytes(bytes: number): number {
  return Math.ceil(bytes / ALLOCATION_UNIT) * ALLOCATION_UNIT;
}

/** One object's division into blocks; immutable. See the file's header. */
export class BlockGeometry {
  /** Bytes of every block but the last. */
  readonly blockSize: number;
  /** Bytes of the object, ≥ 0. */
  readonly objectSize: number;
  /** Number of blocks; 0 for an empty object. */
  readonly blocks: number;

  /**
   * @param blockSize a power of two, 4 KiB…16 MiB
   * @param objectSize a safe integer ≥ 0
   * @throws DlfsError `invalid-argument` for another block size, `internal` for another object size, `unsupported` for an object
   *   that is too large
   */
  constructor(blockSize: number, objectSize: number) {
    this.blockSize = checkBlockSize(blockSize);
    if (!Number.isSafeInteger(objectSize) || objectSize < 0) {
      throw new DlfsError('internal', `not a size of an object: ${objectSize}`);
    }
    this.objectSize = objectSize;
    this.blocks = Math.ceil(objectSize / blockSize);
    if (objectSize > MAX_OBJECT_SIZE)
      throw new DlfsError('unsupported', `no object has ${formatSize(objectSize)}: the listing is wrong`);
    if (this.blocks > MAX_BLOCKS) {
      const what = `an object of ${formatSize(objectSize)} has too many blocks of ${formatSize(blockSize)}`;
      throw new DlfsError(
        'unsupported',
        `${what}: give a larger block size (--block-size, or cache.blockSize of its manifest)`,
      );
    }
  }

  /** @returns the block that holds the byte at `offset`; at or behind the end a number ≥ `blocks` */
  blockAt(offset: number): number {
    return Math.floor(offset / this.blockSize);
  }

  /** @returns the block's length in bytes; 0 where the object has no such block */
  lengthOf(block: number): number {
    if (block < 0) return 0;
    return Math.max(0, Math.min(this.blockSize, this.objectSize - block * this.blockSize));
  }

  /** @returns the bytes of one block; empty where the object has no such block */
  bytesOf(block: number): ByteRange {
    return { offset: block * this.blockSize, length: this.lengthOf(block) };
  }

  /** @returns the bytes of consecutive blocks, clipped to the object */
  bytesOfRange(range: BlockRange): ByteRange {
    const { first, count } = this.clip(range);
    const offset = first * this.blockSize;
    return { offset, length: Math.max(0, Math.min(count * this.blockSize, this.objectSize - offset)) };
  }

  /** @returns the blocks that hold any byte of [offset, offset + length), clipped to the object */
  blocksOf(range: ByteRange): BlockRange {
    const end = Math.min(range.offset + range.length, this.objectSize);
    const first = this.blockAt(Math.max(0, range.offset));
    return { first, count: range.length <= 0 || end <= range.offset ? 0 : Math.ceil(end / this.blockSize) - first };
  }

  /** @returns the part of `range` that the object has */
  clip(range: BlockRange): BlockRange {
    const first = Math.max(0, Math.min(range.first, this.blocks));
    const end = Math.max(first, Math.min(range.first + range.count, this.blocks));
    return { first, count: end - first };
  }

  /** @returns bytes that one block occupies on the disk */
  allocatedOf(block: number): number {
    return allocatedBytes(this.lengthOf(block));
  }

  /** @returns bytes that consecutive blocks occupy on the disk */
  allocatedOfRange(range: BlockRange): number {
    // Each block size is a multiple of the allocation unit: only the object's last block needs rounding.
    return allocatedBytes(this.bytesOfRange(range).length);
  }

  /** @returns bytes that the whole object occupies on the disk */
  get allocated(): number {
    return allocatedBytes(this.objectSize);
  }
}
