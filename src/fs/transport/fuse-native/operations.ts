/**
 * The operations of a mount of libfuse: each request of the kernel that is not about writing, answered from names and blocks.
 *
 * Writing never comes this far: the mount is read-only, and the kernel refuses by itself. So do operations that are not listed
 * here: libfuse answers ENOSYS for them, and the kernel does without.
 *
 * Invariants:
 * 1. Every call is answered exactly once, within the limit of a wait: by what was asked for, or an errno.
 * 2. Memory that libfuse lends for an answer is written to until that answer only.
 * 3. A failure is one line in the log.
 */
import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import { errnoOf } from '../../../base/errors/errno.ts';
import type { Logger } from '../../../base/log.ts';
import type { NodeRow } from '../../../cache/index/rows.ts';
import type { TaskResult } from '../../../native/host.ts';
import { NAME_MAX, type Names } from '../../names/names.ts';
import { OPERATIONS, type FuseAddon, type Handlers } from './addon.ts';
import { statOf, statvfsOf, type Ownership } from './encode.ts';
import { OpenFiles } from './open-files.ts';
import { baseName, Paths } from './paths.ts';

/** What the operations are made of. */
export interface OperationsOptions {
  readonly addon: FuseAddon;
  readonly names: Names;
  /** Reads bytes of a version; ETIMEDOUT at the limit of a wait. */
  readonly read: (ino: number, offset: number, into: Uint8Array) => Promise<TaskResult>;
  readonly own: Ownership;
  /** Milliseconds; 0: wait for ever. */
  readonly ioTimeoutMs: () => number;
  /** The kernel has begun to ask. */
  readonly onReady: () => void;
  /** A file was opened: it may be read from the kernel's cache alone. */
  readonly onOpen: (node: NodeRow) => void;
  /** A wait for this file has reached its limit. */
  readonly onTimeout: (ino: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const { EIO, ENAMETOOLONG, ENODATA, ENOENT, ENOTDIR, ERANGE, ESTALE, ETIMEDOUT } = constants.errno;
const TWO_32 = 2 ** 32;
/** Entries taken from the index before the event loop gets its turn. */
const PAGE = 2000;

/** An answer that is an errno, without a line in the log: it is what the caller asked about. */
class Refusal {
  readonly errno: number;
  constructor(errno: number) {
    this.errno = errno;
  }
}

interface Listing {
  readonly names: readonly string[];
  readonly stats: readonly Uint32Array[];
}

const NOTHING: Listing = { names: [], stats: [] };

/** See the file's header. */
export class Operations {
  readonly #o: OperationsOptions;
  readonly #paths: Paths;
  readonly #files = new OpenFiles();
  #closed = false;

  constructor(options: OperationsOptions) {
    this.#o = options;
    this.#paths = new Paths(options.names);
  }

  /** How many files are open. */
  get openFiles(): number {
    return this.#files.size;
  }

  /** From now on everything is answered with ENOTCONN. */
  close(): void {
    this.#closed = true;
  }

  /** For `fuse_native_mount`. */
  readonly handlers: Handlers = {
    init: (local) => {
      this.#o.addon.fuse_native_signal_init(local, 0);
      this.#o.onReady();
    },
    getattr: (local, _, path) => {
      this.#answer(
        'getattr',
        path,
        () => this.#stat(this.#find(path)),
        (result, stat) => {
          this.#o.addon.fuse_native_signal_getattr(local, result, stat ?? statOf(null, this.#o.own));
        },
      );
    },
    fgetattr: (local, _, path, fd) => {
      const ino = this.#files.ino(fd);
      this.#answer(
        'getattr',
        path,
        () => this.#stat(ino === null ? this.#find(path) : (this.#o.names.node(ino) ?? new Refusal(ESTALE))),
        (result, stat) => {
          this.#o.addon.fuse_native_signal_fgetattr(local, result, stat ?? statOf(null, this.#o.own));
        },
      );
    },
    statfs: (local, _, path) => {
      this.#answer(
        'statfs',
        path,
        () => statvfsOf(this.#o.names.totals()),
        (result, statvfs) => {
          this.#o.addon.fuse_native_signal_statfs(local, result, statvfs ?? new Uint32Array(11));
        },
      );
    },
    readdir: (local, _, path) => {
      this.#answer(
        'readdir',
        path,
        async () => this.#list(await this.#find(path)),
        (result, listing) => {
          const { names, stats } = listing ?? NOTHING;
          this.#o.addon.fuse_native_signal_readdir(local, result, names, stats);
        },
      );
    },
    open: (local, _, path) => {
      this.#answer(
        'open',
        path,
        () => then(this.#find(path), (node) => node ?? new Refusal(ENOENT)),
        (result, node) => {
          this.#o.addon.fuse_native_signal_open(local, result, node === null ? 0 : this.#open(node));
        },
      );
    },
    release: (local, _, _path, fd) => {
      this.#files.release(fd);
      this.#o.addon.fuse_native_signal_release(local, 0);
    },
    read: (local, _, path, fd, into, _length, low, high) => {
      this.#read(fd, into, low + high * TWO_32).then(
        (result) => {
          this.#o.addon.fuse_native_signal_read(local, result, 0, into.buffer);
        },
        (error: unknown) => {
          this.#o.addon.fuse_native_signal_read(local, -this.#errno('read', path, error), 0, into.buffer);
        },
      );
    },
    getxattr: (local, _, path, name, into) => {
      this.#answer(
        'getxattr',
        path,
        () =>
          then(this.#find(path), (node) => {
            const value = node === null ? null : this.#o.names.xattr(node.ino, name);
            return node === null ? new Refusal(ENOENT) : (value ?? new Refusal(ENODATA));
          }),
        (result, value) => {
          const filled = value === null ? result : fill(into, value);
          this.#o.addon.fuse_native_signal_getxattr(local, filled, into.buffer);
        },
      );
    },
    listxattr: (local, _, path, into) => {
      this.#answer(
        'listxattr',
        path,
        () =>
          then(this.#find(path), (node) =>
            node === null
              ? new Refusal(ENOENT)
              : this.#o.names
                  .xattrs(node.ino)
                  .map((name) => `${name}\0`)
                  .join(''),
          ),
        (result, value) => {
          const filled = value === null ? result : fill(into, value);
          this.#o.addon.fuse_native_signal_listxattr(local, filled, into.buffer);
        },
      );
    },
  };

  #find(path: string): NodeRow | null | Refusal | Promise<NodeRow | null> {
    if (Buffer.byteLength(baseName(path)) > NAME_MAX) return new Refusal(ENAMETOOLONG);
    return this.#paths.find(path);
  }

  #stat(
    found: NodeRow | null | Refusal | Promise<NodeRow | null>,
  ): Uint32Array | Refusal | Promise<Uint32Array | Refusal> {
    return then(found, (node) => (node === null ? new Refusal(ENOENT) : statOf(node, this.#o.own)));
  }

  #open(node: NodeRow): number {
    this.#o.onOpen(node);
    return this.#files.open(node.ino);
  }

  async #list(found: NodeRow | null | Refusal): Promise<Listing | Refusal> {
    if (found instanceof Refusal) return found;
    if (found === null) return new Refusal(ENOENT);
    if (!found.dir) return new Refusal(ENOTDIR);
    const { names, own } = this.#o;
    const above = names.node(found.parent) ?? found;
    const listing = { names: ['.', '..'], stats: [statOf(found, own), statOf(above, own)] };
    for (let after = 0; !this.#closed;) {
      const rows = await names.entries(found.ino, after, PAGE);
      for (const row of rows) {
        listing.names.push(row.name);
        listing.stats.push(statOf(row, own));
      }
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.ino;
      await setImmediate();
    }
    return listing;
  }

  async #read(fd: number, into: Uint8Array, offset: number): Promise<number> {
    const ino = this.#files.ino(fd);
    if (ino === null || this.#closed) return -EIO;
    const { errno, value } = await this.#o.read(ino, offset, into);
    if (errno === ETIMEDOUT) {
      this.#o.onTimeout(ino);
      return -EIO;
    }
    return errno === 0 ? value : -errno;
  }

  /**
   * Runs an operation and answers with what it gives.
   * @param answer is called once: with 0 and the value, or with a negated errno and null
   */
  #answer<T>(
    what: string,
    path: string,
    work: () => T | Refusal | Promise<T | Refusal>,
    answer: (result: number, value: T | null) => void,
  ): void {
    let limit: Disposable | null = null;
    let answered = false;
    const settle = (result: number, value: T | null): void => {
      if (answered) return;
      answered = true;
      limit?.[Symbol.dispose]();
      answer(result, value);
    };
    const succeed = (value: T | Refusal): void => {
      if (value instanceof Refusal) settle(-value.errno, null);
      else settle(0, value);
    };
    const fail = (error: unknown): void => {
      if (!answered) settle(-this.#errno(what, path, error), null);
    };
    if (this.#closed) {
      settle(-constants.errno.ENOTCONN, null);
      return;
    }
    let value: T | Refusal | Promise<T | Refusal>;
    try {
      value = work();
    } catch (error) {
      fail(error);
      return;
    }
    if (!(value instanceof Promise)) {
      succeed(value);
      return;
    }
    const { clock } = this.#o;
    const ioTimeoutMs = this.#o.ioTimeoutMs();
    if (ioTimeoutMs > 0) {
      limit = clock.startTimer(ioTimeoutMs, () => {
        fail(new DlfsError('timeout', 'the origin did not answer within the limit (--io-timeout)'));
      });
    }
    value.then(succeed, fail);
  }

  #errno(what: string, path: string, error: unknown): number {
    const known = DlfsError.from(error);
    if (known.code === 'interrupted') return EIO;
    this.#o.log.warn(`${what} failed: ${known.message}`, { path, err: known });
    return errnoOf(known.code);
  }
}

/** `next` of a value that is there or is promised; a refusal stays one. */
function then<T, U>(
  value: T | Refusal | Promise<T | Refusal>,
  next: (value: T) => U | Refusal,
): U | Refusal | Promise<U | Refusal> {
  if (value instanceof Promise) return value.then((found) => (found instanceof Refusal ? found : next(found)));
  return value instanceof Refusal ? value : next(value);
}

/** Writes an attribute's value: its length, ERANGE where it does not fit; no room at all asks for the length. */
function fill(into: Uint8Array, value: string): number {
  const bytes = Buffer.from(value);
  if (into.length === 0) return bytes.length;
  if (bytes.length > into.length) return -ERANGE;
  into.set(bytes);
  return bytes.length;
}

/** Handlers by their numbers, and which are there, as `fuse_native_mount` takes them. */
export function tableOf(addon: FuseAddon, handlers: Handlers): { handlers: unknown[]; implemented: Uint32Array } {
  const numbers: Readonly<Record<keyof Handlers, number>> = {
    init: addon.op_init,
    getattr: addon.op_getattr,
    fgetattr: addon.op_fgetattr,
    statfs: addon.op_statfs,
    readdir: addon.op_readdir,
    open: addon.op_open,
    release: addon.op_release,
    read: addon.op_read,
    getxattr: addon.op_getxattr,
    listxattr: addon.op_listxattr,
  };
  const table: unknown[] = [];
  const implemented = new Uint32Array(OPERATIONS);
  for (const [name, handler] of Object.entries(handlers)) {
    const at = numbers[name as keyof Handlers];
    table[at] = handler;
    implemented[at] = 1;
  }
  return { handlers: table, implemented };
}
