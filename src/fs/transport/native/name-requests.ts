/**
 * Requests about names and attributes as the data plane hands them over: LOOKUP, GETATTR, READDIR(PLUS), xattrs and STATFS.
 *
 * Invariants:
 * 1. Every slot gets exactly one answer; an error becomes the errno of its code and one log line.
 * 2. No answer does work proportional to the directory: READDIR reads what fits into one reply.
 */
import { constants } from 'node:os';
import { DlfsError } from '../../../base/errors.ts';
import { errnoOf } from '../../../base/errors/errno.ts';
import type { Logger } from '../../../base/log.ts';
import type { EntryRow, NodeRow } from '../../../cache/index/rows.ts';
import type { Engine } from '../../../native/binding.ts';
import { EVENT, type NativeEvent } from '../../../native/events.ts';
import { NAME_MAX, type Names } from '../../names/names.ts';
import { inoBefore, packEntries } from './directory-stream.ts';

/** What the requests are answered with. */
export interface NameRequestsOptions {
  readonly engine: Engine;
  readonly names: Names;
  /** A name was looked up: whoever opens it next may read from the kernel's cache alone. */
  readonly onLookup: (node: NodeRow) => void;
  readonly log: Logger;
}

const { ENAMETOOLONG, ENOENT, ENOTDIR, ESTALE, ENODATA } = constants.errno;
/** Bytes of the smallest READDIR record, and of the smallest READDIRPLUS one: how many rows can fit into a reply. */
const SMALLEST_RECORD = 32;
const SMALLEST_RECORD_PLUS = 160;
/**
 * Entries of a reply at most: two milliseconds of the event loop. A program may ask for a megabyte at once, which holds ten
 * times as many; for an entry with attributes the kernel makes an inode, too, whether or not anybody wants it.
 */
const MOST_ENTRIES = 2048;
const MOST_ENTRIES_PLUS = 512;

/** See the file's header. */
export class NameRequests {
  readonly #o: NameRequestsOptions;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #session = 0;

  constructor(options: NameRequestsOptions) {
    this.#o = options;
  }

  /** Whom to answer; set once the mount stands. */
  set session(session: number) {
    this.#session = session;
  }

  /** Handles an event of the session, if it is a request about names. */
  handle(event: NativeEvent): void {
    switch (event.type) {
      case EVENT.lookup:
        this.#lookup(event);
        break;
      case EVENT.getattr:
        this.#getattr(event);
        break;
      case EVENT.readdir:
        this.#readdir(event);
        break;
      case EVENT.getxattr:
        this.#getxattr(event);
        break;
      case EVENT.listxattr:
        this.#listxattr(event);
        break;
      case EVENT.statfs:
        this.#statfs(event);
        break;
    }
  }

  #lookup(event: NativeEvent): void {
    const { a: slot, b: parent } = event;
    if (event.bytes.length > NAME_MAX) {
      this.#error(slot, ENAMETOOLONG);
      return;
    }
    const name = this.#decode(event.bytes);
    if (name === null) {
      this.#entry(slot, null); // not UTF-8: no key has that name
      return;
    }
    const found = this.#o.names.lookup(parent, name);
    if (found instanceof Promise) {
      this.#later(slot, 'lookup', parent, found, (node) => {
        this.#entry(slot, node);
      });
    } else this.#entry(slot, found);
  }

  #getattr(event: NativeEvent): void {
    const { a: slot, b: ino } = event;
    const node = this.#o.names.node(ino);
    if (node === null) this.#error(slot, ESTALE);
    else this.#o.engine.replyAttr(this.#session, slot, ino, node.size, node.mtimeMs, node.dir);
  }

  #readdir(event: NativeEvent): void {
    const { a: slot, b: ino, c: cookie, d: size } = event;
    const plus = event.e === 1;
    const self = this.#o.names.node(ino);
    if (self?.dir !== true) {
      this.#error(slot, self === null ? ENOENT : ENOTDIR);
      return;
    }
    const reply = (rows: readonly EntryRow[]): void => {
      const { meta, names } = packEntries(cookie, { ino, parent: self.parent }, rows);
      this.#o.engine.replyDir(this.#session, slot, size, plus, meta, names);
    };
    const limit = plus
      ? Math.min(MOST_ENTRIES_PLUS, Math.ceil(size / SMALLEST_RECORD_PLUS))
      : Math.min(MOST_ENTRIES, Math.ceil(size / SMALLEST_RECORD));
    const rows = this.#o.names.entries(ino, inoBefore(cookie), limit);
    if (rows instanceof Promise) this.#later(slot, 'readdir', ino, rows, reply);
    else reply(rows);
  }

  /** The data plane lets only our own names through. */
  #getxattr(event: NativeEvent): void {
    const { a: slot, b: ino, c: asked } = event;
    const value = this.#o.names.xattr(ino, this.#decode(event.bytes) ?? '');
    if (value === null) this.#error(slot, ENODATA);
    else this.#o.engine.replyXattr(this.#session, slot, asked, value);
  }

  #listxattr(event: NativeEvent): void {
    const list = this.#o.names.xattrs(event.b).map((name) => `${name}\0`);
    this.#o.engine.replyXattr(this.#session, event.a, event.c, list.join(''));
  }

  #statfs(event: NativeEvent): void {
    const { blockSize, blocks, files } = this.#o.names.totals();
    this.#o.engine.replyStatfs(this.#session, event.a, blockSize, blocks, files);
  }

  #later<T>(slot: number, what: string, dir: number, promised: Promise<T>, reply: (value: T) => void): void {
    promised.then(reply).catch((error: unknown) => {
      const known = DlfsError.from(error);
      if (known.code !== 'interrupted') this.#o.log.warn(`${what} failed: ${known.message}`, { dir, err: known });
      this.#error(slot, errnoOf(known.code === 'interrupted' ? 'io' : known.code));
    });
  }

  #entry(slot: number, node: NodeRow | null): void {
    if (node === null) {
      this.#o.engine.replyEntry(this.#session, slot, 0, 0, 0, false); // a negative entry
      return;
    }
    this.#o.onLookup(node);
    this.#o.engine.replyEntry(this.#session, slot, node.ino, node.size, node.mtimeMs, node.dir);
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
