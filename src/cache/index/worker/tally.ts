/**
 * Counts of files, directories and bytes, with a histogram of sizes.
 *
 * One tally counts what is visible; a listing under way has one of what its switch will add (and, below zero, take away).
 */

/** Buckets by powers of two: sizes up to 2^53 - 1. */
const BUCKETS = 54;

/** A tally. */
export class Tally {
  files = 0;
  dirs = 0;
  bytes = 0;
  readonly histogram = new Float64Array(BUCKETS);

  /** Counts one file `times` times. */
  file(size: number, times: number): void {
    this.files += times;
    this.bytes += size * times;
    const bucket = bucketOf(size);
    this.histogram[bucket] = (this.histogram[bucket] ?? 0) + times;
  }

  /** Adds all of another tally. */
  add(other: Tally): void {
    this.files += other.files;
    this.dirs += other.dirs;
    this.bytes += other.bytes;
    for (const [bucket, count] of other.histogram.entries())
      this.histogram[bucket] = (this.histogram[bucket] ?? 0) + count;
  }

  /** The histogram as a BLOB: 8 bytes a bucket, the machine's own order (an index never leaves its machine). */
  toBlob(): Buffer {
    return Buffer.from(this.histogram.buffer, this.histogram.byteOffset, this.histogram.byteLength);
  }

  /** A tally from its columns; a BLOB of another length counts as empty. */
  static from(row: { files: number; dirs: number; bytes: number; histogram: Uint8Array }): Tally {
    const tally = new Tally();
    tally.files = row.files;
    tally.dirs = row.dirs;
    tally.bytes = row.bytes;
    for (const [bucket, count] of histogramOf(row.histogram).entries()) tally.histogram[bucket] = count;
    return tally;
  }
}

/** Which bucket a size falls into: 0 for 0, otherwise k with 2^(k-1) <= size < 2^k. */
export function bucketOf(size: number): number {
  if (size === 0) return 0;
  let bucket = Math.floor(Math.log2(size)) + 1;
  // The logarithm may round up just below a power of two, and down at one.
  if (2 ** (bucket - 1) > size) bucket -= 1;
  else if (2 ** bucket <= size) bucket += 1;
  return bucket;
}

/** The counts in a BLOB, as `Tally.toBlob` wrote it; empty where it did not. */
export function histogramOf(blob: Uint8Array): Float64Array {
  if (blob.byteLength !== BUCKETS * 8) return new Float64Array(0);
  return new Float64Array(blob.slice().buffer);
}
