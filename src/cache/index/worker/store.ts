/**
 * The writer's state: the database, its transactions, and the counters that every transaction may change.
 *
 * Counters and totals live in memory while a transaction runs and are written back by its commit, in one row. A rollback reads
 * them again from the database.
 *
 * What is visible is one number, `cur`: a row of `node` is visible iff born <= cur < died. A change that takes effect at once
 * is written as born or died = cur + 1 and raises `cur` in the same transaction, so a reader that still goes by the old number
 * sees all of the old state. A full listing writes at a number of its own, far ahead, and becomes visible by one update.
 *
 * Invariants:
 * 1. Every write to the database happens between `begin` and `commit`; what a failed transaction did is undone in memory too.
 * 2. `nextIno` is above every inode number ever given.
 * 3. `visible` counts the visible rows without the root; `stagings` what each staged number will change it by.
 * 4. A transaction that is `durable` is on the disk when its commit returns: it survives a power cut, not only a crash.
 */
import type { Database } from 'better-sqlite3';
import { DlfsError } from '../../../base/errors.ts';
import type { SkipReason } from '../../../dataset/snapshot/path-rules.ts';
import { fromSqlite } from '../sqlite-error.ts';
import { Tally } from './tally.ts';

/** How far ahead of `cur` a full listing writes: more switches than can happen while it runs. */
export const STAGING_DISTANCE = 2 ** 30;

/** A full listing's own number, and what it is about to change. */
export interface Staging {
  /** The largest inode number given before it began. */
  readonly mark: number;
  readonly tally: Tally;
}

/** Skipped keys of one reason. */
export interface SkipCount {
  count: number;
  sample: string;
}

interface StateRow {
  readonly cur: number;
  readonly complete: number;
  readonly completed_at: number;
  readonly next_ino: number;
  readonly run: number;
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
}

interface StagingRow {
  readonly seq: number;
  readonly mark: number;
  readonly files: number;
  readonly dirs: number;
  readonly bytes: number;
  readonly histogram: Uint8Array;
}

/** See the file's header. */
export class Store implements Disposable {
  readonly database: Database;
  readonly blockSize: number;
  /** Key prefix of the root: empty, or ending with a slash. */
  readonly prefix: string;

  /** The visible state's number. */
  cur = 0;
  /** Number of the last complete listing; 0 before the first. */
  complete = 0;
  /** When that was, milliseconds since 1970. */
  completedAt = 0;
  /** The next inode number to give. */
  nextIno = 0;
  /** Counts the openings of this index. */
  run = 0;
  /** Rows in `node`. */
  nodes = 0;
  visible = new Tally();
  skipped = new Map<SkipReason, SkipCount>();
  cachedBytes = 0;
  cachedFiles = 0;
  cachedBlocks = 0;
  /** Of what is cached: what objects with the mark take. */
  pinnedBytes = 0;
  pinnedFiles = 0;
  readonly stagings = new Map<number, Staging>();

  /**
   * Directories that are being buried, with their subtrees, and the number at which they die; 0: at once.
   * What is placed into them meanwhile dies with them.
   */
  readonly doomed = new Map<number, number>();

  /** Counts transactions: what was read from the database in another turn may be out of date. */
  turn = 0;

  #raised = false;
  #dirty = false;
  #durable = false;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #readState;
  readonly #writeState;
  readonly #readStagings;
  readonly #writeStaging;
  readonly #deleteStaging;

  /** @param database opened by `openDatabase`; the store closes it */
  constructor(database: Database, options: { blockSize: number; prefix: string }) {
    this.database = database;
    this.blockSize = options.blockSize;
    this.prefix = options.prefix;
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.#readState = database.prepare<[], StateRow>('SELECT * FROM state WHERE id = 1');
    this.#writeState = database.prepare(
      `UPDATE state SET cur = ?, complete = ?, completed_at = ?, next_ino = ?, nodes = ?, files = ?, dirs = ?, bytes = ?,
       histogram = ?, skipped = ?, cached_bytes = ?, cached_files = ?, cached_blocks = ?, pinned_bytes = ?, pinned_files = ?
       WHERE id = 1`,
    );
    this.#readStagings = database.prepare<[], StagingRow>('SELECT * FROM staging');
    this.#writeStaging = database.prepare('INSERT OR REPLACE INTO staging VALUES(?, ?, ?, ?, ?, ?)');
    this.#deleteStaging = database.prepare('DELETE FROM staging WHERE seq = ?');
    this.#load();
  }

  /** Starts a transaction. */
  begin(durable = false): void {
    this.#setDurable(durable);
    try {
      this.#begin.run();
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
    this.turn += 1;
    this.#raised = false;
    this.#dirty = false;
  }

  /**
   * Ends the transaction well.
   * @throws DlfsError where it could not be written; it is rolled back then
   */
  commit(): void {
    try {
      if (this.#dirty) this.#save();
      this.#commit.run();
    } catch (thrown) {
      this.rollback();
      throw fromSqlite(thrown);
    }
  }

  /** Takes the transaction back, in memory too. */
  rollback(): void {
    if (this.database.inTransaction) this.#rollback.run();
    this.#load();
  }

  /**
   * Runs something in a transaction of its own.
   * @throws DlfsError what it threw, or why it could not be committed
   */
  transaction<T>(work: () => T, durable = false): T {
    this.begin(durable);
    let result: T;
    try {
      result = work();
    } catch (thrown) {
      this.rollback();
      throw fromSqlite(thrown);
    }
    this.commit();
    return result;
  }

  /** Counters have changed: the commit writes them. */
  touch(): void {
    this.#dirty = true;
  }

  /** The number for a change that takes effect with this transaction: raises `cur`, once a transaction. */
  raise(): number {
    if (!this.#raised) {
      this.#raised = true;
      this.cur += 1;
      this.touch();
    }
    return this.cur;
  }

  /** A new inode number. */
  giveIno(): number {
    const given = this.nextIno;
    this.nextIno += 1;
    this.touch();
    return given;
  }

  /** The tally that a row's beginning or end at a number counts in. */
  tallyOf(seq: number): Tally {
    if (seq <= this.cur) return this.visible;
    const staging = this.stagings.get(seq);
    if (staging === undefined)
      throw new DlfsError('internal', `a row of the index belongs to an unknown listing (${seq})`);
    return staging.tally;
  }

  /** Starts staging at a number of its own. */
  beginStaging(): number {
    const seq = this.cur + STAGING_DISTANCE;
    this.stagings.set(seq, { mark: this.nextIno - 1, tally: new Tally() });
    this.touch();
    return seq;
  }

  /** Forgets a staged number, its rows being undone or visible. */
  endStaging(seq: number): void {
    this.#deleteStaging.run(seq);
    this.stagings.delete(seq);
    this.touch();
  }

  [Symbol.dispose](): void {
    this.database.close();
  }

  /** Outside of transactions only: inside, SQLite refuses. */
  #setDurable(durable: boolean): void {
    if (durable === this.#durable) return;
    this.database.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
    this.#durable = durable;
  }

  #load(): void {
    const row = this.#readState.get();
    if (row === undefined) throw new DlfsError('corrupt', 'the cache index has lost its state');
    this.cur = row.cur;
    this.complete = row.complete;
    this.completedAt = row.completed_at;
    this.nextIno = row.next_ino;
    this.run = row.run;
    this.nodes = row.nodes;
    this.visible = Tally.from(row);
    this.skipped = new Map(
      Object.entries(JSON.parse(row.skipped) as Record<SkipReason, SkipCount>) as [SkipReason, SkipCount][],
    );
    this.cachedBytes = row.cached_bytes;
    this.cachedFiles = row.cached_files;
    this.cachedBlocks = row.cached_blocks;
    this.pinnedBytes = row.pinned_bytes;
    this.pinnedFiles = row.pinned_files;
    this.stagings.clear();
    for (const staging of this.#readStagings.all()) {
      this.stagings.set(staging.seq, { mark: staging.mark, tally: Tally.from(staging) });
    }
  }

  #save(): void {
    this.#writeState.run(
      this.cur,
      this.complete,
      this.completedAt,
      this.nextIno,
      this.nodes,
      this.visible.files,
      this.visible.dirs,
      this.visible.bytes,
      this.visible.toBlob(),
      JSON.stringify(Object.fromEntries(this.skipped)),
      this.cachedBytes,
      this.cachedFiles,
      this.cachedBlocks,
      this.pinnedBytes,
      this.pinnedFiles,
    );
    for (const [seq, { mark, tally }] of this.stagings) {
      this.#writeStaging.run(seq, mark, tally.files, tally.dirs, tally.bytes, tally.toBlob());
    }
  }
}
