/**
 * What an index says its cache holds, read beside whoever has it open.
 *
 * Invariants:
 * 1. Nothing is written to the database, and its owner never waits: a reader of a write-ahead log blocks nobody.
 * 2. An index that is missing, damaged or of another version gives null, not an error.
 */
import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';

/** What a cache holds. */
export interface IndexTotals {
  /** Allocated bytes of cached blocks. */
  readonly bytes: number;
  /** Cache files. */
  readonly files: number;
}

/** @param path of `index.db` */
export function readTotals(path: string): IndexTotals | null {
  if (!existsSync(path)) return null;
  try {
    using stack = new DisposableStack();
    const database = stack.adopt(new Database(path, { readonly: true, fileMustExist: true }), (open) => open.close());
    const row = database.prepare('SELECT cached_bytes AS bytes, cached_files AS files FROM state WHERE id = 1').get();
    const { bytes, files } = (row ?? {}) as { bytes?: unknown; files?: unknown };
    return typeof bytes === 'number' && typeof files === 'number' ? { bytes, files } : null;
  } catch {
    return null;
  }
}
