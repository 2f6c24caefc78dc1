/**
 * The listers' thread: a `Lister` for each guest. Its environment is the one that the worker was given; it ends by `terminate()`.
 */
import { SystemClock } from '../../base/clock.ts';
import { receiveGuests } from '../../base/host-thread.ts';
import { Lister } from './lister.ts';
import type { ListerConfig, ListerRequest } from './messages.ts';

const clock = new SystemClock();

receiveGuests((init, port) => {
  const lister = new Lister({
    config: init as ListerConfig,
    environment: process.env,
    clock,
    // eslint-disable-next-line no-restricted-properties -- a thread puts its own parts together; this is that place
    random: Math.random,
    post: (message) => port.postMessage(message),
  });
  port.on('message', (request: ListerRequest) => lister.receive(request));
  port.on('close', () => lister[Symbol.dispose]());
});
