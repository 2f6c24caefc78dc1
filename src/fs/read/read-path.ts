/**
 * The read path: turns what the data plane reports of readers into fetches.
 *
 * A `want` says that somebody waits for a block; a `mark` that somebody reached a block which readahead had marked. Both go to
 * the two pure readaheads, within the file and across the files of its directory; what they answer goes to the scheduler.
 * Reads of resident blocks without a mark are never heard of here.
 *
 * Invariants:
 * 1. A wanted block is demanded whatever readahead thinks.
 * 2. What is read ahead stays within a quarter of the cache: guesses must not push out what is used.
 */
import type { Clock } from '../../base/clock.ts';
import type { BlockStore } from '../../cache/blocks/store.ts';
import type { FetchScheduler } from '../../cache/fetch/scheduler.ts';
import type { NodeRow } from '../../cache/index/rows.ts';
import type { PlannedReader } from '../../cache/policy/self-evict.ts';
import type { Engine } from '../../native/binding.ts';
import type { NativeEvent } from '../../native/events.ts';
import { DirectoryReadahead, type PrefetchStats } from '../readahead/directory.ts';
import { SequentialReadahead } from '../readahead/sequential.ts';

/** What the path reads of the index. */
export interface ReadIndex {
  node(ino: number): NodeRow | null;
  siblingsAfter(parent: number, name: string, limit: number): NodeRow[];
  children(parent: number, afterIno: number, limit: number): NodeRow[];
  isListed(dir: number): boolean;
}

/** What the path is made of. */
export interface ReadPathOptions {
  readonly engine: Engine;
  readonly volume: number;
  readonly index: ReadIndex;
  readonly store: BlockStore;
  readonly scheduler: FetchScheduler;
  readonly clock: Clock;
  readonly blockSize: number;
  /** Bytes that may be ahead of readers in all: what memory and cache allow. */
  readonly aheadBudget: number;
}

/** Entries looked at for the next directory: files between two directories are few, or the guess is not worth it. */
const NEXT_SIBLINGS = 32;

/** See the file's header. */
export class ReadPath {
  readonly #o: ReadPathOptions;
  readonly #sequential: SequentialReadahead;
  readonly #directory: DirectoryReadahead;

  constructor(options: ReadPathOptions) {
    this.#o = options;
    this.#sequential = new SequentialReadahead({ blockSize: options.blockSize, budget: options.aheadBudget });
    this.#directory = new DirectoryReadahead(
      {
        after: (dir, name, limit) => options.index.siblingsAfter(dir, name, limit),
        resident: (ino) => options.store.isWhole(ino) || options.scheduler.busy(ino),
        nextDirectory: (dir) => this.#nextDirectory(dir),
      },
      { budget: options.aheadBudget },
    );
  }

  /** Counters of the prefetch across files. */
  prefetchStats(): PrefetchStats {
    return this.#directory.stats();
  }

  /** Where the object's readers are, as far as they can be foreseen; for objects that evict their own blocks. */
  readersOf(ino: number): readonly PlannedReader[] {
    return this.#sequential.readers(ino, this.#o.clock.monotonic());
  }

  /** `want` event. */
  onWant(event: NativeEvent): void {
    this.#o.scheduler.demand(event.a, event.b);
    this.#advance(event, 'miss');
  }

  /** `mark` event. */
  onMark(event: NativeEvent): void {
    this.#advance(event, 'mark');
  }

  /** A directory was listed anew. */
  directoryChanged(dir: number): void {
    for (const ino of this.#directory.forget(dir)) this.#o.scheduler.cancelAhead(ino);
  }

  #advance(event: NativeEvent, kind: 'miss' | 'mark'): void {
    const { a: ino, b: block, c: pid } = event;
    const node = this.#o.index.node(ino);
    if (node === null || node.archived) return;
    const now = this.#o.clock.monotonic();
    const { blocks } = this.#o.store.geometryOf(ino);
    if (blocks > 1) {
      const step = this.#sequential.on({ ino, pid, block, blocks, kind, now });
      if (step.cancel.length > 0) this.#o.scheduler.cancelAhead(ino, step.cancel);
      const ahead = step.fetch.filter((range) => range.priority === 'readahead');
      this.#o.scheduler.ahead(ino, ahead, step.maxRunBlocks);
      if (step.mark !== null) this.#o.engine.mark(this.#o.volume, ino, step.mark);
    }
    const file = { ino, name: node.name, size: node.size };
    const prefetch = this.#directory.on({ pid, dir: node.parent, file, now });
    for (const cancelled of prefetch.cancel) this.#o.scheduler.cancelAhead(cancelled);
    for (const next of prefetch.prefetch) this.#prefetch(next.ino, next.bytes);
  }

  /** The directory that a walk through the tree enters after this one: its next sibling, if that is listed. */
  #nextDirectory(dir: number): number | null {
    const { index } = this.#o;
    const node = index.node(dir);
    if (node === null || node.parent === 0) return null;
    const next = index.children(node.parent, dir, NEXT_SIBLINGS).find((row) => row.dir);
    return next !== undefined && index.isListed(next.ino) ? next.ino : null;
  }

  #prefetch(ino: number, bytes: number): void {
    const { blocks, blockSize } = this.#o.store.geometryOf(ino);
    if (blocks === 0) return;
    // The data plane must know the file to take in its blocks and to hear of its first read.
    this.#o.store.resolve(ino);
    this.#o.engine.mark(this.#o.volume, ino, 0);
    const count = Math.min(blocks, Math.ceil(bytes / blockSize));
    if (count > 0) this.#o.scheduler.ahead(ino, [{ first: 0, count }], count);
  }
}
