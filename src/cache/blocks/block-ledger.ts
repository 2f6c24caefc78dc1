/**
 * The books of the block store: what of each object is on the disk, and which blocks the index does not know yet.
 *
 * An object is in the books while something of it is in motion; else the index says all there is to know, and the books are
 * opened anew from there.
 *
 * Invariants:
 * 1. What `space` counts is the sum of what the books and the index say: each change here is told to it in the same turn.
 * 2. A block is pending from `count` until it is committed or forgotten.
 */
import { DlfsError } from '../../base/errors.ts';
import type { BlockHash } from '../index/rows.ts';
import { BlockGeometry, type BlockRange } from '../policy/geometry.ts';
import type { BlockIndex } from './block-index.ts';
import { bits } from './block-set.ts';

/** An object of which something is on the disk or about to be. */
export interface Held {
  readonly geometry: BlockGeometry;
  /** Blocks on the disk, committed or not. */
  blocks: number;
  /** What they take. */
  bytes: number;
  /** Whether a cache file is counted for it. */
  file: boolean;
  /** Blocks stored and not yet committed. */
  uncommitted: number;
  /** Blocks in the order in which they came, for an object that cannot fit the cache; null for others. */
  order: Set<number> | null;
}

/** Blocks that were taken out of the books. */
export interface Forgotten {
  readonly bytes: number;
  /** Whether the index knows any of them, or is just being told. */
  readonly known: boolean;
  /** Books them again. */
  restore(): void;
}

/** What the ledger is made of. */
export interface BlockLedgerOptions {
  readonly index: Pick<BlockIndex, 'node' | 'object'>;
  readonly blockSize: number;
  /** Told what comes and goes. */
  readonly space: {
    /** Bytes that the cache can hold: an object of more than half of it may have to evict its own blocks. */
    readonly capacity: number;
    stored(bytes: number, newFile: boolean): void;
    dropped(bytes: number, files: number, open: boolean): void;
  };
}

/** Objects in the books; more means that runs were planned and failed. */
const MAX_HELD = 65_536;

/** See the file's header. */
export class BlockLedger {
  readonly #o: BlockLedgerOptions;
  readonly #held = new Map<number, Held>();
  #pending: BlockHash[] = [];
  /** Blocks that the index is being told of. */
  #inCommit: ReadonlySet<BlockHash> = new Set();

  constructor(options: BlockLedgerOptions) {
    this.#o = options;
  }

  /** Blocks that are on the disk and not in the index, in the order in which they came. */
  get pending(): readonly BlockHash[] {
    return this.#pending;
  }

  /** Whether the object is in the books. */
  has(ino: number): boolean {
    return this.#held.has(ino);
  }

  /** What the books say; undefined where they say nothing. */
  get(ino: number): Held | undefined {
    return this.#held.get(ino);
  }

  /** Geometry of a file. @throws DlfsError `not-found` for an unknown inode */
  geometryOf(ino: number): BlockGeometry {
    const held = this.#held.get(ino);
    if (held !== undefined) return held.geometry;
    const node = this.#o.index.node(ino);
    if (node === null || node.dir) throw new DlfsError('not-found', `no file has the inode number ${ino}`);
    return new BlockGeometry(this.#o.blockSize, node.size);
  }

  /** Blocks of the object that are on the disk. */
  blocksOf(ino: number): number {
    return this.#held.get(ino)?.blocks ?? this.#o.index.object(ino)?.blocks ?? 0;
  }

  /** The object's uncommitted blocks. */
  pendingOf(ino: number): BlockHash[] {
    if ((this.#held.get(ino)?.uncommitted ?? 0) === 0) return [];
    return this.#pending.filter((block) => block.ino === ino);
  }

  /** Takes the object into the books. @throws DlfsError `not-found` for an unknown inode */
  hold(ino: number): Held {
    const known = this.#held.get(ino);
    if (known !== undefined) return known;
    const geometry = this.geometryOf(ino);
    const object = this.#o.index.object(ino);
    // Only an object that cannot fit in whole ever evicts its own blocks.
    const order = geometry.allocated > this.#o.space.capacity / 2 ? new Set<number>() : null;
    if (order !== null && object !== null) for (const block of bits(object.resident)) order.add(block);
    const { blocks = 0, bytes = 0 } = object ?? {};
    const held = { geometry, blocks, bytes, file: object !== null, uncommitted: 0, order };
    if (this.#held.size >= MAX_HELD) this.#prune();
    this.#held.set(ino, held);
    return held;
  }

  /** Takes the object out of the books: the index says it all, or it has left. */
  close(ino: number): void {
    this.#held.delete(ino);
  }

  /** Books a block that is on the disk and not committed. */
  count(block: BlockHash): void {
    const held = this.hold(block.ino);
    const bytes = held.geometry.allocatedOf(block.idx);
    this.#o.space.stored(bytes, !held.file);
    held.file = true;
    held.blocks += 1;
    held.uncommitted += 1;
    held.bytes += bytes;
    held.order?.add(block.idx);
    this.#pending.push(block);
  }

  /** Takes blocks out of the books; none of them will be committed. */
  forget(ino: number, range: BlockRange): Forgotten {
    const held = this.hold(ino);
    const bytes = held.geometry.allocatedOfRange(range);
    const blocks = Array.from({ length: range.count }, (_, at) => range.first + at);
    const own = this.#take((block) => isWithin(block, ino, range));
    held.blocks -= range.count;
    held.bytes -= bytes;
    held.uncommitted -= own.length;
    for (const block of blocks) held.order?.delete(block);
    this.#o.space.dropped(bytes, 0, false);
    return {
      bytes,
      known: own.length < range.count || own.some((block) => this.#inCommit.has(block)),
      restore: () => {
        if (this.#held.get(ino) !== held) return; // all of the object has left meanwhile
        held.blocks += range.count;
        held.bytes += bytes;
        held.uncommitted += own.length;
        for (const block of blocks) held.order?.add(block);
        this.#pending.push(...own);
        this.#o.space.stored(bytes, false);
      },
    };
  }

  /** Takes out what of the object is pending. */
  takePending(ino: number): BlockHash[] {
    return this.#take((block) => block.ino === ino);
  }

  /**
   * Tells the index of pending blocks.
   * @param tell does so; what it rejects with is thrown, and the blocks stay pending
   * @returns what `tell` returns
   */
  async commit<T>(blocks: readonly BlockHash[], tell: (blocks: readonly BlockHash[]) => Promise<T>): Promise<T> {
    const told = new Set(blocks);
    this.#inCommit = told;
    let result: T;
    try {
      result = await tell(blocks);
    } finally {
      this.#inCommit = new Set();
    }
    for (const block of this.#take((one) => told.has(one))) {
      const held = this.#held.get(block.ino);
      if (held !== undefined) held.uncommitted -= 1;
    }
    return result;
  }

  #take(wanted: (block: BlockHash) => boolean): BlockHash[] {
    const taken = this.#pending.filter(wanted);
    if (taken.length > 0) this.#pending = this.#pending.filter((block) => !wanted(block));
    return taken;
  }

  /** Forgets objects of which a run was planned but nothing came. */
  #prune(): void {
    for (const [ino, held] of this.#held) if (held.uncommitted === 0 && held.order === null) this.#held.delete(ino);
  }
}

function isWithin(block: BlockHash, ino: number, { first, count }: BlockRange): boolean {
  return block.ino === ino && block.idx >= first && block.idx < first + count;
}
