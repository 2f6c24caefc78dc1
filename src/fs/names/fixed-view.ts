/**
 * Names as they were at one moment: for a transport that cannot tell the kernel what has changed.
 *
 * The kernel keeps pages and attributes of a path for as long as it likes where nobody tells it otherwise. So a path must mean
 * the same version for as long as the mount lives: the first one that was visible since the mount was made. A directory that
 * nobody had looked into yet is fixed when it is first listed.
 *
 * Invariants:
 * 1. A name that has stood for something stands for it for as long as the view is in use; what it stands for is kept in the
 *    index as long as somebody says that the kernel holds it (`KernelNames.lookups`).
 * 2. Only the totals are those of now.
 */
import type { EntryRow, NodeRow, SnapshotInfo } from '../../cache/index/rows.ts';
import type { NameView } from './names.ts';

/** What the view is made of; `CacheIndex` is one. */
export interface StatefulIndex {
  readonly cur: number;
  lookupSince(parent: number, name: string, since: number): NodeRow | null;
  childrenSince(parent: number, afterIno: number, limit: number, since: number): NodeRow[];
  node(ino: number): NodeRow | null;
  isListed(dir: number): boolean;
  snapshot(): SnapshotInfo;
}

/** See the file's header. */
export class FixedView implements NameView {
  readonly #index: StatefulIndex;
  readonly #since: number;

  /** Fixes the names as they are now. */
  constructor(index: StatefulIndex) {
    this.#index = index;
    this.#since = index.cur;
  }

  lookup(parent: number, name: string): NodeRow | null {
    return this.#index.lookupSince(parent, name, this.#since);
  }

  node(ino: number): NodeRow | null {
    return this.#index.node(ino);
  }

  entries(parent: number, afterIno: number, limit: number): EntryRow[] {
    return this.#index.childrenSince(parent, afterIno, limit, this.#since).map(entryOf);
  }

  isListed(dir: number): boolean {
    // One that the origin no longer has cannot be listed any more: what is known of it is all.
    return this.#index.isListed(dir) || (this.#index.node(dir)?.superseded ?? true);
  }

  snapshot(): SnapshotInfo {
    return this.#index.snapshot();
  }
}

function entryOf({ ino, name, dir, size, mtimeMs }: NodeRow): EntryRow {
  return { ino, name, dir: dir ? 1 : 0, size, mtimeMs };
}
