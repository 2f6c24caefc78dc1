/**
 * Room for an object that cannot fit into the cache: its own blocks leave, behind its readers.
 *
 * Which ones is decided by the pure policy (policy/self-evict.ts). One call frees what is needed now and a share of the cache
 * beside it, as far as all readers have passed it: a stream through a large object then stops for one transaction of the
 * index every quarter of a cache, not for one every run.
 *
 * Invariants:
 * 1. The index has forgotten a block durably before its space is given away. What it has never heard of (stored, not committed)
 *    needs no word to it.
 * 2. All ranges of one call are forgotten in one transaction, and given away side by side.
 * 3. What a waiting READ needs stays, whether the rest of it is there or not: a READ is answered whole, and one that spans
 *    several blocks would otherwise never meet them all (its blocks would push each other out for ever).
 * 4. What is planned ahead of a reader stays, and so do the blocks that came last.
 * 5. A call that fails leaves the count as it was: the blocks are still on the disk and in the index.
 */
import type { Logger } from '../../base/log.ts';
import type { NativeHost } from '../../native/host.ts';
import type { BlockRange } from '../policy/geometry.ts';
import { selfEvict, type PlannedReader } from '../policy/self-evict.ts';
import type { BlockIndex } from './block-index.ts';
import { toRanges } from './block-set.ts';
import type { Forgotten } from './block-ledger.ts';

/** What it is made of. */
export interface OwnRoomOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly index: Pick<BlockIndex, 'dropBlocks'>;
  readonly blockSize: number;
  /** Bytes that the cache can hold. */
  readonly capacity: () => number;
  /** Where the object's readers are. */
  readonly readers: (ino: number) => readonly PlannedReader[];
  /** Takes blocks out of the count; in the same turn nothing else sees them. */
  readonly forget: (ino: number, range: BlockRange) => Forgotten;
  /** Makes the data plane know the file: it spares what it knows to be there. */
  readonly attach: (ino: number) => void;
  readonly log: Logger;
}

/** Of the cache, freed at a time beside what is needed, where readers go one way … */
const HEADROOM = 1 / 4;
/** … and where nobody can say what is read next: each block that leaves may be the next one. */
const HEADROOM_AT_RANDOM = 1 / 16;
/** Of the cache, what came last and stays. */
const NEWEST = 1 / 8;
/** Bytes behind a reader that stay: the kernel's parallel READs of one stream arrive out of order, by up to its readahead. */
const REORDER = 4 * 1024 * 1024;
/** Of the cache, what stays behind a reader at most. */
const REORDER_SHARE = 1 / 8;

/** See the file's header. */
export class OwnRoom {
  readonly #o: OwnRoomOptions;

  constructor(options: OwnRoomOptions) {
    this.#o = options;
  }

  /**
   * Frees some of the object's own blocks.
   * @param order its blocks on the disk, in the order in which they came
   * @param bytes how much is needed
   * @returns bytes freed; fewer than needed where the rest must stay
   * @throws DlfsError when the index cannot forget
   */
  async free(ino: number, order: ReadonlySet<number>, bytes: number): Promise<number> {
    const ranges = this.#choose(ino, order, bytes);
    const forgotten = ranges.map((range) => this.#o.forget(ino, range));
    const known = ranges.filter((_, at) => forgotten[at]?.known === true);
    try {
      if (known.length > 0) await this.#o.index.dropBlocks(ino, known);
    } catch (error) {
      for (const one of forgotten) one.restore();
      throw error;
    }
    this.#o.attach(ino);
    const errors = await Promise.all(ranges.map((range) => this.#giveAway(ino, range)));
    const errno = errors.find((one) => one !== 0);
    if (errno !== undefined)
      this.#o.log.warn('space of cached blocks could not be given back: a later sweep does so', { ino, errno });
    return forgotten.reduce((sum, one) => sum + one.bytes, 0);
  }

  #choose(ino: number, order: ReadonlySet<number>, bytes: number): BlockRange[] {
    const { blockSize } = this.#o;
    const capacity = this.#o.capacity();
    const blocksOf = (share: number): number => Math.floor((capacity * share) / blockSize);
    const readers = this.#o.readers(ino);
    const need = Math.ceil(bytes / blockSize);
    const newest = new Set([...order].slice(Math.max(0, order.size - blocksOf(NEWEST))));
    const awaited = pairs(this.#o.host.engine.awaited(this.#o.volume, ino));
    return selfEvict({
      resident: toRanges([...order]),
      readers,
      keep: [...awaited, ...readers.flatMap((reader) => [...reader.planned])],
      busy: (block) => newest.has(block),
      need,
      headroom: Math.max(0, blocksOf(readers.length > 0 ? HEADROOM : HEADROOM_AT_RANDOM) - need),
      margin: Math.max(1, Math.min(Math.ceil(REORDER / blockSize), blocksOf(REORDER_SHARE))),
    });
  }

  async #giveAway(ino: number, { first, count }: BlockRange): Promise<number> {
    const { host, volume } = this.#o;
    const { errno } = await host.task((task) => {
      host.engine.dropBlocks(volume, task, ino, first, count);
    });
    return errno;
  }
}

/** Ranges from first, count, first, count… */
function pairs(numbers: Float64Array): BlockRange[] {
  return Array.from({ length: numbers.length / 2 }, (_, at) => ({
    first: numbers[at * 2] ?? 0,
    count: numbers[at * 2 + 1] ?? 0,
  }));
}
