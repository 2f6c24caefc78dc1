/**
 * Blocks committed lately, by whole batches: what must be verified once after an unclean stop.
 *
 * Data is synced before it is committed, so the index is right as long as the disk did what it said. Shortly before a crash or
 * a power cut that is worth a look.
 *
 * Invariants:
 * 1. Batches of an earlier run stay until the caller has verified them (`forget`); those of this run, for `KEPT_MS`.
 */
import type { BlockBatch } from '../protocol.ts';
import type { Store } from './store.ts';

/** How long a batch counts as recent: longer than disks and file systems hold back writes (30 s in ext4's default). */
export const KEPT_MS = 60_000;

/** Bytes of one block in a batch: number and index, 8 each. */
export const RECENT_ENTRY_BYTES = 16;

/** The rows of `recent`. */
export class RecentBlocks {
  readonly #store: Store;
  readonly #insert;
  readonly #expire;
  readonly #forget;
  #expiredAt = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#insert = store.database.prepare('INSERT INTO recent(run, at, blocks) VALUES(?, ?, ?)');
    // Rows are in the order of time: the oldest are at the start.
    this.#expire = store.database.prepare(
      'DELETE FROM recent WHERE id IN (SELECT id FROM recent ORDER BY id LIMIT 1000) AND run = ? AND at < ?',
    );
    this.#forget = store.database.prepare('DELETE FROM recent WHERE run < ?');
  }

  /** Notes a batch. */
  add(batch: BlockBatch, rejected: readonly number[], at: number): void {
    const refused = new Set(rejected);
    const entries = new Float64Array(batch.inos.length * 2);
    let count = 0;
    for (const [position, ino] of batch.inos.entries()) {
      if (refused.has(ino)) continue;
      entries[count * 2] = ino;
      entries[count * 2 + 1] = batch.idx[position] ?? 0;
      count += 1;
    }
    if (count > 0)
      this.#insert.run(this.#store.run, Math.trunc(at), Buffer.from(entries.buffer, 0, count * RECENT_ENTRY_BYTES));
    // Once a second is often enough, and more would cost as much as the rest of a small commit.
    if (at - this.#expiredAt >= 1000 || at < this.#expiredAt) {
      this.#expire.run(this.#store.run, at - KEPT_MS);
      this.#expiredAt = at;
    }
  }

  /** Forgets what earlier runs left: it has been verified. */
  forget(): void {
    this.#forget.run(this.#store.run);
  }
}
