/**
 * The worker thread of the index: opens the database, then answers requests until it is told to close.
 *
 * Started by `WriterPort` (../writer-port.ts) with a `WorkerInit`.
 */
import { writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import type { Reply, Request, WorkerInit } from '../protocol.ts';
import { openDatabase, suspectMark } from './open-database.ts';
import { Store } from './store.ts';
import { Writer } from './writer.ts';

const port = parentPort;
if (port === null) throw new DlfsError('internal', 'the index worker was not started as a worker');
const send = (reply: Reply): void => port.postMessage(reply);
const init = workerData as WorkerInit;
const clock = new SystemClock();

try {
  const { database, opening } = openDatabase({ ...init, clock });
  const store = new Store(database, init);
  const writer = new Writer({ store, clock, defer: setImmediate });
  port.on('message', (request: Request) => void answer(writer, request));
  send({ kind: 'opened', opening });
  // A failure here is met again, and told, by the next full listing.
  writer.undoLeftovers().catch(noteDamage);
} catch (thrown) {
  send({ kind: 'unopened', error: DlfsError.from(thrown).toJSON() });
}

async function answer(writer: Writer, request: Request): Promise<void> {
  const { id, call } = request;
  try {
    const value = await writer.handle(call, request.args);
    send({ kind: 'value', id, cur: writer.cur, value });
    if (call === 'close') port?.close();
  } catch (thrown) {
    noteDamage(thrown);
    send({ kind: 'error', id, cur: writer.cur, error: DlfsError.from(thrown).toJSON() });
  }
}

/** Makes the next opening set a damaged database aside; this run goes on with what can still be read. */
function noteDamage(thrown: unknown): void {
  if (DlfsError.from(thrown).code !== 'corrupt') return;
  try {
    writeFileSync(suspectMark(init.file), '', { mode: 0o600 });
  } catch {
    // A disk that does not even take that will not open the index either.
  }
}
