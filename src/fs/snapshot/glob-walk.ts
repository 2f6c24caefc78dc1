/**
 * The files that globs mean, found by walking the snapshot.
 *
 * The walk goes depth first and reads the index a page at a time. Where a place in the globs allows certain names only, they
 * are looked up; elsewhere the directory is read. A directory that nobody has listed yet is listed on the way, the next
 * few already while the walk is still in the ones before.
 *
 * Invariants:
 * 1. Memory is bounded by the depth of the tree and a page a level, not by the number of files.
 * 2. The event loop gets its turn at least every page.
 * 3. Each file is given at most once, in an order that restarts keep as long as nothing is listed anew. What a refresh changes
 *    during the walk may be seen before or after the change.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { orAborted, requireGoingOn } from '../../base/abort.ts';
import { DlfsError } from '../../base/errors.ts';
import { ROOT_INO, type NodeRow } from '../../cache/index/rows.ts';
import type { GlobPlace, GlobSet } from '../../dataset/glob/glob-set.ts';

/** What the walk reads of the index. */
export interface WalkIndex {
  node(ino: number): NodeRow | null;
  lookup(parent: number, name: string): NodeRow | null;
  children(parent: number, afterIno: number, limit: number): NodeRow[];
  isListed(directory: number): boolean;
}

/** Who lists directories that are not listed yet; the snapshot keeper. */
export interface DirectoryLister {
  /** Resolves at the next page or the end of the directory's listing. @throws DlfsError when it failed */
  progress(dir: number): Promise<void>;
  /** Whether the listing under way has passed the name. */
  decided(dir: number, name: string): boolean;
}

/** A file that globs mean. */
export interface MatchedFile {
  readonly node: NodeRow;
  /** Relative to the dataset's root. */
  readonly path: string;
  /** Which of the set's globs mean it. */
  readonly globs: ReadonlySet<number>;
}

/** How to walk. */
export interface WalkOptions {
  readonly signal?: AbortSignal;
  /** Where to begin; the root if left out. */
  readonly from?: number;
}

/** Entries read at a time: a millisecond of the event loop. */
const PAGE = 256;
/** Directories that are listed ahead of the walk: their round trips overlap. */
const LIST_AHEAD = 8;

interface Frame {
  readonly ino: number;
  /** Path with its slash; empty for the root. */
  readonly path: string;
  readonly place: GlobPlace;
  /** Names that are left to be looked up; null: the directory is read. */
  readonly names: string[] | null;
  rows: readonly NodeRow[];
  at: number;
  /** Rows up to here have been looked at for what can be listed ahead. */
  ahead: number;
  after: number;
  isDone: boolean;
}

/** See the file's header. */
export class GlobWalk {
  readonly #index: WalkIndex;
  readonly #lister: DirectoryLister;

  constructor(options: { readonly index: WalkIndex; readonly lister: DirectoryLister }) {
    this.#index = options.index;
    this.#lister = options.lister;
  }

  /**
   * The files, in batches.
   * @throws DlfsError `interrupted` when the signal is aborted; what a listing failed with
   */
  async *files(set: GlobSet, options: WalkOptions = {}): AsyncGenerator<readonly MatchedFile[], void, undefined> {
    const { signal } = options;
    const stack: Frame[] = [];
    const first = this.#start(set, options.from ?? ROOT_INO);
    if (first !== null) stack.push(first);
    const listing = new Set<number>();
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      requireGoingOn(signal);
      if (frame.at >= frame.rows.length) {
        if (frame.isDone) {
          stack.pop();
          continue;
        }
        await this.#nextPage(frame, signal);
        await nextTurn();
      }
      const found = this.#take(set, frame, stack, listing);
      if (found.length > 0) yield found;
    }
  }

  /** The files of the page at hand up to the next directory, which is entered. */
  #take(set: GlobSet, frame: Frame, stack: Frame[], listing: Set<number>): MatchedFile[] {
    const found: MatchedFile[] = [];
    while (frame.at < frame.rows.length) {
      const node = frame.rows[frame.at];
      frame.at += 1;
      if (node === undefined) continue;
      if (node.dir) {
        const place = set.below(frame.place, node.name);
        if (place === null) continue;
        this.#listAhead(set, frame, listing);
        listing.delete(node.ino);
        stack.push(frameOf(set, node.ino, `${frame.path}${node.name}/`, place));
        return found;
      }
      const globs = set.claims(frame.place, node.name);
      if (globs.size > 0) found.push({ node, path: frame.path + node.name, globs });
    }
    return found;
  }

  #start(set: GlobSet, from: number): Frame | null {
    const components: string[] = [];
    for (let node = this.#index.node(from); node !== null && node.ino !== ROOT_INO;) {
      components.unshift(node.name);
      node = this.#index.node(node.parent);
    }
    const place = set.placeAt(components);
    const path = components.map((component) => `${component}/`).join('');
    return place === null ? null : frameOf(set, from, path, place);
  }

  async #nextPage(frame: Frame, signal: AbortSignal | undefined): Promise<void> {
    frame.at = 0;
    frame.ahead = 0;
    if (frame.names !== null) {
      const names = frame.names.splice(0, PAGE);
      const rows: NodeRow[] = [];
      for (const name of names) {
        const node = await this.#find(frame.ino, name, signal);
        if (node !== null) rows.push(node);
      }
      frame.rows = rows;
      frame.isDone = frame.names.length === 0;
      return;
    }
    await this.#listed(frame.ino, signal);
    frame.rows = this.#index.children(frame.ino, frame.after, PAGE);
    frame.after = frame.rows.at(-1)?.ino ?? frame.after;
    frame.isDone = frame.rows.length < PAGE;
  }

  async #find(dir: number, name: string, signal: AbortSignal | undefined): Promise<NodeRow | null> {
    for (;;) {
      const found = this.#index.lookup(dir, name);
      if (found !== null || this.#index.isListed(dir) || this.#lister.decided(dir, name)) return found;
      if (!(await this.#progress(dir, signal))) return null;
    }
  }

  async #listed(dir: number, signal: AbortSignal | undefined): Promise<void> {
    while (!this.#index.isListed(dir)) if (!(await this.#progress(dir, signal))) return;
  }

  /** @returns false where the directory is gone meanwhile */
  async #progress(dir: number, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await orAborted(this.#lister.progress(dir), signal);
      return true;
    } catch (error) {
      const node = this.#index.node(dir);
      if (DlfsError.from(error).code !== 'interrupted' && (node === null || node.superseded)) return false;
      throw error;
    }
  }

  /** Starts to list what the walk comes to next. What fails here fails again, and is told, when it is there. */
  #listAhead(set: GlobSet, frame: Frame, listing: Set<number>): void {
    for (frame.ahead = Math.max(frame.ahead, frame.at); frame.ahead < frame.rows.length; frame.ahead++) {
      if (listing.size >= LIST_AHEAD) return;
      const node = frame.rows[frame.ahead];
      if (node?.dir !== true || this.#index.isListed(node.ino) || set.below(frame.place, node.name) === null) continue;
      listing.add(node.ino);
      this.#lister.progress(node.ino).catch(() => undefined);
    }
  }
}

function frameOf(set: GlobSet, ino: number, path: string, place: GlobPlace): Frame {
  const names = set.names(place);
  return { ino, path, place, names, rows: [], at: 0, ahead: 0, after: 0, isDone: false };
}
