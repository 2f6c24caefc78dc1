/**
 * A generated dataset: small files in folders and one large object, like a set of images with an archive beside it.
 *
 * Contents are pieces of one block of random bytes, each file another piece with its number in front: nothing compresses or
 * repeats, and making it costs little more than writing it.
 *
 * Invariants:
 * 1. The same seed makes the same names, sizes and order.
 * 2. Each part's CRC-32 is known when it is written, so that every later reading can be checked.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

/** A file, or a part of one, that one reader reads at a time. */
export interface Part {
  /** Below the dataset's root. */
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** What was made. */
export interface Dataset {
  readonly files: number;
  readonly bytes: number;
  readonly parts: readonly Part[];
  /** CRC-32 of each part, in the order of `parts`. */
  readonly sums: readonly number[];
}

/** How much is made. */
export interface Shape {
  readonly folders: number;
  readonly filesInFolder: number;
  /** Bytes. */
  readonly meanSize: number;
  /** Bytes of the large object. */
  readonly largeSize: number;
}

/** The large object is read in so many parts, side by side. */
export const LARGE_PARTS = 4;

/**
 * 40 folders of 100 files of 110 KB on average, and an object of 512 MiB; or less.
 * @param scale above 0, at most 1
 */
export function shapeOf(scale: number): Shape {
  return {
    folders: Math.ceil(40 * scale),
    filesInFolder: 100,
    meanSize: 110_000,
    largeSize: Math.ceil(128 * scale) * LARGE_PARTS * CHUNK,
  };
}

/** About how many bytes that will be. */
export function expectedBytes({ folders, filesInFolder, meanSize, largeSize }: Shape): number {
  return folders * filesInFolder * meanSize + largeSize;
}

const POOL = 8 * 2 ** 20;
const CHUNK = 2 ** 20;

/**
 * Writes the dataset.
 * @param root an existing folder
 * @param shape how much
 * @param onProgress called with the bytes written so far
 */
export async function generate(root: string, shape: Shape, onProgress: (bytes: number) => void): Promise<Dataset> {
  const pool = randomBytes(POOL);
  const random = mulberry32(1);
  const parts: Part[] = [];
  const sums: number[] = [];
  let bytes = 0;
  for (let folder = 0; folder < shape.folders; folder++) {
    const name = join('images', `class-${String(folder).padStart(3, '0')}`);
    mkdirSync(join(root, name), { recursive: true });
    for (let file = 0; file < shape.filesInFolder; file++) {
      const path = join(name, `image-${String(file).padStart(4, '0')}.jpg`);
      const length = Math.round(shape.meanSize * (0.5 + random()));
      const start = Math.floor(random() * (POOL - length));
      const content = pool.subarray(start, start + length);
      content.writeUInt32LE(parts.length); // in the pool itself: no two files are alike
      writeWhole(join(root, path), content);
      sums.push(crc32(content));
      parts.push({ path, offset: 0, length });
      bytes += length;
    }
    onProgress(bytes);
    await setImmediate();
  }
  const partSize = shape.largeSize / LARGE_PARTS;
  const path = 'archive.tar';
  const fd = openSync(join(root, path), 'wx', 0o644);
  try {
    for (let part = 0; part < LARGE_PARTS; part++) {
      let sum = 0;
      for (let done = 0; done < partSize; done += CHUNK) {
        const chunk = pool.subarray((done * 3) % (POOL - CHUNK), ((done * 3) % (POOL - CHUNK)) + CHUNK);
        chunk.writeUInt32LE(part * partSize + done, 0);
        writeSync(fd, chunk);
        sum = crc32(chunk, sum);
        bytes += CHUNK;
        if (done % (64 * CHUNK) === 0) {
          onProgress(bytes);
          await setImmediate();
        }
      }
      sums.push(sum);
      parts.push({ path, offset: part * partSize, length: partSize });
    }
  } finally {
    closeSync(fd);
  }
  onProgress(bytes);
  return { files: parts.length - LARGE_PARTS + 1, bytes, parts, sums };
}

/** The order of an epoch: shuffled, as training reads; the same in every epoch, so that the rows compare. */
export function shuffled<T>(items: readonly T[]): T[] {
  const random = mulberry32(2);
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

function writeWhole(path: string, content: Buffer): void {
  const fd = openSync(path, 'wx', 0o644);
  try {
    writeSync(fd, content);
  } finally {
    closeSync(fd);
  }
}

/** A small generator of numbers in [0, 1) from a seed (mulberry32, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
