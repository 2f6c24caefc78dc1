/**
 * A prepared read whose failures are errors of ours. It is prepared when it is first used: a node opens hundreds of databases, and of
 * most of them it asks few questions.
 */
import type { Database, Statement } from 'better-sqlite3';
import { fromSqlite } from './sqlite-error.ts';

/** A statement that gives rows. */
export class Query<Parameters extends unknown[], Row> {
  readonly #database: Database;
  readonly #sql: string;
  readonly #onUse: () => void;
  #statement: Statement<Parameters, Row> | null = null;

  /** @param onUse called before each use */
  constructor(database: Database, sql: string, onUse: () => void) {
    this.#database = database;
    this.#sql = sql;
    this.#onUse = onUse;
  }

  /** The first row. @throws DlfsError where the database is damaged, or the statement does not fit it */
  get(...parameters: Parameters): Row | undefined {
    this.#onUse();
    try {
      return this.#prepared().get(...parameters);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  /** All rows. @throws DlfsError as `get` */
  all(...parameters: Parameters): Row[] {
    this.#onUse();
    try {
      return this.#prepared().all(...parameters);
    } catch (thrown) {
      throw fromSqlite(thrown);
    }
  }

  #prepared(): Statement<Parameters, Row> {
    return (this.#statement ??= this.#database.prepare<Parameters, Row>(this.#sql));
  }
}
