/**
 * The rows of `node`, `dir` and `reborn`, with their accounting.
 *
 * Invariants:
 * 1. Each change of a row's span, and each insertion and removal, changes the tallies in the same transaction.
 * 2. A row counts from `born` to `died`; one with born >= died never counts.
 * 3. A file's row is inserted once and its version never changes; a directory's row may begin and end several times.
 */
import type { Database } from 'better-sqlite3';
import { BOUND_LIMIT, FLAG_ARCHIVED, FLAG_DIRECTORY, FOREVER } from '../schema.ts';
import { ROOT_INO } from '../rows.ts';
import type { Store } from './store.ts';

/** A row as it is stored. */
export interface NodeRecord {
  readonly ino: number;
  readonly parent: number;
  /** With a slash at its end for a directory. */
  readonly name: string;
  readonly size: number;
  readonly mtime: number;
  readonly etag: string;
  readonly flags: number;
  readonly born: number;
  readonly died: number;
}

/** What a new row holds besides its place and span. */
export interface NodeContent {
  readonly size: number;
  readonly mtimeMs: number;
  readonly etag: string;
  readonly archived: boolean;
}

/** A directory's content, as far as its row goes. */
const NO_CONTENT: NodeContent = { size: 0, mtimeMs: 0, etag: '', archived: false };

const COLUMNS = 'ino, parent, name, size, mtime, etag, flags, born, died';

/** Prepared access to the rows. */
export class Nodes {
  readonly #store: Store;
  readonly #byIno;
  readonly #byName;
  readonly #rangeTo;
  readonly #rangeAll;
  readonly #live;
  readonly #insert;
  readonly #setSpan;
  readonly #setAttributes;
  readonly #delete;
  readonly #hasChildren;
  readonly #listedSeq;
  readonly #setListed;
  readonly #clearListed;
  readonly #putReborn;
  readonly #getReborn;
  readonly #dropReborn;

  constructor(store: Store) {
    this.#store = store;
    const { database } = store;
    const select = `SELECT ${COLUMNS} FROM node WHERE`;
    this.#byIno = database.prepare<[number], NodeRecord>(`${select} ino = ?`);
    this.#byName = database.prepare<[number, string], NodeRecord>(`${select} parent = ? AND name = ?`);
    this.#rangeTo = database.prepare<[number, string, string, number], NodeRecord>(
      `${select} parent = ? AND name > ? AND name <= ? ORDER BY name ${BOUND_LIMIT}`,
    );
    this.#rangeAll = database.prepare<[number, string, number], NodeRecord>(
      `${select} parent = ? AND name > ? ORDER BY name ${BOUND_LIMIT}`,
    );
    this.#live = database.prepare<[number, number, number, number], NodeRecord>(
      `${select} parent = ? AND ino > ? AND died > ? ORDER BY ino ${BOUND_LIMIT}`,
    );
    this.#insert = database.prepare(`INSERT INTO node(${COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#setSpan = database.prepare('UPDATE node SET born = ?, died = ? WHERE ino = ?');
    this.#setAttributes = database.prepare('UPDATE node SET mtime = ?, flags = ? WHERE ino = ?');
    this.#delete = database.prepare('DELETE FROM node WHERE ino = ?');
    this.#hasChildren = database.prepare<[number], number>('SELECT 1 FROM node WHERE parent = ? LIMIT 1').pluck();
    this.#listedSeq = database.prepare<[number], number>('SELECT listed_seq FROM dir WHERE ino = ?').pluck();
    this.#setListed = database.prepare('INSERT OR REPLACE INTO dir VALUES(?, ?, ?)');
    this.#clearListed = database.prepare('DELETE FROM dir WHERE ino = ?');
    this.#putReborn = database.prepare('INSERT OR REPLACE INTO reborn VALUES(?, ?, ?)');
    this.#getReborn = database.prepare<[number], { born: number; died: number }>(
      'SELECT born, died FROM reborn WHERE ino = ?',
    );
    this.#dropReborn = database.prepare('DELETE FROM reborn WHERE ino = ?');
  }

  /** The database underneath, for statements of others. */
  get database(): Database {
    return this.#store.database;
  }

  /** The row of a number. */
  byIno(ino: number): NodeRecord | null {
    return this.#byIno.get(ino) ?? null;
  }

  /** All rows of a name: at most one for a directory, any number of versions for a file. */
  byName(parent: number, name: string): NodeRecord[] {
    return this.#byName.all(parent, name);
  }

  /**
   * Rows of a directory in the order of their names.
   * @param after names greater than this
   * @param upto names up to this; null: all
   */
  range(parent: number, after: string, upto: string | null, limit: number): NodeRecord[] {
    return upto === null ? this.#rangeAll.all(parent, after, limit) : this.#rangeTo.all(parent, after, upto, limit);
  }

  /** Rows of a directory that are still to die at `seq`, by number. */
  livingAfter(parent: number, afterIno: number, seq: number, limit: number): NodeRecord[] {
    return this.#live.all(parent, afterIno, seq, limit);
  }

  /** Whether any row has that directory as its parent. */
  hasChildren(ino: number): boolean {
    return this.#hasChildren.get(ino) !== undefined;
  }

  /** Whether a row is visible now. */
  isVisible(record: NodeRecord): boolean {
    return record.born <= this.#store.cur && this.#store.cur < record.died;
  }

  /** Inserts a file. */
  insertFile(parent: number, name: string, content: NodeContent, born: number, died: number): number {
    return this.#insertRow(parent, name, content, content.archived ? FLAG_ARCHIVED : 0, born, died);
  }

  /** Inserts a directory; its name ends with a slash. */
  insertDirectory(parent: number, name: string, born: number, died: number): number {
    return this.#insertRow(parent, name, NO_CONTENT, FLAG_DIRECTORY, born, died);
  }

  /** Changes when a row begins and ends. */
  setSpan(record: NodeRecord, born: number, died: number): void {
    this.#account(record, record.born, record.died, -1);
    this.#account(record, born, died, 1);
    this.#setSpan.run(born, died, record.ino);
  }

  /** Changes what belongs to the object rather than to its version. */
  setAttributes(record: NodeRecord, mtimeMs: number, archived: boolean): void {
    this.#setAttributes.run(
      Math.trunc(mtimeMs),
      (record.flags & ~FLAG_ARCHIVED) | (archived ? FLAG_ARCHIVED : 0),
      record.ino,
    );
  }

  /** Deletes a row that nobody can see any more, and for a directory what is noted of it. */
  remove(record: NodeRecord): void {
    this.#account(record, record.born, record.died, -1);
    this.#delete.run(record.ino);
    this.#store.nodes -= 1;
    this.#store.touch();
    if (isDirectory(record)) {
      this.clearListed(record.ino);
      this.#dropReborn.run(record.ino);
    }
  }

  /** From which number on a directory's listing is complete; null: never. */
  listedSeq(ino: number): number | null {
    return this.#listedSeq.get(ino) ?? null;
  }

  /** Notes that a directory's listing is complete from a number on. */
  setListed(ino: number, seq: number, at: number): void {
    this.#setListed.run(ino, seq, at);
  }

  /** Forgets that a directory is listed. */
  clearListed(ino: number): void {
    this.#clearListed.run(ino);
  }

  /** Notes what a directory was before a full listing brought it back. */
  putReborn(record: NodeRecord): void {
    this.#putReborn.run(record.ino, record.born, record.died);
  }

  /** Forgets that note: the directory is back for good. */
  dropReborn(ino: number): void {
    this.#dropReborn.run(ino);
  }

  /**
   * Takes back a directory that only a full listing had brought about: deletes it, or makes it as dead as it was.
   * Its tallies go with the listing's.
   */
  unbirth(record: NodeRecord): void {
    const was = this.#getReborn.get(record.ino);
    if (was === undefined) {
      this.remove(record);
      return;
    }
    this.#dropReborn.run(record.ino);
    this.clearListed(record.ino);
    this.setSpan(record, was.born, was.died);
  }

  #insertRow(parent: number, name: string, content: NodeContent, flags: number, born: number, died: number): number {
    const ino = this.#store.giveIno();
    this.#insert.run(ino, parent, name, content.size, Math.trunc(content.mtimeMs), content.etag, flags, born, died);
    this.#store.nodes += 1;
    this.#account({ ino, size: content.size, flags }, born, died, 1);
    return ino;
  }

  #account(row: Pick<NodeRecord, 'ino' | 'size' | 'flags'>, born: number, died: number, times: number): void {
    if (born >= died || row.ino === ROOT_INO) return;
    this.#count(row, born, times);
    if (died !== FOREVER) this.#count(row, died, -times);
  }

  #count(row: Pick<NodeRecord, 'size' | 'flags'>, seq: number, times: number): void {
    const tally = this.#store.tallyOf(seq);
    if (isDirectory(row)) tally.dirs += times;
    else tally.file(row.size, times);
    this.#store.touch();
  }
}

/** Whether a row is a directory's. */
export function isDirectory(record: Pick<NodeRecord, 'flags'>): boolean {
  return (record.flags & FLAG_DIRECTORY) !== 0;
}
