/**
 * The schema of the index, and how older ones become it.
 *
 * `application_id` says that a database is ours, `user_version` which schema it has. `MIGRATIONS[n]` leads from version n to
 * n + 1; version 0 is an empty database. A released step is never changed, only followed.
 *
 * Tables:
 * - `meta`      what never changes: the block size.
 * - `state`     one row: what is visible, counters and totals; written in the same transaction as what it counts.
 * - `node`      one row a version of a file, one row for ever a directory. Visible iff born <= cur < died.
 * - `dir`       a directory whose listing is known: complete for every cur >= listed_seq.
 * - `staging`   a full listing under way: its number, and what it will change the totals by.
 * - `reborn`    directories that it brings back from the dead, and what they were.
 * - `skipped`   keys without a path, by directory and reason.
 * - `object`    what the cache holds of a file; its first page of resident blocks.
 * - `resident`  further pages of large objects.
 * - `block`     the hash of each resident block.
 * - `recent`    blocks committed lately: verified once after an unclean stop.
 * - `pin`       globs whose files are not to be evicted. `object.pinned` follows from it: it keeps them out of the order of eviction.
 * - `scrub`     one row: how far the background verification has come.
 *
 * Names of directories end with a slash, so that SQLite's BINARY order of names is the order of keys at the origin.
 */
import type { Database } from 'better-sqlite3';

/** `PRAGMA application_id` of an index: "dlfs" in ASCII. */
export const APPLICATION_ID = 0x646c6673;

/** `died` of a row that nothing has superseded: the largest safe integer. */
export const FOREVER = Number.MAX_SAFE_INTEGER;

/** A limit that is bound. A bare `LIMIT ?` is part of the plan: SQLite would parse and plan the statement anew each time. */
export const BOUND_LIMIT = 'LIMIT CAST(? AS INTEGER)';

/** Bits of `node.flags`. */
export const FLAG_ARCHIVED = 1;
/** Bit of `node.flags`. */
export const FLAG_DIRECTORY = 2;

/** One step forward; runs inside a transaction. */
export type Migration = (database: Database) => void;

const VERSION_1 = `
  CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE state(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    cur INTEGER NOT NULL, complete INTEGER NOT NULL, completed_at INTEGER NOT NULL,
    next_ino INTEGER NOT NULL, clean INTEGER NOT NULL, run INTEGER NOT NULL,
    nodes INTEGER NOT NULL, files INTEGER NOT NULL, dirs INTEGER NOT NULL, bytes INTEGER NOT NULL,
    histogram BLOB NOT NULL, skipped TEXT NOT NULL,
    cached_bytes INTEGER NOT NULL, cached_files INTEGER NOT NULL, cached_blocks INTEGER NOT NULL) STRICT;
  INSERT INTO state VALUES(1, 1, 0, 0, 2, 1, 0, 1, 0, 0, 0, x'', '{}', 0, 0, 0);

  CREATE TABLE node(
    ino INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL, mtime INTEGER NOT NULL, etag TEXT NOT NULL, flags INTEGER NOT NULL,
    born INTEGER NOT NULL, died INTEGER NOT NULL) STRICT;
  CREATE INDEX node_name ON node(parent, name);
  CREATE INDEX node_order ON node(parent);
  CREATE INDEX node_died ON node(died) WHERE died <> ${FOREVER};
  INSERT INTO node VALUES(1, 0, '/', 0, 0, '', ${FLAG_DIRECTORY}, 0, ${FOREVER});

  CREATE TABLE dir(ino INTEGER PRIMARY KEY, listed_seq INTEGER NOT NULL, listed_at INTEGER NOT NULL) STRICT;

  CREATE TABLE staging(
    seq INTEGER PRIMARY KEY, mark INTEGER NOT NULL,
    files INTEGER NOT NULL, dirs INTEGER NOT NULL, bytes INTEGER NOT NULL, histogram BLOB NOT NULL) STRICT;
  CREATE TABLE reborn(ino INTEGER PRIMARY KEY, born INTEGER NOT NULL, died INTEGER NOT NULL) STRICT;

  CREATE TABLE skipped(
    dir INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, sample TEXT NOT NULL,
    PRIMARY KEY (dir, reason)) STRICT, WITHOUT ROWID;

  CREATE TABLE object(
    ino INTEGER PRIMARY KEY, size INTEGER NOT NULL, blocks INTEGER NOT NULL, bytes INTEGER NOT NULL,
    used INTEGER NOT NULL, state INTEGER NOT NULL, bits BLOB NOT NULL) STRICT;
  CREATE INDEX object_used ON object(used);
  CREATE TABLE resident(ino INTEGER NOT NULL, page INTEGER NOT NULL, bits BLOB NOT NULL,
    PRIMARY KEY (ino, page)) STRICT, WITHOUT ROWID;
  CREATE TABLE block(ino INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (ino, idx)) STRICT, WITHOUT ROWID;
  CREATE TABLE recent(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, at INTEGER NOT NULL, blocks BLOB NOT NULL) STRICT;
`;

/** Pinned objects leave the order of eviction, so that an eviction reads past none of them. */
const VERSION_2 = `
  ALTER TABLE object ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
  DROP INDEX object_used;
  CREATE INDEX object_used ON object(used) WHERE pinned = 0;
  CREATE INDEX object_pinned ON object(ino) WHERE pinned = 1;

  CREATE TABLE pin(glob TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE scrub(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    ino INTEGER NOT NULL, began_at INTEGER NOT NULL, blocks INTEGER NOT NULL, bytes INTEGER NOT NULL, damaged INTEGER NOT NULL,
    passes INTEGER NOT NULL, passed_at INTEGER NOT NULL) STRICT;
  INSERT INTO scrub VALUES(1, 0, 0, 0, 0, 0, 0, 0);
`;

/** What pinned objects take is kept as a sum, as all that is cached: whoever decides about room asks for it often. */
const VERSION_3 = `
  ALTER TABLE state ADD COLUMN pinned_bytes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE state ADD COLUMN pinned_files INTEGER NOT NULL DEFAULT 0;
  UPDATE state SET
    pinned_bytes = (SELECT coalesce(sum(bytes), 0) FROM object WHERE pinned = 1),
    pinned_files = (SELECT count(*) FROM object WHERE pinned = 1);
`;

/** All steps, oldest first. */
export const MIGRATIONS: readonly Migration[] = [
  (database) => database.exec(VERSION_1),
  (database) => database.exec(VERSION_2),
  (database) => database.exec(VERSION_3),
];
