/**
 * Reads blocks back and holds them against their hashes: what `verify` and the background scrub are made of.
 *
 * A block that is not as it should be is taken out of service by the data plane and forgotten by the index before anybody is
 * told: it will not be served again, whatever the caller makes of it.
 *
 * Invariants:
 * 1. Only committed blocks are checked: their hash is known, and so is that their data was synced.
 * 2. The index has forgotten a lost block, on the disk, when `page` resolves: it may be fetched anew.
 */
import type { NativeHost } from '../../native/host.ts';
import type { CacheIndex } from '../index/index.ts';
import { toRanges } from './block-set.ts';
import type { BlockStore } from './store.ts';

/** What a check needs. */
export interface BlockCheckOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly index: Pick<CacheIndex, 'hashes' | 'object' | 'dropBlocks'>;
  readonly store: Pick<BlockStore, 'attach' | 'onLostBlock'>;
}

/** What a page of an object's blocks turned out to be. */
export interface CheckedPage {
  readonly blocks: number;
  /** Bytes that were read back. */
  readonly bytes: number;
  /** Blocks that were not as they should be. */
  readonly lost: readonly number[];
  /** The block to go on with; null: that was all. */
  readonly next: number | null;
}

/** Linux's ENOENT: the data plane does not know the file. */
const ENOENT = 2;

/** See the file's header. */
export class BlockCheck {
  readonly #o: BlockCheckOptions;

  constructor(options: BlockCheckOptions) {
    this.#o = options;
  }

  /**
   * Checks some committed blocks of an object.
   * @param first the block to begin with
   * @param limit blocks at most
   * @throws DlfsError `interrupted` when the data plane is shut down; `io`, `corrupt` of the index
   */
  async page(ino: number, first: number, limit: number): Promise<CheckedPage> {
    const { index, store } = this.#o;
    const { idx, hash } = index.hashes(ino, first, limit);
    const last = idx.at(-1);
    if (last === undefined) return { blocks: 0, bytes: 0, lost: [], next: null };
    const lost: number[] = [];
    using _listening = store.onLostBlock((damaged, block) => {
      if (damaged === ino) lost.push(block);
    });
    let result = await this.#verify(ino, idx, hash);
    if (result.errno === ENOENT) {
      await store.attach(ino);
      result = await this.#verify(ino, idx, hash);
    }
    // Behind the drop that the loss itself has caused: drops are done in order.
    if (lost.length > 0) await index.dropBlocks(ino, toRanges(lost));
    const next = idx.length < limit ? null : last + 1;
    return { blocks: idx.length, bytes: result.value, lost, next };
  }

  #verify(ino: number, idx: readonly number[], hash: readonly bigint[]): Promise<{ errno: number; value: number }> {
    const { host, volume } = this.#o;
    return host.task((task) => {
      host.engine.verify(volume, task, ino, Float64Array.from(idx), BigUint64Array.from(hash));
    });
  }
}
