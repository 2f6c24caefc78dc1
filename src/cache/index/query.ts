/**
 * A prepared read whose failures are errors of ours.
 */
import type { Database } from 'better-sqlite3';
import { fromSqlite } from './sqlite-error.ts';

/** A statement that gives rows. */
export class Query<Parameters extends unknown[], Row> {
  readonly #statement;
  readonly #onUse: () => void;

  /**
   * @param onUse called before each use
   * @throws DlfsError where the statement does not fit the database
   */
  constructor(database: Database, sql: string, onUse: () => void) {
    this.#onUse = onUse;
    try {
      this.#statement = database.prepare<Parameters, Row>(sql);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  /** The first row. */
  get(...parameters: Parameters): Row | undefined {
    this.#onUse();
    try {
      return this.#statement.get(...parameters);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  /** All rows. */
  all(...parameters: Parameters): Row[] {
    this.#onUse();
    try {
      return this.#statement.all(...parameters);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }
}
