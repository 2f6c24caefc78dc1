/**
 * Which blocks of which object are in the cache, and their hashes.
 *
 * Invariants:
 * 1. Only blocks of a file that the index knows are recorded, and only within its size.
 * 2. `object.blocks` is the number of set bits and of rows in `block`; `object.bytes` and the totals in `Store`, those of marked objects
 *    among them, are sums of `allocatedBytes`. All change in one transaction.
 * 3. Committing the same block again changes nothing but its hash and the time of use.
 * 4. What is dropped is dropped durably before the caller is told: it may give the space away then, and no power cut brings
 *    back an index that vouches for it.
 * 5. An object is `whole` (state 1, 2) only while all of its blocks are there.
 */
import { DlfsError } from '../../../base/errors.ts';
import { allocatedBytes, blockCount, clearBit, hasBit, PAGE_BLOCKS, PAGE_BYTES, setBit } from '../bitmap.ts';
import type { BlockRange } from '../../policy/geometry.ts';
import type { AuditResult, BlockBatch } from '../protocol.ts';
import type { ObjectState } from '../rows.ts';
import { FLAG_DIRECTORY } from '../schema.ts';
import type { RecentBlocks } from './recent-blocks.ts';
import type { Work } from './scheduler.ts';
import type { Store } from './store.ts';

/** Blocks dropped in one step: about five milliseconds. */
const STEP_BLOCKS = 4096;

interface StoredObject {
  readonly size: number;
  readonly blocks: number;
  readonly bytes: number;
  readonly used: number;
  readonly state: ObjectState;
  readonly pinned: 0 | 1;
  readonly bits: Uint8Array;
}

/** Pages of bits that a change has read and may have altered. */
class Pages {
  readonly #read: (page: number) => Uint8Array;
  readonly #pages = new Map<number, Uint8Array>();
  readonly dirty = new Set<number>();

  constructor(read: (page: number) => Uint8Array) {
    this.#read = read;
  }

  of(index: number): Uint8Array {
    const page = Math.floor(index / PAGE_BLOCKS);
    let bits = this.#pages.get(page);
    if (bits === undefined) {
      bits = this.#read(page);
      this.#pages.set(page, bits);
    }
    return bits;
  }

  has(index: number): boolean {
    return hasBit(this.of(index), index % PAGE_BLOCKS);
  }

  set(index: number): void {
    setBit(this.of(index), index % PAGE_BLOCKS);
    this.dirty.add(Math.floor(index / PAGE_BLOCKS));
  }

  clear(index: number): void {
    clearBit(this.of(index), index % PAGE_BLOCKS);
    this.dirty.add(Math.floor(index / PAGE_BLOCKS));
  }
}

/** The rows of `object`, `resident` and `block`. */
export class Blocks {
  readonly #store: Store;
  readonly #recent: RecentBlocks;
  readonly #fileSize;
  readonly #getObject;
  readonly #putObject;
  readonly #deleteObject;
  readonly #setState;
  readonly #setUsed;
  readonly #getPage;
  readonly #putPage;
  readonly #deletePages;
  readonly #putBlock;
  readonly #deleteBlocks;
  readonly #indexesIn;

  constructor(store: Store, recent: RecentBlocks) {
    this.#store = store;
    this.#recent = recent;
    const { database } = store;
    this.#fileSize = database
      .prepare<[number], number>(`SELECT size FROM node WHERE ino = ? AND flags & ${FLAG_DIRECTORY} = 0`)
      .pluck();
    this.#getObject = database.prepare<[number], StoredObject>(
      'SELECT size, blocks, bytes, used, state, pinned, bits FROM object WHERE ino = ?',
    );
    // Whether it is pinned is not this module's business, and stays as it is.
    this.#putObject = database.prepare(
      `INSERT INTO object(ino, size, blocks, bytes, used, state, bits) VALUES(?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (ino) DO UPDATE SET size = excluded.size, blocks = excluded.blocks, bytes = excluded.bytes,
       used = excluded.used, state = excluded.state, bits = excluded.bits`,
    );
    this.#deleteObject = database.prepare('DELETE FROM object WHERE ino = ?');
    this.#setState = database.prepare('UPDATE object SET state = ? WHERE ino = ?');
    this.#setUsed = database.prepare('UPDATE object SET used = max(used, ?) WHERE ino = ?');
    this.#getPage = database
      .prepare<[number, number], Uint8Array>('SELECT bits FROM resident WHERE ino = ? AND page = ?')
      .pluck();
    this.#putPage = database.prepare('INSERT OR REPLACE INTO resident VALUES(?, ?, ?)');
    this.#deletePages = database.prepare('DELETE FROM resident WHERE ino = ?');
    this.#putBlock = database.prepare('INSERT OR REPLACE INTO block VALUES(?, ?, ?)');
    this.#deleteBlocks = database.prepare('DELETE FROM block WHERE ino = ? AND idx >= ? AND idx < ?');
    this.#indexesIn = database
      .prepare<[number, number, number], number>('SELECT idx FROM block WHERE ino = ? AND idx >= ? AND idx < ?')
      .pluck();
  }

  /**
   * Records blocks whose data is on the disk.
   * @param at time of use, milliseconds since 1970
   * @returns numbers that no file has any more: their cache files are to be deleted
   * @throws DlfsError `internal` for a block beyond its object
   */
  commit(batch: BlockBatch, at: number): number[] {
    const byIno = new Map<number, number[]>();
    for (const [position, ino] of batch.inos.entries()) {
      const positions = byIno.get(ino);
      if (positions === undefined) byIno.set(ino, [position]);
      else positions.push(position);
    }
    const rejected: number[] = [];
    for (const [ino, positions] of byIno) if (!this.#commitObject(ino, positions, batch, at)) rejected.push(ino);
    this.#recent.add(batch, rejected, at);
    return rejected;
  }

  /**
   * Sets an object's state.
   * @throws DlfsError `internal` where it is to be whole, but is not
   */
  setState(ino: number, state: ObjectState): void {
    const object = this.#getObject.get(ino);
    if (object === undefined && state === 0) return;
    const missing = object === undefined ? 1 : blockCount(object.size, this.#store.blockSize) - object.blocks;
    if (state !== 0 && missing > 0) {
      throw new DlfsError('internal', `object ${ino} is not whole and cannot be marked so`);
    }
    this.#setState.run(state, ino);
  }

  /**
   * Forgets ranges of blocks, in steps that may be committed.
   * @returns what is left of the object
   */
  *dropRanges(ino: number, ranges: readonly BlockRange[]): Work<{ blocks: number; bytes: number }> {
    let done = 0;
    for (const { first, count } of ranges) {
      const size = this.#getObject.get(ino)?.size ?? 0;
      const end = Math.min(first + count, blockCount(size, this.#store.blockSize));
      for (let from = first; from < end; from += STEP_BLOCKS) {
        // A long range is many steps, and many short ranges are one.
        if (done >= STEP_BLOCKS) {
          done = 0;
          yield;
        }
        const step = Math.min(STEP_BLOCKS, end - from);
        this.drop(ino, from, step);
        done += step;
      }
    }
    const { blocks = 0, bytes = 0 } = this.#getObject.get(ino) ?? {};
    return { blocks, bytes };
  }

  /**
   * Forgets a short range of blocks.
   * @returns what is left of the object
   */
  drop(ino: number, first: number, count: number): { blocks: number; bytes: number } {
    const object = this.#getObject.get(ino);
    if (object === undefined) return { blocks: 0, bytes: 0 };
    const indexes = this.#indexesIn.all(ino, first, first + count);
    if (indexes.length === 0) return { blocks: object.blocks, bytes: object.bytes };
    const pages = this.#pagesOf(ino, object);
    let freed = 0;
    for (const index of indexes) {
      pages.clear(index);
      freed += allocatedBytes(object.size, this.#store.blockSize, index);
    }
    this.#deleteBlocks.run(ino, first, first + count);
    const left = { blocks: object.blocks - indexes.length, bytes: object.bytes - freed };
    this.#save(ino, { ...object, ...left, state: 0 }, pages);
    this.#count(object, -freed, 0, -indexes.length);
    return left;
  }

  /**
   * Forgets an object and all its blocks, in steps that may be committed: the largest has some million.
   * @returns false where it was not known
   */
  *dropObject(ino: number): Work<boolean> {
    const known = this.#getObject.get(ino);
    if (known === undefined) return false;
    const total = blockCount(known.size, this.#store.blockSize);
    let left = known.blocks;
    for (let first = 0; left > STEP_BLOCKS && first < total; first += STEP_BLOCKS) {
      left = this.drop(ino, first, STEP_BLOCKS).blocks;
      yield;
    }
    const object = this.#getObject.get(ino);
    if (object === undefined) return true;
    this.#deleteBlocks.run(ino, 0, Number.MAX_SAFE_INTEGER);
    if (object.size > PAGE_BLOCKS * this.#store.blockSize) this.#deletePages.run(ino);
    this.#deleteObject.run(ino);
    this.#count(object, -object.bytes, -1, -object.blocks);
    return true;
  }

  /** Moves an object's time of use forward. */
  touch(ino: number, usedMs: number): void {
    this.#setUsed.run(Math.trunc(usedMs), ino);
  }

  /**
   * What cache files found on the disk are.
   * @param files numbers and allocated bytes, parallel
   */
  audit(files: { readonly inos: Float64Array; readonly allocated: Float64Array }): AuditResult {
    const result = {
      orphans: [] as number[],
      unindexed: [] as number[],
      excess: [] as number[],
      short: [] as number[],
    };
    for (const [position, ino] of files.inos.entries()) {
      const allocated = files.allocated[position] ?? 0;
      const object = this.#getObject.get(ino);
      if (object !== undefined) {
        if (allocated > object.bytes + ownBlocksOf(object.bytes)) result.excess.push(ino);
        else if (allocated < object.bytes) result.short.push(ino);
      } else if (this.#fileSize.get(ino) === undefined) {
        result.orphans.push(ino);
      } else {
        result.unindexed.push(ino);
      }
    }
    return result;
  }

  #commitObject(ino: number, positions: readonly number[], batch: BlockBatch, at: number): boolean {
    const known = this.#getObject.get(ino);
    const size = known?.size ?? this.#fileSize.get(ino);
    if (size === undefined) return false;
    const { blockSize } = this.#store;
    const total = blockCount(size, blockSize);
    const object: StoredObject = known ?? {
      size,
      blocks: 0,
      bytes: 0,
      used: 0,
      state: 0,
      pinned: 0,
      bits: new Uint8Array(Math.ceil(Math.min(total, PAGE_BLOCKS) / 8)),
    };
    const pages = this.#pagesOf(ino, object);
    let blocks = 0;
    let bytes = 0;
    for (const position of positions) {
      const index = batch.idx[position] ?? -1;
      if (!Number.isInteger(index) || index < 0 || index >= total) {
        throw new DlfsError('internal', `block ${index} is beyond object ${ino} of ${total} blocks`);
      }
      this.#putBlock.run(ino, index, batch.hashes.subarray(position * 8, position * 8 + 8));
      if (pages.has(index)) continue;
      pages.set(index);
      blocks += 1;
      bytes += allocatedBytes(size, blockSize, index);
    }
    const used = Math.max(object.used, Math.trunc(at));
    this.#save(ino, { ...object, blocks: object.blocks + blocks, bytes: object.bytes + bytes, used }, pages);
    this.#count(object, bytes, known === undefined ? 1 : 0, blocks);
    return true;
  }

  #pagesOf(ino: number, object: StoredObject): Pages {
    return new Pages((page) => {
      if (page === 0) return Uint8Array.from(object.bits);
      return Uint8Array.from(this.#getPage.get(ino, page) ?? new Uint8Array(PAGE_BYTES));
    });
  }

  #save(ino: number, object: StoredObject, pages: Pages): void {
    let { bits } = object;
    for (const page of pages.dirty) {
      if (page === 0) bits = pages.of(0);
      else this.#putPage.run(ino, page, pages.of(page * PAGE_BLOCKS));
    }
    this.#putObject.run(ino, object.size, object.blocks, object.bytes, object.used, object.state, bits);
  }

  #count({ pinned }: StoredObject, bytes: number, files: number, blocks: number): void {
    this.#store.cachedBytes += bytes;
    this.#store.cachedFiles += files;
    this.#store.cachedBlocks += blocks;
    if (pinned === 1) {
      this.#store.pinnedBytes += bytes;
      this.#store.pinnedFiles += files;
    }
    this.#store.touch();
  }
}

/** A block of a file system, bytes. */
const FS_BLOCK = 4096;

/**
 * The most that a file system counts as a file's for its own list of extents: ext4 keeps four in the inode, and from the fifth on blocks
 * of 340 (Documentation/filesystems/ext4/ifork.rst); XFS does alike. However torn the file is, that is less than one block in 256, and one.
 */
function ownBlocksOf(bytes: number): number {
  return FS_BLOCK + bytes / 256;
}
