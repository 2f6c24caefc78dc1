/**
 * The reading half of the index: prepared point lookups on the caller's own thread, a few microseconds each.
 *
 * It has a read-only connection of its own to the database that the worker writes. Which state it shows is one number, `cur`,
 * that the owner moves on when the worker says so: a switch happens between two turns of the event loop, never in the middle
 * of a question.
 *
 * Invariants:
 * 1. No statement stays open over a call: the worker's log can always be moved into the database.
 * 2. No answer reads more than it gives, apart from superseded rows that the kernel still knows.
 */
import Database, { type Database as Connection } from 'better-sqlite3';
import type { SkipReason } from '../../dataset/snapshot/path-rules.ts';
import { DlfsError } from '../../base/errors.ts';
import { blockCount, fullBitmap, PAGE_BLOCKS, PAGE_BYTES } from './bitmap.ts';
import type { PageCacheShares } from './page-cache.ts';
import { PathCache } from './path-cache.ts';
import { Query } from './query.ts';
import {
  ROOT_INO,
  type BlockHash,
  type CacheTotals,
  type ColdObject,
  type EntryRow,
  type NodeRow,
  type ObjectMap,
  type ObjectRow,
  type PinnedObject,
  type PinRow,
  type ScrubMark,
  type SnapshotInfo,
  type SupersededRow,
} from './rows.ts';
import { BOUND_LIMIT, FLAG_ARCHIVED, FLAG_DIRECTORY, FOREVER } from './schema.ts';
import { TurnMemo } from './turn-memo.ts';
import { RECENT_ENTRY_BYTES } from './worker/recent-blocks.ts';
import { histogramOf } from './worker/tally.ts';

/** Directories deeper than any path can be: PATH_MAX over two bytes a component. A longer way up is a loop. */
const DEPTH_MAX = 2048;

/** The name of a row without a directory's slash. */
const bare = (name: string): string => (name.endsWith('/') ? name.slice(0, -1) : name);

const NODE = 'ino, parent, name, size, mtime, etag, flags, born, died';
const VISIBLE = 'born <= ? AND died > ?';
/** Rows just as `EntryRow` has them: a directory may have a million, and each step a row costs. */
const ENTRIES = `
  SELECT ino, iif(flags & ${FLAG_DIRECTORY}, substr(name, 1, length(name) - 1), name) AS name,
    (flags & ${FLAG_DIRECTORY}) <> 0 AS dir, size, mtime AS mtimeMs
  FROM node WHERE parent = ? AND ino > ? AND ${VISIBLE} ORDER BY ino ${BOUND_LIMIT}`;

interface StoredNode {
  readonly ino: number;
  readonly parent: number;
  readonly name: string;
  readonly size: number;
  readonly mtime: number;
  readonly etag: string;
  readonly flags: number;
  readonly born: number;
  readonly died: number;
}

interface StoredObject extends ObjectRow {
  readonly size: number;
  readonly bits: Uint8Array;
}

interface StoredState {
  readonly cur: number;
  readonly complete: number;
  readonly completed_at: number;
  readonly nodes: number;
  readonly files: number;
  readonly dirs: number;
  readonly bytes: number;
  readonly histogram: Uint8Array;
  readonly skipped: string;
  readonly cached_bytes: number;
  readonly cached_files: number;
  readonly cached_blocks: number;
  readonly pinned_bytes: number;
  readonly pinned_files: number;
  readonly run: number;
}

function openReadOnly(file: string): Connection {
  try {
    return new Database(file, { readonly: true, fileMustExist: true });
  } catch (thrown) {
    throw DlfsError.from(thrown);
  }
}

/** See the file's header. */
export class IndexReader implements Disposable {
  /** The visible state. */
  cur = 0;

  readonly #owned: DisposableStack;
  readonly #blockSize: number;
  readonly #paths = new PathCache();
  readonly #byName;
  readonly #firstSince;
  readonly #byIno;
  readonly #children;
  readonly #entries;
  readonly #siblings;
  readonly #listed;
  readonly #listedAfter;
  readonly #superseded;
  readonly #object;
  readonly #pages;
  readonly #objects;
  readonly #hashes;
  readonly #cold;
  readonly #coldSuperseded;
  readonly #state;
  readonly #recent;
  readonly #inOrder;
  readonly #pins;
  readonly #pinnedObjects;
  readonly #scrub;

  /**
   * @param file path of a database that the worker has opened before
   * @param blockSize bytes of a block, as the worker was told
   * @param pages gives the connection its part of the page cache
   * @throws DlfsError where the database cannot be opened or read
   */
  constructor(file: string, blockSize: number, pages: PageCacheShares) {
    using stack = new DisposableStack();
    const database = openReadOnly(file);
    stack.defer(() => database.close());
    const part = stack.use(pages.join(database));
    const use = (): void => part.use();
    this.#blockSize = blockSize;
    const query = <Parameters extends unknown[], Row>(sql: string): Query<Parameters, Row> =>
      new Query<Parameters, Row>(database, sql, use);
    const node = (where: string) => query<(number | string)[], StoredNode>(`SELECT ${NODE} FROM node WHERE ${where}`);
    this.#byName = node(`parent = ? AND name = ? AND ${VISIBLE}`);
    this.#firstSince = node(`parent = ? AND name = ? AND ${VISIBLE} ORDER BY born LIMIT 1`);
    const byIno = node('ino = ?');
    this.#byIno = new TurnMemo((ino: number) => byIno.get(ino));
    this.#children = node(`parent = ? AND ino > ? AND ${VISIBLE} ORDER BY ino ${BOUND_LIMIT}`);
    this.#entries = query<number[], EntryRow>(ENTRIES);
    this.#siblings = node(
      `parent = ? AND name > ? AND ${VISIBLE} AND flags & ${FLAG_DIRECTORY} = 0 ORDER BY name ${BOUND_LIMIT}`,
    );
    this.#listed = query<[number], { seq: number; at: number }>(
      'SELECT listed_seq AS seq, listed_at AS at FROM dir WHERE ino = ?',
    );
    this.#listedAfter = query<[number, number, number, number, number], { ino: number }>(
      `SELECT d.ino FROM dir d CROSS JOIN node n ON n.ino = d.ino
       WHERE d.ino > ? AND d.listed_seq <= ? AND n.born <= ? AND n.died > ? ORDER BY d.ino ${BOUND_LIMIT}`,
    );
    this.#superseded = query<[number, number, number, number], SupersededRow>(
      `SELECT ino, died FROM node INDEXED BY node_died WHERE died <> ${FOREVER} AND died <= ? AND (died, ino) > (?, ?)
       ORDER BY died, ino ${BOUND_LIMIT}`,
    );
    const object = 'ino, size, blocks, bytes, used AS usedMs, state, bits';
    const byObject = query<[number], StoredObject>(`SELECT ${object} FROM object WHERE ino = ?`);
    this.#object = new TurnMemo((ino: number) => byObject.get(ino));
    this.#pages = query<[number], { page: number; bits: Uint8Array }>('SELECT page, bits FROM resident WHERE ino = ?');
    this.#objects = query<[number, number], ObjectRow>(
      `SELECT ino, blocks, bytes, used AS usedMs, state FROM object WHERE ino > ? ORDER BY ino ${BOUND_LIMIT}`,
    );
    this.#hashes = query<[number, number, number], { idx: number; hash: Buffer }>(
      `SELECT idx, hash FROM block WHERE ino = ? AND idx >= ? ORDER BY idx ${BOUND_LIMIT}`,
    );
    const cold = 'o.ino, o.bytes, o.used AS usedMs';
    this.#cold = query<[number, number], Omit<ColdObject, 'superseded'>>(
      `SELECT ${cold} FROM object o INDEXED BY object_used CROSS JOIN node n ON n.ino = o.ino
       WHERE o.pinned = 0 AND n.died > ? ORDER BY o.used ${BOUND_LIMIT}`,
    );
    this.#coldSuperseded = query<[number, number], Omit<ColdObject, 'superseded'>>(
      `SELECT ${cold} FROM node n INDEXED BY node_died CROSS JOIN object o ON o.ino = n.ino
       WHERE n.died <> ${FOREVER} AND n.died <= ? ORDER BY o.used ${BOUND_LIMIT}`,
    );
    this.#state = query<[], StoredState>('SELECT * FROM state WHERE id = 1');
    this.#recent = query<[number], { blocks: Buffer }>('SELECT blocks FROM recent WHERE run < ? ORDER BY id');
    this.#inOrder = node(`parent = ? AND name > ? AND ${VISIBLE} ORDER BY name ${BOUND_LIMIT}`);
    this.#pins = query<[], PinRow>('SELECT glob, at AS atMs FROM pin ORDER BY at, glob');
    this.#pinnedObjects = query<[number, number], PinnedObject>(
      `SELECT ino, bytes FROM object INDEXED BY object_pinned WHERE pinned = 1 AND ino > ? ORDER BY ino ${BOUND_LIMIT}`,
    );
    this.#scrub = query<[], ScrubMark>(
      'SELECT ino, began_at AS beganAtMs, blocks, bytes, damaged, passes, passed_at AS passedAtMs FROM scrub WHERE id = 1',
    );
    this.cur = this.#stateRow().cur;
    this.#owned = stack.move();
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }

  /** What a name stands for; null where it stands for nothing, or the directory is not listed yet. */
  lookup(parent: number, name: string): NodeRow | null {
    const { cur } = this;
    const found = this.#byName.get(parent, name, cur, cur) ?? this.#byName.get(parent, `${name}/`, cur, cur);
    return found === undefined ? null : this.#row(found);
  }

  /**
   * What a name has stood for first, of all states since `since`: what stays the same through every refresh after it.
   * Names that came after `since` into a directory that was listed before are left out.
   */
  lookupSince(parent: number, name: string, since: number): NodeRow | null {
    const found = this.#first(parent, name, since);
    return found === undefined || found.born > this.#knownSince(parent, since) ? null : this.#row(found);
  }

  /** Entries of a directory as `children` gives them, of those that `lookupSince` finds. */
  childrenSince(parent: number, afterIno: number, limit: number, since: number): NodeRow[] {
    const known = this.#knownSince(parent, since);
    const found: NodeRow[] = [];
    for (let after = afterIno; ;) {
      const wanted = limit - found.length;
      const rows = this.#children.all(parent, after, this.cur, since, wanted);
      for (const row of rows) {
        const shown =
          row.born <= since || (row.born <= known && this.#first(parent, bare(row.name), since)?.ino === row.ino);
        if (shown) found.push(this.#row(row));
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < wanted || found.length === limit) return found;
      after = last.ino;
    }
  }

  /** A file or directory by its number, superseded ones included; null where it is none, or none yet. */
  node(ino: number): NodeRow | null {
    const found = this.#byIno.get(ino);
    return found === undefined || found.born > this.cur ? null : this.#row(found);
  }

  /**
   * Entries of a directory in the order of their numbers: stable over refreshes and restarts.
   * @param afterIno the last one seen; 0 at the start
   */
  children(parent: number, afterIno: number, limit: number): NodeRow[] {
    return this.#children.all(parent, afterIno, this.cur, this.cur, limit).map((row) => this.#row(row));
  }

  /** As `children`, in the form in which listings go to the kernel. */
  entries(parent: number, afterIno: number, limit: number): EntryRow[] {
    return this.#entries.all(parent, afterIno, this.cur, this.cur, limit);
  }

  /** Files of a directory in the order of their names, after a name. */
  siblingsAfter(parent: number, name: string, limit: number): NodeRow[] {
    return this.#siblings.all(parent, name, this.cur, this.cur, limit).map((row) => this.#row(row));
  }

  /** Entries of a directory in the order of their names as they are stored, after one of them. */
  entriesAfter(parent: number, name: string, limit: number): NodeRow[] {
    return this.#inOrder.all(parent, name, this.cur, this.cur, limit).map((row) => this.#row(row));
  }

  /** Whether all entries of a directory are known. */
  isListed(directory: number): boolean {
    return this.listedAt(directory) !== null;
  }

  /** When a directory was listed by itself or for the first time, milliseconds since 1970; null before. */
  listedAt(directory: number): number | null {
    const listed = this.#listed.get(directory);
    return listed !== undefined && listed.seq <= this.cur ? listed.at : null;
  }

  /** Directories that are listed, by number, after `afterIno` (0 at the start). */
  listedAfter(afterIno: number, limit: number): number[] {
    const { cur } = this;
    return this.#listedAfter.all(afterIno, cur, cur, cur, limit).map(({ ino }) => ino);
  }

  /** Files and directories that no name stands for any more, the longest dead first, after the last one seen. */
  superseded(after: SupersededRow, limit: number): SupersededRow[] {
    return this.#superseded.all(this.cur, after.died, after.ino, limit);
  }

  /**
   * The key of a file or directory relative to the mounted prefix; a directory's ends with a slash, the root's is empty.
   * @throws DlfsError `not-found` where there is no such number
   */
  keyOf(ino: number): string {
    if (ino === ROOT_INO) return '';
    const kept = this.#paths.get(ino);
    if (kept !== undefined) return kept;
    const names: string[] = [];
    let base = '';
    let directory = 0;
    for (let at = ino; at !== ROOT_INO;) {
      const row = this.#byIno.get(at);
      if (row === undefined || names.length > DEPTH_MAX)
        throw new DlfsError('not-found', `the index knows no file ${ino}`);
      names.push(row.name);
      at = row.parent;
      if (directory === 0) directory = at;
      const known = this.#paths.get(at);
      if (known !== undefined) {
        base = known;
        break;
      }
    }
    const above = base + names.slice(1).reverse().join('');
    if (directory !== ROOT_INO) this.#paths.set(directory, above);
    return above + (names[0] ?? '');
  }

  /** What the cache holds of a file; null where nothing. */
  object(ino: number): ObjectMap | null {
    const found = this.#object.get(ino);
    if (found === undefined) return null;
    const { size, bits, ...row } = found;
    return { ...row, resident: this.#residentOf(ino, size, row.blocks, bits) };
  }

  /**
   * Cached objects by number, a page at a time.
   * @param afterIno the last one seen; 0 at the start
   */
  objects(afterIno: number, limit: number): ObjectRow[] {
    return this.#objects.all(afterIno, limit);
  }

  /**
   * Hashes of resident blocks by index, a page at a time.
   * @param first the first index wanted
   */
  hashes(ino: number, first: number, limit: number): { idx: number[]; hash: bigint[] } {
    const rows = this.#hashes.all(ino, first, limit);
    return { idx: rows.map((row) => row.idx), hash: rows.map((row) => row.hash.readBigUInt64BE()) };
  }

  /** What the cache holds in all. */
  totals(): CacheTotals {
    const state = this.#stateRow();
    return {
      bytes: state.cached_bytes,
      files: state.cached_files,
      blocks: state.cached_blocks,
      pinnedBytes: state.pinned_bytes,
      pinnedFiles: state.pinned_files,
      nodes: state.nodes,
    };
  }

  /** All pins, the oldest first. */
  pins(): PinRow[] {
    return this.#pins.all();
  }

  /** Objects that are marked as pinned, a page at a time. */
  pinnedObjects(afterIno: number, limit: number): PinnedObject[] {
    return this.#pinnedObjects.all(afterIno, limit);
  }

  /** How far the background verification has come. */
  scrubMark(): ScrubMark {
    const mark = this.#scrub.get();
    if (mark === undefined) throw new DlfsError('corrupt', 'the cache index has lost its mark of the scrub');
    return mark;
  }

  /** Objects by last use, the longest unused first, without pinned ones; versions that the origin no longer has come after all. */
  coldest(limit: number): ColdObject[] {
    const cold: ColdObject[] = this.#cold.all(this.cur, limit).map((row) => ({ ...row, superseded: false }));
    if (cold.length < limit) {
      cold.push(
        ...this.#coldSuperseded.all(this.cur, limit - cold.length).map((row) => ({ ...row, superseded: true })),
      );
    }
    return cold;
  }

  /** What is visible. */
  snapshot(): SnapshotInfo {
    const state = this.#stateRow();
    const skipped = Object.entries(JSON.parse(state.skipped) as Record<SkipReason, { count: number; sample: string }>);
    return {
      cur: this.cur,
      complete: state.complete > 0,
      completedAt: state.completed_at,
      files: state.files,
      dirs: state.dirs,
      bytes: state.bytes,
      histogram: [...histogramOf(state.histogram)],
      skipped: skipped.map(([reason, { count, sample }]) => ({ reason: reason as SkipReason, count, sample })),
    };
  }

  /** Blocks that an earlier run committed shortly before it ended uncleanly, with their hashes; without those dropped since. */
  *recentBlocks(): Generator<BlockHash, void, undefined> {
    const seen = new Set<string>();
    for (const { blocks: batch } of this.#recent.all(this.#stateRow().run)) {
      for (let at = 0; at + RECENT_ENTRY_BYTES <= batch.length; at += RECENT_ENTRY_BYTES) {
        const ino = batch.readDoubleLE(at);
        const idx = batch.readDoubleLE(at + 8);
        const id = `${ino}/${idx}`;
        if (seen.has(id)) continue;
        seen.add(id);
        const found = this.#hashes.get(ino, idx, 1);
        if (found?.idx === idx) yield { ino, idx, hash: found.hash.readBigUInt64BE() };
      }
    }
  }

  /** The first row of a name that was visible at `since` or later; a file and a directory take turns. */
  #first(parent: number, name: string, since: number): StoredNode | undefined {
    const file = this.#firstSince.get(parent, name, this.cur, since);
    const directory = this.#firstSince.get(parent, `${name}/`, this.cur, since);
    return file === undefined || (directory !== undefined && directory.born < file.born) ? directory : file;
  }

  /** Up to which state names count as having been in the directory all along. */
  #knownSince(directory: number, since: number): number {
    const listed = this.#listed.get(directory);
    return listed === undefined || listed.seq > this.cur ? FOREVER : Math.max(since, listed.seq);
  }

  #row(row: StoredNode): NodeRow {
    const dir = (row.flags & FLAG_DIRECTORY) !== 0;
    return {
      ino: row.ino,
      parent: row.parent,
      name: dir ? row.name.slice(0, -1) : row.name,
      dir,
      size: row.size,
      mtimeMs: row.mtime,
      etag: row.etag,
      archived: (row.flags & FLAG_ARCHIVED) !== 0,
      superseded: row.died <= this.cur,
    };
  }

  #residentOf(ino: number, size: number, blocks: number, first: Uint8Array): Uint8Array {
    const total = blockCount(size, this.#blockSize);
    if (blocks === total) return fullBitmap(total);
    const resident = new Uint8Array(Math.ceil(total / 8));
    resident.set(first.subarray(0, resident.length));
    if (total > PAGE_BLOCKS) {
      for (const { page, bits } of this.#pages.all(ino)) {
        const at = page * PAGE_BYTES;
        if (at < resident.length) resident.set(bits.subarray(0, resident.length - at), at);
      }
    }
    return resident;
  }

  #stateRow(): StoredState {
    const state = this.#state.get();
    if (state === undefined) throw new DlfsError('corrupt', 'the cache index has lost its state');
    return state;
  }
}
