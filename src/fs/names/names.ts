/**
 * Names and attributes, whoever asks for them: what a name stands for, what a directory holds, what a file is like.
 *
 * A name that the snapshot has is answered at once from the index. One in a directory that has not been listed yet waits for
 * the listing, and is answered as soon as the listing has come by it, not when it is complete; so are entries of a directory,
 * which are handed out while pages still arrive. Transports bring this to the kernel, each in its own form.
 *
 * Invariants:
 * 1. What is known is returned, not promised: no turn of the event loop for what is in the index.
 * 2. A name is absent only when its directory is listed, or its first listing has passed the name.
 * 3. An empty page of entries is the end of the directory: only a complete listing says so.
 * 4. No answer does work proportional to the directory.
 */
import type { EntryRow, NodeRow, SnapshotInfo } from '../../cache/index/rows.ts';

/** What names are read from: the index, or a state of it. */
export interface NameView {
  /** What a name stands for; null where it stands for nothing, or the directory is not listed yet. */
  lookup(parent: number, name: string): NodeRow | null;
  /** A file or directory by its number, superseded ones included; null where it is none. */
  node(ino: number): NodeRow | null;
  /** Entries of a directory by number, after `afterIno` (0 at the start). */
  entries(parent: number, afterIno: number, limit: number): EntryRow[];
  /** Whether all entries of a directory are known. */
  isListed(dir: number): boolean;
  /** Totals. */
  snapshot(): SnapshotInfo;
}

/** Lists directories on demand. */
export interface DirectoryLister {
  /**
   * Resolves when the directory's listing made progress or ended since the call; starts it where it is not under way.
   * @throws DlfsError when it failed
   */
  progress(dir: number): Promise<void>;
  /** Whether the listing under way has passed this name. */
  decided(dir: number, name: string): boolean;
}

/** What names are made of. */
export interface NamesOptions {
  readonly view: NameView;
  readonly lister: DirectoryLister;
  /** Share of a file's blocks that are on the disk. */
  readonly residentShare: (ino: number) => number;
}

/** What statfs(2) tells: the dataset's size, full. */
export interface FileSystemTotals {
  readonly blockSize: number;
  readonly blocks: number;
  /** Files and directories. */
  readonly files: number;
}

/** Bytes that a name may have (NAME_MAX). */
export const NAME_MAX = 255;

const STATFS_BLOCK = 4096;

/** The extended attributes that a file has. */
const XATTRS = ['user.dlfs.etag', 'user.dlfs.cached'] as const;
const NO_XATTRS: readonly string[] = [];

/** See the file's header. */
export class Names {
  readonly #o: NamesOptions;

  constructor(options: NamesOptions) {
    this.#o = options;
  }

  /**
   * What a name stands for; null where it stands for nothing.
   * @throws DlfsError (by the promise) when the directory cannot be listed
   */
  lookup(parent: number, name: string): NodeRow | null | Promise<NodeRow | null> {
    const known = this.#tryLookup(parent, name);
    return known === undefined ? this.#lookupLater(parent, name) : known;
  }

  /** A file or directory by its number; null where there is none. */
  node(ino: number): NodeRow | null {
    return this.#o.view.node(ino);
  }

  /**
   * Entries of a directory by number, after `afterIno` (0 at the start); none: that was the last.
   * @param limit of entries; fewer come while the listing is under way
   * @throws DlfsError (by the promise) when the directory cannot be listed
   */
  entries(dir: number, afterIno: number, limit: number): EntryRow[] | Promise<EntryRow[]> {
    const known = this.#tryEntries(dir, afterIno, limit);
    return known ?? this.#entriesLater(dir, afterIno, limit);
  }

  /** Names of a file's extended attributes; a directory has none. */
  xattrs(ino: number): readonly string[] {
    const node = this.#o.view.node(ino);
    return node === null || node.dir ? NO_XATTRS : XATTRS;
  }

  /** The value of an extended attribute; null where there is none of that name. */
  xattr(ino: number, name: string): string | null {
    const node = this.#o.view.node(ino);
    if (node === null || node.dir) return null;
    if (name === 'user.dlfs.etag') return node.etag;
    if (name === 'user.dlfs.cached') return String(Math.floor(this.#o.residentShare(ino) * 10_000) / 10_000);
    return null;
  }

  /** What statfs(2) tells. */
  totals(): FileSystemTotals {
    const { bytes, files, dirs } = this.#o.view.snapshot();
    return { blockSize: STATFS_BLOCK, blocks: Math.ceil(bytes / STATFS_BLOCK), files: files + dirs };
  }

  /** undefined: the listing has to say. */
  #tryLookup(parent: number, name: string): NodeRow | null | undefined {
    const { view, lister } = this.#o;
    const node = view.lookup(parent, name);
    if (node !== null) return node;
    return view.isListed(parent) || lister.decided(parent, name) ? null : undefined;
  }

  async #lookupLater(parent: number, name: string): Promise<NodeRow | null> {
    for (;;) {
      await this.#o.lister.progress(parent);
      const known = this.#tryLookup(parent, name);
      if (known !== undefined) return known;
    }
  }

  #tryEntries(dir: number, afterIno: number, limit: number): EntryRow[] | undefined {
    const rows = this.#o.view.entries(dir, afterIno, limit);
    return rows.length > 0 || this.#o.view.isListed(dir) ? rows : undefined;
  }

  async #entriesLater(dir: number, afterIno: number, limit: number): Promise<EntryRow[]> {
    for (;;) {
      await this.#o.lister.progress(dir);
      const known = this.#tryEntries(dir, afterIno, limit);
      if (known !== undefined) return known;
    }
  }
}
