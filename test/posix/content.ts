/**
 * Bytes that are a function of their offset.
 *
 * A test compares what a mount returns with what must be there, at any offset, without keeping a second copy. A file of
 * the tree therefore has a `Content`: something that can be asked for any range. The same contents fill a plain directory
 * (`materialise.ts`) and an S3 endpoint.
 *
 * How it works: `generated` mixes the index of each 4-byte word with a seed (a multiplicative hash, two rounds), so that
 * no two files, and no two blocks of one file, look alike: bytes of a wrong offset or a wrong version never compare equal.
 *
 * Invariants:
 * 1. `read(o, n)` returns exactly the bytes [o, min(o + n, size)); two calls agree on every byte they share.
 * 2. Offsets up to 2^53 are exact.
 */
import { createHash } from 'node:crypto';

/** The bytes of one file. */
export interface Content {
  /** Length in bytes. */
  readonly size: number;
  /** The bytes [offset, offset + length) as far as the content reaches; empty at and behind its end. */
  read(offset: number, length: number): Buffer;
}

/** Words of 4 bytes after which the word index no longer fits 32 bits. */
const WORDS_A_PAGE = 2 ** 32;

// The multipliers are xxHash32's primes: odd, with well spread bits.
const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;

function fill(words: Int32Array, seed: number, firstWord: number): void {
  for (let done = 0; done < words.length;) {
    const page = Math.floor((firstWord + done) / WORDS_A_PAGE);
    const low = (firstWord + done) % WORDS_A_PAGE;
    const count = Math.min(words.length - done, WORDS_A_PAGE - low);
    const key = (seed ^ Math.imul(page, PRIME_3)) | 0;
    for (let i = 0; i < count; i++) {
      let x = Math.imul(((low + i) | 0) ^ key, PRIME_1);
      x = Math.imul(x ^ (x >>> 15), PRIME_2);
      words[done + i] = x ^ (x >>> 13);
    }
    done += count;
  }
}

/** What of [offset, offset + length) lies within `size`. */
function within(size: number, offset: number, length: number): number {
  return Math.max(0, Math.min(length, size - offset));
}

/**
 * Content of any size made of a seed.
 * @param seed any integer; two seeds give unrelated bytes
 * @param size in bytes, up to 2^53
 */
export function generated(seed: number, size: number): Content {
  return {
    size,
    read(offset, length) {
      const wanted = within(size, offset, length);
      if (wanted === 0) return Buffer.alloc(0);
      const firstWord = Math.floor(offset / 4);
      const skip = offset - firstWord * 4;
      const words = new Int32Array(Math.ceil((skip + wanted) / 4));
      fill(words, seed, firstWord);
      return Buffer.from(words.buffer, skip, wanted);
    },
  };
}

/** Content that is these bytes; they must not change afterwards. */
export function fixed(bytes: Uint8Array): Content {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: whole.length,
    read: (offset, length) => Buffer.from(whole.subarray(offset, offset + within(whole.length, offset, length))),
  };
}

/** The pieces in which `digestOf` and `materialise` walk over a content: large enough to be fast, small enough to hold. */
export const PIECE = 4 * 1024 * 1024;

/** The pieces of a content in order. */
export function* pieces(content: Content, offset = 0, length = content.size): Generator<Buffer> {
  const end = Math.min(content.size, offset + length);
  for (let at = offset; at < end; at += PIECE) yield content.read(at, Math.min(PIECE, end - at));
}

/** SHA-256, in hex, of a range of a content (by default all of it). */
export function digestOf(content: Content, offset = 0, length = content.size): string {
  const hash = createHash('sha256');
  for (const piece of pieces(content, offset, length)) hash.update(piece);
  return hash.digest('hex');
}

/** A seed from a text, so that each path and version has content of its own (FNV-1a). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}
