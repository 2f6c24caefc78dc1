/**
 * Maps of resident blocks: one bit a block, least significant bit first.
 *
 * In the database a map is cut into pages, so that committing a block rewrites at most one kilobyte, and reading the whole
 * map of the largest object (5 TiB, 5.2 million blocks of 1 MiB) is 640 rows instead of 5.2 million.
 *
 * Invariants:
 * 1. Bits beyond the object's last block are 0.
 */

/** Blocks of one page: 1 KiB of bits stays inside a database page of 4 KiB together with its row. */
export const PAGE_BLOCKS = 8192;

/** Bytes of one page's bits. */
export const PAGE_BYTES = PAGE_BLOCKS / 8;

/** File systems give out space in units of this many bytes; ext4's default. */
const ALLOCATION_UNIT = 4096;

/**
 * How many blocks an object has.
 * @param size bytes of the object
 * @param blockSize bytes of a block
 */
export function blockCount(size: number, blockSize: number): number {
  return Math.ceil(size / blockSize);
}

/**
 * Bytes that a block takes on the disk: all of it, or its part of the object rounded up to the file system's unit.
 * @param size bytes of the object
 * @param blockSize bytes of a block, a multiple of 4096
 * @param index a block of the object
 */
export function allocatedBytes(size: number, blockSize: number, index: number): number {
  const length = Math.min(blockSize, size - index * blockSize);
  return Math.ceil(length / ALLOCATION_UNIT) * ALLOCATION_UNIT;
}

/** Whether a bit is set; false beyond the map's end. */
export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

/** Sets a bit; the map is long enough. */
export function setBit(bits: Uint8Array, index: number): void {
  const byte = index >> 3;
  bits[byte] = (bits[byte] ?? 0) | (1 << (index & 7));
}

/** Clears a bit; the map is long enough. */
export function clearBit(bits: Uint8Array, index: number): void {
  const byte = index >> 3;
  bits[byte] = (bits[byte] ?? 0) & ~(1 << (index & 7));
}

/**
 * A map with every bit of an object set.
 * @param blocks how many
 */
export function fullBitmap(blocks: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(blocks / 8)).fill(0xff);
  if (blocks % 8 !== 0) bits[bits.length - 1] = (1 << (blocks % 8)) - 1;
  return bits;
}
