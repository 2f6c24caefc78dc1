/**
 * Names and attributes: answers LOOKUP, GETATTR, READDIR(PLUS), xattrs and STATFS from the snapshot.
 *
 * A name that the snapshot has is answered at once from the index. One in a directory that has not been listed yet waits for
 * the listing, and is answered as soon as the listing has come by it, not when it is complete; so is READDIR, which hands out
 * entries while pages still arrive.
 *
 * Invariants:
 * 1. Every slot gets exactly one answer; an error becomes the errno of its code and one log line.
 * 2. A name is answered as absent only when its directory is listed, or its first listing has passed the name.
 * 3. No answer does work proportional to the directory: READDIR reads what fits into one reply.
 */
import { constants } from 'node:os';
import { DlfsError } from '../../base/errors.ts';
import { errnoOf } from '../../base/errors/errno.ts';
import type { Logger } from '../../base/log.ts';
import type { EntryRow, NodeRow, SnapshotInfo } from '../../cache/index/rows.ts';
import type { Engine } from '../../native/binding.ts';
import type { NativeEvent } from '../../native/events.ts';
import { inoBefore, packEntries } from './directory-stream.ts';

/** What the service reads. */
export interface NameIndex {
  lookup(parent: number, name: string): NodeRow | null;
  node(ino: number): NodeRow | null;
  entries(parent: number, afterIno: number, limit: number): EntryRow[];
  isListed(dir: number): boolean;
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

/** What the service is made of. */
export interface NameServiceOptions {
  readonly engine: Engine;
  readonly index: NameIndex;
  readonly lister: DirectoryLister;
  readonly log: Logger;
  /** Share of a file's blocks that are on the disk. */
  readonly residentShare: (ino: number) => number;
  /** A name was looked up: whoever opens it next may read from the kernel's cache alone. */
  readonly onLookup: (node: NodeRow) => void;
}

const { ENAMETOOLONG, ENOENT, ENOTDIR, ESTALE, ENODATA } = constants.errno;
const NAME_MAX = 255;
/** Bytes of the smallest READDIR record, and of the smallest READDIRPLUS one: how many rows can fit into a reply. */
const SMALLEST_RECORD = 32;
const SMALLEST_RECORD_PLUS = 160;
/**
 * Entries of a reply at most: two milliseconds of the event loop. A program may ask for a megabyte at once, which holds ten
 * times as many; for an entry with attributes the kernel makes an inode, too, whether or not anybody wants it.
 */
const MOST_ENTRIES = 2048;
const MOST_ENTRIES_PLUS = 512;
const STATFS_BLOCK = 4096;

/** The extended attributes that a file has. */
const XATTRS = ['user.dlfs.etag', 'user.dlfs.cached'];

/** See the file's header. */
export class NameService {
  readonly #o: NameServiceOptions;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #session = 0;

  constructor(options: NameServiceOptions) {
    this.#o = options;
  }

  /** Whom to answer; set once the mount stands. */
  set session(session: number) {
    this.#session = session;
  }

  /** `lookup` event. */
  onLookup(event: NativeEvent): void {
    const { a: slot, b: parent } = event;
    if (event.bytes.length > NAME_MAX) {
      this.#error(slot, ENAMETOOLONG);
      return;
    }
    const name = this.#decode(event.bytes);
    if (name === null) {
      this.#negative(slot); // not UTF-8: no key has that name
      return;
    }
    if (this.#tryLookup(slot, parent, name)) return;
    this.#later(slot, 'lookup', parent, async () => {
      do {
        await this.#o.lister.progress(parent);
      } while (!this.#tryLookup(slot, parent, name));
    });
  }

  /** `getattr` event. */
  onGetattr(event: NativeEvent): void {
    const { a: slot, b: ino } = event;
    const node = this.#o.index.node(ino);
    if (node === null) this.#error(slot, ESTALE);
    else this.#o.engine.replyAttr(this.#session, slot, ino, node.size, node.mtimeMs, node.dir);
  }

  /** `readdir` event. */
  onReaddir(event: NativeEvent): void {
    const { a: slot, b: ino, c: cookie, d: size } = event;
    const plus = event.e === 1;
    if (this.#tryReaddir(slot, ino, cookie, size, plus)) return;
    this.#later(slot, 'readdir', ino, async () => {
      do {
        await this.#o.lister.progress(ino);
      } while (!this.#tryReaddir(slot, ino, cookie, size, plus));
    });
  }

  /** `getxattr` event; the data plane lets only our own names through. */
  onGetxattr(event: NativeEvent): void {
    const { a: slot, b: ino, c: asked } = event;
    const node = this.#o.index.node(ino);
    const value = node === null || node.dir ? null : this.#xattr(node, this.#decode(event.bytes) ?? '');
    if (value === null) this.#error(slot, ENODATA);
    else this.#o.engine.replyXattr(this.#session, slot, asked, value);
  }

  /** `listxattr` event. */
  onListxattr(event: NativeEvent): void {
    const node = this.#o.index.node(event.b);
    const names = node === null || node.dir ? '' : XATTRS.map((name) => `${name}\0`).join('');
    this.#o.engine.replyXattr(this.#session, event.a, event.c, names);
  }

  /** `statfs` event: the dataset's size, full. */
  onStatfs(event: NativeEvent): void {
    const { bytes, files, dirs } = this.#o.index.snapshot();
    this.#o.engine.replyStatfs(this.#session, event.a, STATFS_BLOCK, Math.ceil(bytes / STATFS_BLOCK), files + dirs);
  }

  #xattr(node: NodeRow, name: string): string | null {
    if (name === 'user.dlfs.etag') return node.etag;
    if (name === 'user.dlfs.cached') return String(Math.floor(this.#o.residentShare(node.ino) * 10_000) / 10_000);
    return null;
  }

  /** @returns false when the listing has to say */
  #tryLookup(slot: number, parent: number, name: string): boolean {
    const node = this.#o.index.lookup(parent, name);
    if (node !== null) {
      this.#o.onLookup(node);
      this.#o.engine.replyEntry(this.#session, slot, node.ino, node.size, node.mtimeMs, node.dir);
      return true;
    }
    if (!this.#o.index.isListed(parent) && !this.#o.lister.decided(parent, name)) return false;
    this.#negative(slot);
    return true;
  }

  #tryReaddir(slot: number, ino: number, cookie: number, size: number, plus: boolean): boolean {
    const { index, engine } = this.#o;
    const self = index.node(ino);
    if (self === null) {
      this.#error(slot, ENOENT);
      return true;
    }
    if (!self.dir) {
      this.#error(slot, ENOTDIR);
      return true;
    }
    const limit = plus
      ? Math.min(MOST_ENTRIES_PLUS, Math.ceil(size / SMALLEST_RECORD_PLUS))
      : Math.min(MOST_ENTRIES, Math.ceil(size / SMALLEST_RECORD));
    const rows = index.entries(ino, inoBefore(cookie), limit);
    // An empty reply is the end of the directory: only a complete listing may say so.
    if (rows.length === 0 && !index.isListed(ino)) return false;
    const { meta, names } = packEntries(cookie, { ino, parent: self.parent }, rows);
    engine.replyDir(this.#session, slot, size, plus, meta, names);
    return true;
  }

  #later(slot: number, what: string, dir: number, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      const known = DlfsError.from(error);
      if (known.code !== 'interrupted') this.#o.log.warn(`${what} failed: ${known.message}`, { dir, err: known });
      this.#error(slot, errnoOf(known.code === 'interrupted' ? 'io' : known.code));
    });
  }

  #negative(slot: number): void {
    this.#o.engine.replyEntry(this.#session, slot, 0, 0, 0, false);
  }

  #error(slot: number, errno: number): void {
    this.#o.engine.replyError(this.#session, slot, errno);
  }

  #decode(bytes: Uint8Array): string | null {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return null;
    }
  }
}
