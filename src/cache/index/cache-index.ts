/**
 * The index of a cache folder: what the source holds, and what of it lies on the disk.
 *
 * Two halves. Reading is done on the caller's thread, synchronously, in microseconds (reader.ts). Writing is done by a thread
 * of a pool, the only writer (worker/): the caller's event loop never waits for a disk. Both use one SQLite database in WAL mode.
 *
 * Invariants:
 * 1. What `cur` names is immutable except for names added to directories that were not listed: readers see a switch as one step.
 * 2. An inode number names one version of one object for ever; a directory keeps its own while the index knows it.
 * 3. Blocks are recorded after their data is on the disk, and forgotten before it is given up; both by the caller's order of calls.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { BlockRange } from '../policy/geometry.ts';
import { IndexHost } from './index-host.ts';
import { DirectoryListing, FullListing } from './listing-handles.ts';
import type { AuditResult } from './protocol.ts';
import { IndexReader } from './reader.ts';
import type {
  BlockHash,
  CacheTotals,
  ColdObject,
  EntryRow,
  NodeRow,
  ObjectMap,
  ObjectRow,
  ObjectState,
  Opening,
  PinnedObject,
  PinRow,
  ScrubMark,
  SnapshotInfo,
  SupersededRow,
} from './rows.ts';
import { WriterPort } from './writer-port.ts';

/** Block sizes that are of use: at least the file system's unit, at most what one read is answered from. */
const BLOCK_SIZES = { least: 4096, most: 64 * 1024 * 1024 } as const;

/** What an index is opened with. */
export interface CacheIndexOptions {
  /** Path of the database, usually `<cache folder>/index.db`; its folder exists, and nobody else uses it. */
  readonly file: string;
  /** Bytes of a block: a power of two, 4 KiB to 64 MiB. */
  readonly blockSize: number;
  /** Key prefix of the mounted root: empty, or ending with a slash. */
  readonly prefix: string;
  readonly clock: Pick<Clock, 'wall' | 'startInterval'>;
  /** Who writes, and how much memory readers may take; without it the index has threads of its own, and ends them. */
  readonly host?: IndexHost;
}

/** See the file's header. */
export class CacheIndex implements AsyncDisposable {
  /** How opening went. */
  readonly opening: Opening;
  readonly #reader: IndexReader;
  readonly #port: WriterPort;
  readonly #clock: Pick<Clock, 'wall'>;
  readonly #owned: AsyncDisposableStack;
  readonly #directories = new Map<number, DirectoryListing>();
  #nextLane = 1;

  private constructor(reader: IndexReader, port: WriterPort, clock: Pick<Clock, 'wall'>, owned: AsyncDisposableStack) {
    this.#owned = owned;
    this.opening = port.opening;
    this.#reader = reader;
    this.#port = port;
    this.#clock = clock;
  }

  /**
   * Opens the index; one that cannot be read is set aside and begun anew, as `opening` tells.
   * @throws DlfsError `invalid-argument`, `disk-full`, `cache-unusable`, `cache-busy`, `io`
   */
  static async open(options: CacheIndexOptions): Promise<CacheIndex> {
    const { file, blockSize, prefix, clock } = options;
    if (!isBlockSize(blockSize)) {
      throw new DlfsError(
        'invalid-argument',
        `not a block size: ${blockSize}; a power of two from 4KiB to 64MiB is needed`,
      );
    }
    if (prefix !== '' && !prefix.endsWith('/'))
      throw new DlfsError('internal', 'the prefix of an index is no directory');
    await using owned = new AsyncDisposableStack();
    const host = options.host ?? owned.use(new IndexHost(1, clock));
    let reader: IndexReader | null = null;
    const port = await WriterPort.open(host.writers, { file, blockSize, prefix }, (cur) => {
      if (reader !== null && cur > reader.cur) reader.cur = cur;
    });
    owned.defer(() => port.close());
    // The first to go: the last connection to close moves the log into the database, and that is the writer's business.
    reader = owned.use(new IndexReader(file, blockSize, host.pages));
    return new CacheIndex(reader, port, clock, owned.move());
  }

  /** Closes the database. Listings under way are given up; what a full one has staged is taken back at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  // Reading: synchronous, a few microseconds. Each throws DlfsError `corrupt` or `io` where the database is damaged.

  /** Number of the visible state. */
  get cur(): number {
    return this.#reader.cur;
  }

  /** What a name stands for; null where it stands for nothing, or the directory is not listed yet. */
  lookup(parent: number, name: string): NodeRow | null {
    return this.#reader.lookup(parent, name);
  }

  /** As `lookup`, at a state of the past: see `IndexReader.lookupSince`. */
  lookupSince(parent: number, name: string, since: number): NodeRow | null {
    return this.#reader.lookupSince(parent, name, since);
  }

  /** As `children`, at a state of the past: see `IndexReader.lookupSince`. */
  childrenSince(parent: number, afterIno: number, limit: number, since: number): NodeRow[] {
    return this.#reader.childrenSince(parent, afterIno, limit, since);
  }

  /** A file or directory by its number, superseded ones included; null where it is none, or none yet. */
  node(ino: number): NodeRow | null {
    return this.#reader.node(ino);
  }

  /** Entries of a directory by number, after `afterIno` (0 at the start): an order that refreshes and restarts keep. */
  children(parent: number, afterIno: number, limit: number): NodeRow[] {
    return this.#reader.children(parent, afterIno, limit);
  }

  /** As `children`, in the form in which listings go to the kernel. */
  entries(parent: number, afterIno: number, limit: number): EntryRow[] {
    return this.#reader.entries(parent, afterIno, limit);
  }

  /** Files of a directory in key order, after a name. */
  siblingsAfter(parent: number, name: string, limit: number): NodeRow[] {
    return this.#reader.siblingsAfter(parent, name, limit);
  }

  /** Whether all entries of a directory are known. */
  isListed(directory: number): boolean {
    return this.#reader.isListed(directory);
  }

  /** When a directory was last listed by itself, or else first by a full listing, milliseconds since 1970; null before. */
  listedAt(directory: number): number | null {
    return this.#reader.listedAt(directory);
  }

  /** Directories that are listed, by number, after `afterIno` (0 at the start). */
  listedAfter(afterIno: number, limit: number): number[] {
    return this.#reader.listedAfter(afterIno, limit);
  }

  /** Files and directories that no name stands for any more, the longest dead first, after the last one seen. */
  superseded(after: SupersededRow, limit: number): SupersededRow[] {
    return this.#reader.superseded(after, limit);
  }

  /**
   * The key relative to the mounted prefix; a directory's ends with a slash, the root's is empty.
   * @throws DlfsError `not-found` where there is no such number
   */
  keyOf(ino: number): string {
    return this.#reader.keyOf(ino);
  }

  /** What the cache holds of a file; null where nothing. */
  object(ino: number): ObjectMap | null {
    return this.#reader.object(ino);
  }

  /** Cached objects by number, after `afterIno` (0 at the start). */
  objects(afterIno: number, limit: number): ObjectRow[] {
    return this.#reader.objects(afterIno, limit);
  }

  /** Hashes of resident blocks by index, from `first` on. */
  hashes(ino: number, first: number, limit: number): { idx: number[]; hash: bigint[] } {
    return this.#reader.hashes(ino, first, limit);
  }

  /** What the cache holds in all. */
  totals(): CacheTotals {
    return this.#reader.totals();
  }

  /** Objects by last use, the longest unused first, without pinned ones; versions that the origin no longer has come after all. */
  coldest(limit: number): ColdObject[] {
    return this.#reader.coldest(limit);
  }

  /** What is visible. */
  snapshot(): SnapshotInfo {
    return this.#reader.snapshot();
  }

  /** After an unclean stop: blocks committed shortly before it, to be verified; then call `forgetRecent`. */
  recentBlocks(): Generator<BlockHash, void, undefined> {
    return this.#reader.recentBlocks();
  }

  /** Entries of a directory in key order, after a name as the origin writes it (a directory's ends with a slash). */
  entriesAfter(parent: number, name: string, limit: number): NodeRow[] {
    return this.#reader.entriesAfter(parent, name, limit);
  }

  /** All pins, the oldest first. */
  pins(): PinRow[] {
    return this.#reader.pins();
  }

  /** Objects that are marked as pinned by number, after `afterIno` (0 at the start). */
  pinnedObjects(afterIno: number, limit: number): PinnedObject[] {
    return this.#reader.pinnedObjects(afterIno, limit);
  }

  /** How far the background verification has come. */
  scrubMark(): ScrubMark {
    return this.#reader.scrubMark();
  }

  // Listings.

  /**
   * Begins to list a directory: for the first time, or to find what has changed.
   * @throws DlfsError `not-found` where it is none now; `internal` while it is being listed already (`listingOf`)
   */
  async beginDirectory(directory: number): Promise<DirectoryListing> {
    const lane = this.#lane();
    const begun = await this.#port.call('beginDirectory', { lane, dir: directory });
    const listing = new DirectoryListing(this.#port, lane, directory, begun, () => this.#directories.delete(directory));
    this.#directories.set(directory, listing);
    return listing;
  }

  /** The listing of a directory that is under way, if one is. */
  listingOf(directory: number): DirectoryListing | null {
    return this.#directories.get(directory) ?? null;
  }

  /**
   * Begins to list the whole source; first takes back what an unfinished one has left.
   * @param limit the most keys; a longer listing stops with `list-limit`
   * @param purpose `preview`: it is not going to be finished; not even attributes of files change
   * @throws DlfsError `internal` while another is under way
   */
  async beginFull(limit: number, purpose: 'switch' | 'preview' = 'switch'): Promise<FullListing> {
    const lane = this.#lane();
    await this.#port.call('beginFull', { lane, limit, preview: purpose === 'preview' });
    return new FullListing(this.#port, lane, () => this.#lane());
  }

  /**
   * Deletes rows of superseded versions that the kernel has forgotten; others of the numbers stay.
   * @returns those that had blocks: the caller deletes their cache files
   */
  async purgeSuperseded(inos: readonly number[]): Promise<readonly number[]> {
    return (await this.#port.call('purge', { inos })).dropped;
  }

  /** Deletes all superseded versions that earlier runs have left, in batches; yields those that had blocks. */
  async *purgeLeftovers(): AsyncGenerator<readonly number[], void, undefined> {
    for (let done = false; !done;) {
      const step = await this.#port.call('purgeLeftovers', {});
      if (step.dropped.length > 0) yield step.dropped;
      done = step.done;
    }
  }

  // Blocks.

  /**
   * Records blocks whose data is on the disk. Committing one again is harmless.
   * @returns numbers that no file has any more: the caller deletes their cache files
   * @throws DlfsError `disk-full` and others: then none of the batch is recorded
   */
  async commitBlocks(batch: readonly BlockHash[]): Promise<readonly number[]> {
    const inos = new Float64Array(batch.length);
    const idx = new Float64Array(batch.length);
    const hashes = new Uint8Array(batch.length * 8);
    const view = new DataView(hashes.buffer);
    for (const [position, block] of batch.entries()) {
      inos[position] = block.ino;
      idx[position] = block.idx;
      view.setBigUint64(position * 8, block.hash);
    }
    const args = { inos, idx, hashes, at: this.#clock.wall() };
    return (await this.#port.call('commitBlocks', args, [inos.buffer, idx.buffer, hashes.buffer])).rejected;
  }

  /**
   * Sets how far an object is cached.
   * @throws DlfsError `internal` for a state above 0 while blocks are missing
   */
  async setState(ino: number, state: ObjectState): Promise<void> {
    await this.#port.call('setState', { ino, state });
  }

  /**
   * Forgets blocks, those of all ranges together; when it resolves, that is on the disk, and their space may be given up. Until
   * then none of them is to be committed.
   * @returns what is left of the object
   */
  async dropBlocks(ino: number, ranges: readonly BlockRange[]): Promise<{ blocks: number; bytes: number }> {
    return await this.#port.call('dropBlocks', { ino, ranges });
  }

  /** Forgets objects with all their blocks; as `dropBlocks`. */
  async dropObjects(inos: readonly number[]): Promise<void> {
    await this.#port.call('dropObjects', { inos });
  }

  /** Moves times of use forward; later is kept. */
  async touch(batch: readonly { readonly ino: number; readonly usedMs: number }[]): Promise<void> {
    const inos = Float64Array.from(batch, (entry) => entry.ino);
    const used = Float64Array.from(batch, (entry) => entry.usedMs);
    await this.#port.call('touch', { inos, used }, [inos.buffer, used.buffer]);
  }

  /**
   * Holds cache files found on the disk against the index. Files written meanwhile are the caller's to except.
   * @param files numbers (the files' names) and bytes that each has allocated
   */
  async audit(files: readonly { readonly ino: number; readonly allocated: number }[]): Promise<AuditResult> {
    const inos = Float64Array.from(files, (file) => file.ino);
    const allocated = Float64Array.from(files, (file) => file.allocated);
    return await this.#port.call('audit', { inos, allocated }, [inos.buffer, allocated.buffer]);
  }

  /** What `recentBlocks` named has been verified. */
  async forgetRecent(): Promise<void> {
    await this.#port.call('forgetRecent', {});
  }

  // Pins and scrub.

  /** Adds pins, on the disk when it resolves; one of the same glob stays as it is. */
  async addPins(pins: readonly PinRow[]): Promise<void> {
    await this.#port.call('addPins', { pins });
  }

  /** Removes pins; as `addPins`. */
  async removePins(globs: readonly string[]): Promise<void> {
    await this.#port.call('removePins', { globs });
  }

  /** Takes objects out of the order of eviction, or back into it; those that are not cached are ignored. */
  async setPinned(inos: readonly number[], pinned: boolean): Promise<void> {
    await this.#port.call('setPinned', { inos, pinned });
  }

  /** Notes how far the background verification has come. */
  async saveScrubMark(mark: ScrubMark): Promise<void> {
    await this.#port.call('saveScrub', { mark });
  }

  /** Notes that all is in order: the last call before the index is closed. */
  async markClean(): Promise<void> {
    await this.#port.call('markClean', {});
  }

  #lane(): number {
    const lane = this.#nextLane;
    this.#nextLane += 1;
    return lane;
  }
}

function isBlockSize(value: number): boolean {
  return (
    Number.isInteger(value) && value >= BLOCK_SIZES.least && value <= BLOCK_SIZES.most && (value & (value - 1)) === 0
  );
}
