/**
 * Keys without a path: by directory and reason, and in all.
 *
 * The counts are what the latest listing of each directory found. They are information: unlike names they do not wait for a
 * full listing's switch.
 *
 * Invariants:
 * 1. The totals in `Store.skipped` are the sums of the rows.
 */
import type { SkipReason } from '../../../dataset/snapshot/path-rules.ts';
import type { SkipCount, Store } from './store.ts';

/** A sample longer than this is cut: it is for people. */
const SAMPLE_CHARS = 300;

interface SkipRow {
  readonly reason: SkipReason;
  readonly count: number;
  readonly sample: string;
}

/** Counts of one directory under way. */
export type SkipCounts = Map<SkipReason, SkipCount>;

/** The rows of `skipped`. */
export class Skips {
  readonly #store: Store;
  readonly #read;
  readonly #delete;
  readonly #insert;

  constructor(store: Store) {
    this.#store = store;
    this.#read = store.database.prepare<[number], SkipRow>('SELECT reason, count, sample FROM skipped WHERE dir = ?');
    this.#delete = store.database.prepare('DELETE FROM skipped WHERE dir = ?');
    this.#insert = store.database.prepare('INSERT INTO skipped(dir, reason, count, sample) VALUES(?, ?, ?, ?)');
  }

  /** Makes a directory's counts these. */
  replace(directory: number, counts: SkipCounts): void {
    const before = this.#read.all(directory);
    if (before.length === 0 && counts.size === 0) return;
    for (const { reason, count } of before) this.#add(reason, -count, '');
    if (before.length > 0) this.#delete.run(directory);
    for (const [reason, { count, sample }] of counts) {
      this.#insert.run(directory, reason, count, sample);
      this.#add(reason, count, sample);
    }
    this.#store.touch();
  }

  #add(reason: SkipReason, count: number, sample: string): void {
    const total = this.#store.skipped.get(reason) ?? { count: 0, sample };
    total.count += count;
    if (sample !== '') total.sample = sample;
    if (total.count > 0) this.#store.skipped.set(reason, total);
    else this.#store.skipped.delete(reason);
  }
}

/** Counts keys of one reason; keeps the first as the sample, in a form that any text column and terminal takes. */
export function countSkip(counts: SkipCounts, reason: SkipReason, key: string, times = 1): void {
  const known = counts.get(reason);
  if (known === undefined)
    counts.set(reason, { count: times, sample: key.toWellFormed().replaceAll('\0', '\ufffd').slice(0, SAMPLE_CHARS) });
  else known.count += times;
}
