/**
 * A prepared read whose failures are errors of ours.
 */
import type { Database } from 'better-sqlite3';
import { fromSqlite } from './sqlite-error.ts';

/** A statement that gives rows. */
export class Query<Parameters extends unknown[], Row> {
  readonly #statement;

  /** @throws DlfsError where the statement does not fit the database */
  constructor(database: Database, sql: string) {
    try {
      this.#statement = database.prepare<Parameters, Row>(sql);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  /** The first row. */
  get(...parameters: Parameters): Row | undefined {
    try {
      return this.#statement.get(...parameters);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  /** All rows. */
  all(...parameters: Parameters): Row[] {
    try {
      return this.#statement.all(...parameters);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }
}
