/**
 * A writer thread of indexes: for each database that it is given a channel, it opens the database and answers requests until it is
 * told to close.
 *
 * Started by `WriterPool` (../writer-pool.ts); each guest begins with a `WriterInit`.
 */
import { writeFileSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { SystemClock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import { receiveGuests } from '../../../base/host-thread.ts';
import { PageCacheShares, type PageCachePart } from '../page-cache.ts';
import type { Reply, Request, WriterInit } from '../protocol.ts';
import { openDatabase, schemaAfter, suspectMark } from './open-database.ts';
import { Store } from './store.ts';
import { ThreadTurns } from './turns.ts';
import { Writer } from './writer.ts';

/** KiB. One database alone gets the inner pages of the indexes of some million rows; a hundred in use get what a listing needs. */
const PAGE_CACHE = { total: 32_000, most: 32_000, least: 256 };

const clock = new SystemClock();
const turns = new ThreadTurns(setImmediate);
const schema = schemaAfter();
const pages = new PageCacheShares(PAGE_CACHE, clock);

receiveGuests((init, port) => new Served(init as WriterInit, port).open());

/** One database with its channel. */
class Served {
  readonly #init: WriterInit;
  readonly #port: MessagePort;

  constructor(init: WriterInit, port: MessagePort) {
    this.#init = init;
    this.#port = port;
  }

  open(): void {
    try {
      const { database, opening } = openDatabase({ ...this.#init, clock, schema });
      const part = pages.join(database);
      const writer = new Writer({ store: new Store(database, this.#init), clock, turns });
      this.#port.on('message', (request: Request) => void this.#answer(writer, part, request));
      this.#send({ kind: 'opened', opening });
      // A failure here is met again, and told, by the next full listing.
      writer.undoLeftovers().catch((thrown: unknown) => this.#noteDamage(thrown));
    } catch (thrown) {
      this.#send({ kind: 'unopened', error: DlfsError.from(thrown).toJSON() });
      this.#port.close();
    }
  }

  async #answer(writer: Writer, part: PageCachePart, request: Request): Promise<void> {
    const { id, call } = request;
    try {
      if (call === 'close') part[Symbol.dispose]();
      else part.use();
      const value = await writer.handle(call, request.args);
      this.#send({ kind: 'value', id, cur: writer.cur, value });
      if (call === 'close') this.#port.close();
    } catch (thrown) {
      this.#noteDamage(thrown);
      this.#send({ kind: 'error', id, cur: writer.cur, error: DlfsError.from(thrown).toJSON() });
    }
  }

  #send(reply: Reply): void {
    this.#port.postMessage(reply);
  }

  /** Makes the next opening set a damaged database aside; this run goes on with what can still be read. */
  #noteDamage(thrown: unknown): void {
    if (DlfsError.from(thrown).code !== 'corrupt') return;
    try {
      writeFileSync(suspectMark(this.#init.file), '', { mode: 0o600 });
    } catch {
      // A disk that does not even take that will not open the index either.
    }
  }
}
