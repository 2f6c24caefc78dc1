/**
 * The native addon as TypeScript sees it: everything that crosses, in the order of `native/src/binding/`.
 *
 * Only plain values cross. Numbers named `ino`, `slot`, `run`, `task` are integers below 2^53; `errno` is a positive Linux
 * error number. Validation of meaning and every default stay on this side. `native/BOUNDARY.md` is the same surface as
 * one page of prose, with the events.
 *
 * Invariants:
 * 1. Calls are cheap and never wait, but for `close()`.
 * 2. Buffers that are passed in are used during the call only, but for that of `read`.
 */
import { fileURLToPath } from 'node:url';
import { openAddon, processRuntime } from './addon-file.ts';

/** Threads and memory of an engine. */
export interface EngineOptions {
  readonly sessionThreads: number;
  readonly diskThreads: number;
  readonly fetchThreads: number;
  /** Bytes of block buffers, a hard cap. */
  readonly memory: number;
  /** Cache files open at once, of all volumes together. */
  readonly openFiles: number;
  /** File states kept in memory, of all volumes together; more are asked for again by `resolve` events. Some 300 bytes each. */
  readonly fileStates: number;
}

/** One dataset's blocks. */
export interface VolumeOptions {
  /** Existing folder of the cache files, owned by the caller. */
  readonly objectsDir: string;
  /** Bytes, a power of two. */
  readonly blockSize: number;
  /** Bytes of blocks that are kept in memory because they cannot be stored. */
  readonly maxVolatile: number;
}

/** A literal address. */
export interface Address {
  readonly address: string;
  readonly port: number;
}

/** Where GETs go. */
export interface EndpointOptions {
  readonly addresses: readonly Address[];
  readonly tls: { readonly serverName: string; readonly caPems: readonly string[] } | null;
  /** CONNECT through an HTTP proxy whose addresses stand above; `authorization` may be empty. */
  readonly tunnel: { readonly authority: string; readonly authorization: string } | null;
}

/** One ranged GET for consecutive blocks. */
export interface RunRequest {
  readonly run: number;
  readonly endpoint: number;
  readonly ino: number;
  readonly first: number;
  readonly count: number;
  /** The etag that the answer must carry, with its quotes; empty: unchecked. */
  readonly etag: string;
  /** The Last-Modified that the answer must carry if it carries one: this second since 1970 or the next; 0: unchecked. */
  readonly modified: number;
  readonly demand: boolean;
  /** False: serve from memory, do not write to disk. */
  readonly store: boolean;
  /** The whole request head, latin1. */
  readonly head: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /** 0: none. */
  readonly deadlineMs: number;
}

/** A mount to make. */
export interface MountRequest {
  readonly dir: string;
  readonly source: string;
  readonly allowOther: boolean;
  /** Not at `dir` yet: `attachMount` puts it there when it is ready. */
  readonly detached: boolean;
  readonly passthrough: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly dirMode: number;
  /** Seconds. */
  readonly entryTtl: number;
  readonly attrTtl: number;
  /** Bytes. */
  readonly maxReadahead: number;
  /** 0: wait for ever. */
  readonly ioTimeoutMs: number;
}

/** Counters of one volume since it was added. */
export interface VolumeStats {
  /** READ requests, and the bytes that they were answered. */
  readonly reads: number;
  readonly readBytes: number;
  /** Of them: answered at once from the cache file. */
  readonly hitReads: number;
  readonly hitBytes: number;
  /** Nanoseconds that these spent reading the cache file; an estimate from every 17th. */
  readonly hitDiskNs: number;
  /** Reads that had to wait, and nanoseconds in all. */
  readonly waitedReads: number;
  readonly waitedNs: number;
  /** Of these nanoseconds: until the file's state was known, */
  readonly waitedIndexNs: number;
  /** until a GET for the last missing block was sent, */
  readonly waitedQueueNs: number;
  /** from there until the bytes were in memory, */
  readonly waitedOriginNs: number;
  /** and for the disk, where a part was there. */
  readonly waitedDiskNs: number;
  readonly failedReads: number;
  /** Opens that the kernel asked for (passthrough connections only), and those that became passthrough. */
  readonly opens: number;
  readonly passthroughOpens: number;
  /** Bytes of bodies received from the origin, also of runs that failed later. */
  readonly fetchedBytes: number;
  readonly storedBytes: number;
  readonly storedBlocks: number;
  readonly lostBlocks: number;
  /** Requests that the control plane answered (names, attributes, folders, opens of unknown files), and nanoseconds. */
  readonly metadataRequests: number;
  readonly metadataNs: number;
  /** FUSE requests of all kinds. */
  readonly requests: number;
  readonly interrupts: number;
  readonly killed: number;
  /** Gauge: bytes of block buffers. */
  readonly memoryUsed: number;
}

/** The sums over all volumes since the engine started, and what volumes share; `memory*` are gauges in bytes. */
export interface EngineStats extends VolumeStats {
  readonly memoryCap: number;
  readonly fetchSubmitted: number;
  readonly fetchFinished: number;
  readonly fetchActive: number;
  readonly fetchConnects: number;
  readonly fetchConnectFailures: number;
  readonly fetchReused: number;
  readonly fetchBytes: number;
  readonly fetchBackPressure: number;
}

/** What `states` writes, a byte a block. */
export const BLOCK_STATE = { absent: 0, wanted: 1, receiving: 2, memory: 3, resident: 4 } as const;

/** All native threads and what they serve. Methods throw after `close()`. */
export interface Engine {
  /** Whole events into `buffer`; returns the bytes, 0 when there are none, -1 when the next event alone does not fit. */
  drain(buffer: Uint8Array): number;
  /** Joins all threads; blocks in flight to disk are written. */
  close(): Promise<void>;
  stats(): EngineStats;
  /** Throws for a volume that was removed. */
  volumeStats(volume: number): VolumeStats;

  /** Throws when the folder cannot be opened. */
  addVolume(options: VolumeOptions): number;
  removeVolume(volume: number): void;
  /** Answers a `resolve` event. `resident`: bitmap, least significant bit first. */
  attach(volume: number, ino: number, size: number, resident: Uint8Array, published: boolean): void;
  /**
   * Answers a `resolve` event after an unclean stop: reads `blocks` back first; whose hash differs counts as absent (a
   * `lost` event each, `taskDone` with EILSEQ).
   */
  attachChecked(
    volume: number,
    task: number,
    ino: number,
    size: number,
    resident: Uint8Array,
    published: boolean,
    blocks: Float64Array,
    hashes: BigUint64Array,
  ): void;
  /** Answers a `resolve` event: the file cannot be had. */
  detach(volume: number, ino: number, errno: number): void;
  /** Writes one BLOCK_STATE a block from `first` on into `out`. */
  states(volume: number, ino: number, first: number, out: Uint8Array): void;
  /** What waiting READs of the file need: first block and count of each, one after the other; they may overlap. */
  awaited(volume: number, ino: number): Float64Array;
  /** Waiters of these blocks get `errno`. */
  failBlocks(volume: number, ino: number, first: number, count: number, errno: number): void;
  /** The first read of this block raises a `mark` event. */
  mark(volume: number, ino: number, block: number): void;
  /** Punches blocks; `taskDone` with EBUSY for a published file. */
  dropBlocks(volume: number, task: number, ino: number, first: number, count: number): void;
  /** Unlinks the cache file; `taskDone`'s value is 1 when the kernel still has it open (a `freed` event follows). */
  dropFile(volume: number, task: number, ino: number): void;
  /** Reads blocks back; `taskDone` with EILSEQ when one does not have its hash (a `lost` event each). */
  verify(volume: number, task: number, ino: number, blocks: Float64Array, hashes: BigUint64Array): void;
  /** Allows passthrough opens. False when the file is not whole. */
  publish(volume: number, ino: number): boolean;
  /** Makes the data of these files durable; `taskDone`. */
  sync(volume: number, task: number, inos: Float64Array): void;
  /** Files read since the last call. */
  drainTouched(volume: number): Float64Array;
  openCount(volume: number, ino: number): number;
  /**
   * Reads into `buffer`, 1 MiB at most, as a READ of a connection would; `taskDone`'s value is the bytes read, fewer than asked
   * for at the end of the file alone; ETIMEDOUT after `timeoutMs` (0: never). The buffer is the engine's until `taskDone`:
   * call `NativeHost.read`, which holds it. `reader` tells streams apart for readahead; 0: not known.
   */
  read(
    volume: number,
    task: number,
    ino: number,
    offset: number,
    buffer: Uint8Array,
    reader: number,
    timeoutMs: number,
  ): void;

  addEndpoint(options: EndpointOptions): number;
  updateAddresses(endpoint: number, addresses: readonly Address[]): void;
  removeEndpoint(endpoint: number): void;
  /** False when a block of the run is already there or under way, or the file is not attached. */
  fetch(volume: number, request: RunRequest): boolean;
  cancel(run: number): void;

  /** `errno` 0 on success; else `step` says what failed. */
  mount(volume: number, request: MountRequest): { errno: number; step: string; session: number };
  /**
   * Puts a detached mount at a directory, in one step: over what is mounted there, or beneath it (Linux 6.5), where it comes in
   * sight when that is unmounted. Once; a mount that could not be put there is gone. `device` is `major:minor`.
   */
  attachMount(session: number, dir: string, beneath: boolean): { errno: number; device: string };
  /** Of waits from now on, and of those under way; 0: wait for ever. */
  setIoTimeout(session: number, ioTimeoutMs: number): void;
  removeSession(session: number): void;
  replyError(session: number, slot: number, errno: number): void;
  /** `ino` 0: a negative entry. */
  replyEntry(session: number, slot: number, ino: number, size: number, mtimeMs: number, dir: boolean): void;
  replyAttr(session: number, slot: number, ino: number, size: number, mtimeMs: number, dir: boolean): void;
  /** Six doubles an entry in `meta`: ino, size, mtimeMs, dir, cookie, bytes of its name; `names` follow each other. */
  replyDir(session: number, slot: number, size: number, plus: boolean, meta: Float64Array, names: Uint8Array): void;
  replyXattr(session: number, slot: number, asked: number, value: string): void;
  replyStatfs(session: number, slot: number, blockSize: number, blocks: number, files: number): void;
  /** Tells the kernel to forget: all names (`epoch`), cached data of inodes, single names. `taskDone` when it did. */
  invalidate(
    session: number,
    task: number,
    epoch: boolean,
    inodes: Float64Array,
    parents: Float64Array,
    names: readonly string[],
  ): void;
  /** How many references the kernel holds to the inode. */
  lookupCount(session: number, ino: number): number;
}

/** The addon's exports. */
export interface NativeBinding {
  /** `wake` is called on the event loop when events wait. */
  readonly Engine: new (options: EngineOptions, wake: () => void) => Engine;
  /** One datagram to a Unix socket, without waiting; a path that starts with @ is of the abstract namespace. Returns an errno. */
  sendDatagram(path: string, text: string): number;
  /**
   * Shows the mount that is seen at `from` at another directory, too, in one step: over what is mounted there, or beneath it
   * (Linux 6.5). `device` is `major:minor`.
   */
  showMount(from: string, dir: string, beneath: boolean): { errno: number; device: string };
  /** umount2(2); returns an errno. */
  unmount(dir: string, lazy: boolean): number;
  /** flock(2), exclusive and non-blocking, as long as the descriptor lives; returns an errno. */
  lock(fd: number): number;
  /** Raises the soft limit of descriptors to the hard one and returns it. */
  raiseDescriptorLimit(): number;
  /** dlopen(3): loads a shared library for those loaded later that need one of its name; empty, or why it cannot be. */
  preload(path: string): string;
  /** XXH64 with seed 0. */
  xxh64(bytes: Uint8Array): bigint;
  /** The major version of the OpenSSL whose headers it was compiled with; `addon-file.ts` compares it with node's. */
  readonly opensslMajor: number;
}

/**
 * Loads the addon.
 * @returns its exports
 * @throws DlfsError `unsupported` where there is none that works on this machine; see `addon-file.ts`
 */
export function loadNative(): NativeBinding {
  // src/native/ and, compiled, dist/native/: the package's root is two up from both.
  return openAddon(fileURLToPath(new URL('../..', import.meta.url)), processRuntime()) as NativeBinding;
}
