/**
 * Sets of blocks: as bitmaps (least significant bit first, as the data plane keeps them) and as ranges.
 */
import type { BlockRange } from '../policy/geometry.ts';

/** Sets a bit; beyond the bitmap nothing happens. */
export function setBit(bitmap: Uint8Array, bit: number): void {
  const byte = bit >> 3;
  if (byte < bitmap.length) bitmap[byte] = (bitmap[byte] ?? 0) | (1 << (bit & 7));
}

/** The numbers of the set bits, ascending. */
export function* bits(bitmap: Uint8Array): Generator<number> {
  for (const [byte, value] of bitmap.entries()) {
    for (let bit = 0; value >> bit !== 0; bit++) if (((value >> bit) & 1) === 1) yield byte * 8 + bit;
  }
}

/** Disjoint ascending ranges of a set of blocks; sorts `blocks`. */
export function toRanges(blocks: number[]): BlockRange[] {
  const ranges: { first: number; count: number }[] = [];
  for (const block of blocks.sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.first !== undefined && block === last.first + last.count) last.count += 1;
    else ranges.push({ first: block, count: 1 });
  }
  return ranges;
}

/** Ranges of the blocks below `blocks` whose bit is not set. */
export function absentRanges(bitmap: Uint8Array, blocks: number): BlockRange[] {
  const ranges: BlockRange[] = [];
  let from = 0;
  for (const block of bits(bitmap)) {
    if (block > from) ranges.push({ first: from, count: block - from });
    from = block + 1;
  }
  if (from < blocks) ranges.push({ first: from, count: blocks - from });
  return ranges;
}
