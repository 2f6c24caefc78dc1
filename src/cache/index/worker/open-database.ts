/**
 * Opening the database: one that fits is taken as it is, one that cannot be read is set aside and replaced.
 *
 * An index is worth keeping, but never worth refusing to serve for: everything in it can be learnt again from the origin, and
 * cache files that no index vouches for are deleted by the sweep.
 *
 * Invariants:
 * 1. The cost of opening does not depend on the number of rows: a few pages are read, and whatever the write-ahead log holds.
 * 2. A database that is set aside is renamed with its log, never deleted at once; the last `KEPT_ASIDE` stay.
 * 3. Inode numbers are never given twice for one cache folder, not even by a rebuilt index (old cache files lie there under
 *    their numbers) nor after a power cut that took the last transactions back.
 */
import Database, { type Database as Connection } from 'better-sqlite3';
import { closeSync, existsSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import type { Opening } from '../rows.ts';
import { APPLICATION_ID, MIGRATIONS, type Migration } from '../schema.ts';
import { salvagePins } from './pins.ts';
import { fromSqlite, isUnreadable } from '../sqlite-error.ts';

/** How many unreadable indexes are kept for whoever wants to look; each may be some hundred megabytes. */
export const KEPT_ASIDE = 2;

/** Pages in the log at which a commit moves them into the database (4 MiB): a stall of some ten milliseconds, not of fifty. */
const CHECKPOINT_PAGES = 1000;

/** The log's file is cut back to this after a burst. */
const LOG_BYTES = 64 * 1024 * 1024;

/** Numbers skipped after an unclean stop: more than the transactions between two syncs of the log can have given out. */
const INO_GAP = 2 ** 20;

/** Numbers that a rebuilt index leaves to each second since 1970, so that its first one was never given before. */
const INOS_PER_SECOND = 2 ** 16;

/** A database that is healthy, but not one we can use. */
class Unfit extends Error {}

/** An open database with what there is to tell about it. */
export interface OpenedDatabase {
  readonly database: Connection;
  readonly opening: Opening;
}

/** What opening needs to know. */
export interface OpenDatabaseOptions {
  /** Path of the database. */
  readonly file: string;
  /** Bytes of a block. */
  readonly blockSize: number;
  readonly clock: Pick<Clock, 'wall'>;
  /** Steps of the schema; tests give others. */
  readonly migrations?: readonly Migration[];
  /** `schemaAfter` of the migrations, where it is known: many databases of one schema are opened. */
  readonly schema?: string;
}

/**
 * Opens the index for writing.
 * @throws DlfsError `disk-full`, `cache-unusable`, `cache-busy`, `io`: what no new database would cure
 */
export function openDatabase(options: OpenDatabaseOptions): OpenedDatabase {
  if (!existsSync(dirname(options.file)))
    throw new DlfsError('cache-unusable', 'the folder of the cache does not exist');
  if (existsSync(suspectMark(options.file))) return rebuild(options, 'damage was found while it was in use');
  try {
    return use(options, null);
  } catch (thrown) {
    if (thrown instanceof Unfit) return rebuild(options, thrown.message);
    if (isUnreadable(thrown))
      return rebuild(options, `it is damaged: ${thrown instanceof Error ? thrown.message : 'unreadable'}`);
    throw fromSqlite(thrown);
  }
}

/**
 * The file whose existence says that the database was found damaged in use: the next opening sets it aside.
 * @param file path of the database
 */
export function suspectMark(file: string): string {
  return `${file}.suspect`;
}

function rebuild(options: OpenDatabaseOptions, reason: string): OpenedDatabase {
  try {
    const aside = setAside(options.file);
    const opened = use(options, { setAside: aside, reason });
    salvagePins(aside, opened.database);
    return opened;
  } catch (thrown) {
    throw thrown instanceof Unfit
      ? new DlfsError('internal', `a new cache index is unfit: ${thrown.message}`)
      : fromSqlite(thrown);
  }
}

function use(options: OpenDatabaseOptions, rebuilt: { setAside: string; reason: string } | null): OpenedDatabase {
  // Before SQLite opens the file: closing a descriptor of it drops the locks that this process has on it (fcntl(2)).
  const size = sizeByHeader(options.file);
  // Closed again on any failure: a descriptor left open would keep the file that is about to be set aside.
  using stack = new DisposableStack();
  const database = stack.adopt(new Database(options.file), (connection) => connection.close());
  const migrations = options.migrations ?? MIGRATIONS;
  const created = isEmpty(database, options.file);
  if (!created) requireOurs(database, migrations.length);
  configure(database);
  if (!created) requireWhole(database, options.file, size);
  migrate(database, migrations);
  if (!created && schemaOf(database) !== (options.schema ?? schemaAfter(migrations)))
    throw new Unfit('its tables are not those of its version');
  const { clean, emptied } = start(database, options, created);
  stack.move();
  return {
    database,
    opening: {
      kind: rebuilt !== null ? 'rebuilt' : created ? 'created' : 'existing',
      setAside: rebuilt?.setAside ?? null,
      reason: rebuilt?.reason ?? null,
      clean,
      emptied,
    },
  };
}

function isEmpty(database: Connection, file: string): boolean {
  if (pragma(database, 'schema_version') !== 0 || pragma(database, 'page_count') !== 0) return false;
  if (statSync(file).size > 0) throw new Unfit('it is too short to be a database');
  return true;
}

function requireOurs(database: Connection, newest: number): void {
  const application = pragma(database, 'application_id');
  const version = pragma(database, 'user_version');
  if (application !== APPLICATION_ID) throw new Unfit('it is a database of another program');
  if (version > newest)
    throw new Unfit(`it was written by a newer version of dlfs (schema ${version}, this one knows ${newest})`);
  if (version < 1) throw new Unfit('it has no schema');
}

function configure(database: Connection): void {
  database.pragma('locking_mode = NORMAL');
  const mode = database.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal')
    throw new DlfsError(
      'cache-unusable',
      'the file system of the cache cannot carry a write-ahead log; use ext4 or xfs',
    );
  database.pragma('synchronous = NORMAL');
  database.pragma('temp_store = MEMORY');
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  database.pragma(`journal_size_limit = ${LOG_BYTES}`);
}

/**
 * A file that was cut short would show only when a lost page is needed. Its own header says how long it was after the last
 * checkpoint. Where it is shorter, a checkpoint may have been cut short: then the log still has what is missing, and after another
 * checkpoint the length can be told. (The file format: sqlite.org/fileformat2.html, 1.3.)
 */
function requireWhole(database: Connection, file: string, byHeader: number): void {
  if (statSync(file).size >= byHeader) return;
  database.pragma('wal_checkpoint(TRUNCATE)');
  const expected = pragma(database, 'page_count') * pragma(database, 'page_size');
  const actual = statSync(file).size;
  if (actual < expected) throw new Unfit(`it was cut short: ${actual} of ${expected} bytes are left`);
}

/** Bytes of the file by its header; 0 where it has none yet, or is not there: everything is in the log. */
function sizeByHeader(file: string): number {
  if (!existsSync(file)) return 0;
  const header = Buffer.alloc(32);
  const fd = openSync(file, 'r');
  try {
    if (readSync(fd, header, 0, header.length, 0) < header.length) return 0;
  } finally {
    closeSync(fd);
  }
  // Of 64 KiB, the size of a page is written as 1.
  const pageSize = header.readUInt16BE(16);
  return (pageSize === 1 ? 65_536 : pageSize) * header.readUInt32BE(28);
}

/**
 * The tables and indexes of a new database, as text: those of an old one are compared with it, since a statement that does not fit
 * would show only later.
 */
export function schemaAfter(migrations: readonly Migration[] = MIGRATIONS): string {
  using stack = new DisposableStack();
  const fresh = stack.adopt(new Database(':memory:'), (connection) => connection.close());
  migrate(fresh, migrations);
  return schemaOf(fresh);
}

function schemaOf(database: Connection): string {
  const names = database
    .prepare<[], string>('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY sql')
    .pluck();
  return names.all().join(';');
}

function migrate(database: Connection, migrations: readonly Migration[]): void {
  for (let version = pragma(database, 'user_version'); version < migrations.length; version += 1) {
    database
      .transaction(() => {
        migrations[version]?.(database);
        database.pragma(`application_id = ${APPLICATION_ID}`);
        database.pragma(`user_version = ${version + 1}`);
      })
      .immediate();
  }
}

interface StartRow {
  readonly clean: number;
  readonly next_ino: number;
}

/** Checks that the fixed rows are there, and notes that the index is in use. */
function start(
  database: Connection,
  options: OpenDatabaseOptions,
  created: boolean,
): { clean: boolean; emptied: boolean } {
  return database
    .transaction(() => {
      const row = database.prepare<[], StartRow>('SELECT clean, next_ino FROM state WHERE id = 1').get();
      const root = database.prepare('SELECT 1 FROM node WHERE ino = 1 AND parent = 0').get();
      if (row === undefined || root === undefined) throw new Unfit('its fixed rows are missing');
      const emptied = settleBlockSize(database, options.blockSize);
      const clean = row.clean === 1;
      let next = clean ? row.next_ino : row.next_ino + INO_GAP;
      if (created && holdsFiles(join(dirname(options.file), 'objects'))) {
        next = Math.floor(options.clock.wall() / 1000) * INOS_PER_SECOND;
      }
      database.prepare('UPDATE state SET clean = 0, run = run + 1, next_ino = ? WHERE id = 1').run(next);
      return { clean, emptied };
    })
    .immediate();
}

/** Blocks of another size are of no use: forgets them all, by whole tables instead of row by row. */
function settleBlockSize(database: Connection, blockSize: number): boolean {
  const known = database.prepare<[], number>(`SELECT value FROM meta WHERE key = 'block_size'`).pluck().get();
  if (known === blockSize) return false;
  database.prepare(`INSERT OR REPLACE INTO meta(key, value) VALUES('block_size', ?)`).run(blockSize);
  if (known === undefined) return false;
  const tables = ['object', 'resident', 'block', 'recent'];
  const definitions = database
    .prepare<string[], string>(
      `SELECT sql FROM sqlite_schema WHERE tbl_name IN (${tables.map(() => '?').join()}) AND sql IS NOT NULL ORDER BY type DESC`,
    )
    .pluck()
    .all(...tables);
  for (const table of tables) database.exec(`DROP TABLE ${table}`);
  for (const definition of definitions) database.exec(definition);
  database.exec(
    'UPDATE state SET cached_bytes = 0, cached_files = 0, cached_blocks = 0, pinned_bytes = 0, pinned_files = 0',
  );
  return true;
}

/** Whether cache files lie there that the new index knows nothing of. */
function holdsFiles(objects: string): boolean {
  if (!existsSync(objects)) return false;
  return readdirSync(objects, { withFileTypes: true }).some(
    (entry) => !entry.isDirectory() || readdirSync(join(objects, entry.name)).length > 0,
  );
}

/** Renames the database out of the way, its log first: a log next to a new database must not be read as its own. */
function setAside(file: string): string {
  const folder = dirname(file);
  const stem = `${file.slice(folder.length + 1)}.bad-`;
  const taken = readdirSync(folder)
    .filter((name) => name.startsWith(stem) && /^\d+$/.test(name.slice(stem.length)))
    .map((name) => Number(name.slice(stem.length)))
    .sort((left, right) => left - right);
  const target = join(folder, `${stem}${(taken.at(-1) ?? 0) + 1}`);
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  rmSync(suspectMark(file), { force: true });
  for (const number of taken.slice(0, Math.max(0, taken.length + 1 - KEPT_ASIDE))) {
    for (const suffix of ['-wal', '-shm', '']) rmSync(join(folder, stem + number + suffix), { force: true });
  }
  return target;
}

function pragma(database: Connection, name: string): number {
  return Number(database.pragma(name, { simple: true }));
}
