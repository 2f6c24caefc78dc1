/**
 * Pins: paths and globs whose files stay in the cache.
 *
 * A pin is kept in the index's database. Which object it means is asked of the globs, one object at a time, when somebody wants
 * to evict it: pinning costs nothing on the way of a read, and nothing per file of the dataset. A pinned object's mark in the
 * index (src/cache/index/worker/pins.ts) keeps it out of the order of eviction, and follows from this.
 *
 * Invariants:
 * 1. A version that the origin has replaced is pinned no longer; its successor, having the same path, is.
 * 2. What `covers` says follows from the pins that are on the disk.
 * 3. A mark that is set while its pin is taken back does not outlive it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GlobSet } from '../../dataset/glob/glob-set.ts';
import type { Logger } from '../../base/log.ts';
import type { NodeRow, PinnedObject, PinRow } from '../index/rows.ts';

/** What pins need of the index. */
export interface PinIndex {
  pins(): PinRow[];
  addPins(pins: readonly PinRow[]): Promise<void>;
  removePins(globs: readonly string[]): Promise<void>;
  node(ino: number): NodeRow | null;
  keyOf(ino: number): string;
  pinnedObjects(afterIno: number, limit: number): PinnedObject[];
  setPinned(inos: readonly number[], pinned: boolean): Promise<void>;
}

/** Objects marked at a time. */
const PAGE = 500;

/** See the file's header. */
export class Pins {
  readonly #index: PinIndex;
  readonly #log: Logger;
  readonly #onMarked: () => void;
  #rows: readonly PinRow[] = [];
  /** Null where nothing is pinned. */
  #set: GlobSet | null = null;

  /** @param options.onMarked told when what is marked has changed */
  constructor(options: { readonly index: PinIndex; readonly log: Logger; readonly onMarked?: () => void }) {
    this.#index = options.index;
    this.#log = options.log;
    this.#onMarked = options.onMarked ?? ((): void => undefined);
    this.#load();
  }

  /** All pins, the oldest first. */
  get rows(): readonly PinRow[] {
    return this.#rows;
  }

  /** Their globs, compiled; null where nothing is pinned. */
  get set(): GlobSet | null {
    return this.#set;
  }

  /** Whether an object is not to be evicted: the version that its path stands for now, and a pin means it. */
  isPinned(ino: number): boolean {
    if (this.#set === null) return false;
    const node = this.#index.node(ino);
    return node !== null && !node.dir && !node.superseded && this.#set.covers(this.#index.keyOf(ino));
  }

  /** Whether a path is pinned. */
  covers(path: string): boolean {
    return this.#set?.covers(path) ?? false;
  }

  /**
   * Adds pins; what there is already stays as it is.
   * @throws DlfsError `invalid-argument` for what is no glob, or too many of them; `disk-full`, `io`
   */
  async add(globs: readonly string[], atMs: number): Promise<void> {
    GlobSet.compile([...this.#rows.map((row) => row.glob), ...globs]);
    await this.#index.addPins(globs.map((glob) => ({ glob, atMs })));
    this.#load();
  }

  /**
   * Removes pins and takes their objects back into the order of eviction, unless another pin means them.
   * @param globs as they were given when they were pinned
   * @returns those that were none
   */
  async remove(globs: readonly string[]): Promise<readonly string[]> {
    const known = new Set(this.#rows.map((row) => row.glob));
    await this.#index.removePins(globs.filter((glob) => known.has(glob)));
    this.#load();
    await this.settleMarks();
    return globs.filter((glob) => !known.has(glob));
  }

  /**
   * Marks objects: they leave the order of eviction, those that no pin means aside.
   * @param inos cached objects
   */
  async mark(inos: readonly number[]): Promise<void> {
    const pinned = inos.filter((ino) => this.isPinned(ino));
    if (pinned.length === 0) return;
    await this.#index.setPinned(pinned, true);
    // A pin that was taken back meanwhile has not seen these marks.
    const stale = pinned.filter((ino) => !this.isPinned(ino));
    if (stale.length > 0) await this.#index.setPinned(stale, false);
    this.#onMarked();
  }

  /** Takes the mark from objects that no pin means any more: behind a removal, or a stop in the middle of one. */
  async settleMarks(): Promise<void> {
    for (let after = 0; ;) {
      const page = this.#index.pinnedObjects(after, PAGE);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.ino;
      const stale = page.map(({ ino }) => ino).filter((ino) => !this.isPinned(ino));
      if (stale.length > 0) {
        await this.#index.setPinned(stale, false);
        this.#onMarked();
      }
      await nextTurn();
    }
  }

  #load(): void {
    this.#rows = this.#index.pins();
    try {
      this.#set = this.#rows.length === 0 ? null : GlobSet.compile(this.#rows.map((row) => row.glob));
    } catch (error) {
      // Somebody has edited the database: better nothing pinned than nothing served.
      this.#log.error('the pins cannot be read and do not count', { err: error });
      this.#set = null;
    }
  }
}
