/**
 * Deleting rows that nobody needs any more: versions that are superseded and that no kernel knows.
 *
 * Invariants:
 * 1. Only dead rows are deleted. A dead directory stays while any row has it as its parent, so no row ever hangs in the air.
 * 2. While a full listing runs, directories stay: it may have them open.
 * 3. Deleting a file's row drops its blocks in the same transaction; the caller learns of it and deletes the cache file.
 */
import { BOUND_LIMIT, FOREVER } from '../schema.ts';
import type { Blocks } from './blocks.ts';
import { isDirectory, type NodeRecord, type Nodes } from './nodes.ts';
import type { Pace } from './pace.ts';
import type { Work } from './scheduler.ts';
import type { Skips } from './skips.ts';
import type { Store } from './store.ts';

/** What purging works on. */
export interface PurgeParts {
  readonly store: Store;
  readonly nodes: Nodes;
  readonly skips: Skips;
  readonly blocks: Blocks;
  readonly pace: Pace;
}

/**
 * Deletes the rows of given numbers where they are dead.
 * @returns those that had blocks in the cache
 */
export function* purge(parts: PurgeParts, inos: readonly number[]): Work<number[]> {
  const dropped: number[] = [];
  for (const ino of inos) {
    const record = parts.nodes.byIno(ino);
    if (record === null || record.died > parts.store.cur) continue;
    yield* purgeRow(parts, record, dropped);
    yield;
  }
  return dropped;
}

/** Deletes what earlier runs left behind, bit by bit; a new run has a new kernel mount, which knows none of it. */
export class LeftoverPurge {
  readonly #parts: PurgeParts;
  readonly #before: number;
  readonly #dead;
  #after = { died: 0, ino: 0 };
  #deletedInPass = 0;
  #done = false;

  constructor(parts: PurgeParts) {
    this.#parts = parts;
    this.#before = parts.store.cur;
    this.#dead = parts.store.database.prepare<number[], NodeRecord>(
      `SELECT * FROM node INDEXED BY node_died WHERE died <> ${FOREVER} AND died <= ? AND (died, ino) > (?, ?)
       ORDER BY died, ino ${BOUND_LIMIT}`,
    );
  }

  /** One step. Passes are repeated while they delete anything: directories go after their children. */
  *step(): Work<{ dropped: number[]; done: boolean }> {
    const dropped: number[] = [];
    if (this.#done) return { dropped, done: true };
    const rows = this.#dead.all(this.#before, this.#after.died, this.#after.ino, this.#parts.pace.changes);
    for (const row of rows) {
      // Another purge may have taken it while this one was between two transactions.
      const record = this.#parts.nodes.byIno(row.ino);
      if (record !== null && record.died <= this.#before && (yield* purgeRow(this.#parts, record, dropped)))
        this.#deletedInPass += 1;
      this.#after = row;
      yield;
    }
    if (rows.length < this.#parts.pace.changes) {
      this.#done = this.#deletedInPass === 0;
      this.#deletedInPass = 0;
      this.#after = { died: 0, ino: 0 };
    }
    return { dropped, done: this.#done };
  }
}

function* purgeRow(parts: PurgeParts, record: NodeRecord, dropped: number[]): Work<boolean> {
  const { store, nodes, skips, blocks } = parts;
  if (isDirectory(record)) {
    if (store.stagings.size > 0 || nodes.hasChildren(record.ino)) return false;
    skips.replace(record.ino, new Map());
  } else if (yield* blocks.dropObject(record.ino)) {
    dropped.push(record.ino);
  }
  nodes.remove(record);
  return true;
}
