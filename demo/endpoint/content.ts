/**
 * Where an object's bytes come from: a file, memory, or a generator.
 *
 * A generator makes an object of any size, 5 TiB included, without a disk: the byte at an offset is a function of the
 * offset alone, so a reader can check what it got without keeping it.
 *
 * Invariants:
 * 1. `size` never changes; what is read at an offset never changes.
 * 2. A read fills its whole buffer or throws; a file that shrank under the endpoint is an error, not a short body.
 */

import { closeSync, openSync, read, readSync } from 'node:fs';
import type { ByteString } from './byte-string.ts';

/** An object's bytes. */
export interface Content {
  /** Length in bytes. */
  readonly size: number;
  /** Fills `into` with the bytes from `start` at once; meant for small lengths (blocks the event loop for files). */
  readNow(start: number, into: Buffer): void;
  /** Opens the content for streaming; the caller closes the reader. */
  open(): ContentReader;
}

/** The first `length` bytes of `content` in a buffer of their own. */
export function contentHead(content: Content, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  content.readNow(0, bytes);
  return bytes;
}

/** An open content. */
export interface ContentReader {
  /** Fills `into` with the bytes from `offset`. The caller keeps the range within the content's size. */
  read(offset: number, into: Buffer): Promise<void>;
  /** Releases what `open` took; no read may be under way. */
  close(): void;
}

/** A regular file below a folder, named by its key. The folder is not watched: it must not change. */
export class FileContent implements Content {
  readonly size: number;
  readonly #root: string;
  readonly #key: ByteString;

  /**
   * @param root the folder's path, without a slash at its end
   * @param key the file's path below it, as bytes
   * @param size the file's size at the time it was found
   */
  constructor(root: string, key: ByteString, size: number) {
    this.#root = root;
    this.#key = key;
    this.size = size;
  }

  #openFile(): number {
    return openSync(Buffer.concat([Buffer.from(this.#root + '/', 'utf8'), Buffer.from(this.#key, 'latin1')]), 'r');
  }

  readNow(start: number, into: Buffer): void {
    const fd = this.#openFile();
    try {
      for (let done = 0; done < into.length;) {
        const got = readSync(fd, into, done, into.length - done, start + done);
        if (got === 0) throw new Error('the file is shorter than when it was listed');
        done += got;
      }
    } finally {
      closeSync(fd);
    }
  }

  open(): ContentReader {
    const fd = this.#openFile();
    return {
      read: (offset, into) => readFully(fd, offset, into),
      close: () => {
        closeSync(fd);
      },
    };
  }
}

/** fs.read by callback: its promise form costs a FileHandle and several ticks a chunk. */
function readFully(fd: number, offset: number, into: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      read(fd, into, done, into.length - done, offset + done, (error, got) => {
        if (error !== null) reject(error);
        else if (got === 0) reject(new Error('the file is shorter than when it was listed'));
        else if (done + got < into.length) step(done + got);
        else resolve();
      });
    };
    step(0);
  });
}

/** Bytes in memory. */
export class BytesContent implements Content {
  readonly size: number;
  readonly #bytes: Buffer;

  /** @param bytes kept, not copied; text is taken as UTF-8 */
  constructor(bytes: Uint8Array | string) {
    this.#bytes =
      typeof bytes === 'string'
        ? Buffer.from(bytes, 'utf8')
        : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.size = this.#bytes.length;
  }

  readNow(start: number, into: Buffer): void {
    this.#bytes.copy(into, 0, start, start + into.length);
  }

  open(): ContentReader {
    return {
      read: (offset, into) => {
        this.readNow(offset, into);
        return Promise.resolve();
      },
      close: () => undefined,
    };
  }
}

/** Writes the bytes of a virtual object from `offset` on into the whole of `into`; a pure function of the offset. */
export type Generator = (offset: number, into: Uint8Array) => void;

/** An object that exists as a rule only. */
export class VirtualContent implements Content {
  readonly size: number;
  readonly #generate: Generator;

  constructor(size: number, generate: Generator) {
    this.size = size;
    this.#generate = generate;
  }

  readNow(start: number, into: Buffer): void {
    this.#generate(start, into);
  }

  open(): ContentReader {
    return {
      read: (offset, into) => {
        this.readNow(offset, into);
        return Promise.resolve();
      },
      close: () => undefined,
    };
  }
}

/** Zeros at every offset. */
export const zeros: Generator = (_offset, into) => {
  into.fill(0);
};

/**
 * Bytes that look random and differ at every offset: 32-bit words, each a hash of its index and of `seed`, so that a
 * block served from the wrong place never compares equal. Offsets to 2^53.
 */
export function pattern(seed: number): Generator {
  const mixedSeed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
  const word = (index: number): number => {
    // Words beyond 2^32 fold their upper half in, so that no period appears at 16 GiB.
    let h = (index >>> 0) ^ Math.imul(Math.floor(index / 0x1_0000_0000) + 1, 0xc2b2ae35) ^ mixedSeed;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    return (h ^ (h >>> 16)) >>> 0;
  };
  return (offset, into) => {
    const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
    const cutByte = (position: number): number => (word(Math.floor(position / 4)) >>> (8 * (position % 4))) & 0xff;
    // Little-endian words; the first and the last one may be cut by the range.
    let at = 0;
    while (at < into.length && (offset + at) % 4 !== 0) {
      into[at] = cutByte(offset + at);
      at++;
    }
    for (let index = (offset + at) / 4; at + 4 <= into.length; index++, at += 4) view.setUint32(at, word(index), true);
    for (; at < into.length; at++) into[at] = cutByte(offset + at);
  };
}
