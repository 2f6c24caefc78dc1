/**
 * The lister's thread: a `Lister` at a worker's port. Its environment is the one that the worker was given; it ends by
 * `terminate()`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../base/clock.ts';
import { Lister } from './lister.ts';
import type { ListerConfig, ListerRequest } from './messages.ts';

const port = parentPort;
if (port !== null) {
  const lister = new Lister({
    config: workerData as ListerConfig,
    environment: process.env,
    clock: new SystemClock(),
    // eslint-disable-next-line no-restricted-properties -- a thread puts its own parts together; this is that place
    random: Math.random,
    post: (message) => port.postMessage(message),
  });
  port.on('message', (request: ListerRequest) => lister.receive(request));
}
