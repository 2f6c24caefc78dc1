/**
 * The thread in which sources list: one a process, with a `Lister` of its own for each source.
 */
import type { Logger } from '../../base/log.ts';
import { HostThread } from '../../base/host-thread.ts';
import { moduleUrl } from '../../base/module-url.ts';
import type { Environment } from './proxy.ts';

/** Its heap, MiB: parallel pages of 16 MiB and what their parsing makes of them. Beyond it the thread dies, not the process. */
const HEAP_MIB = 1024;

/** Characters of the SDK's output that are kept. */
const MAX_OUTPUT = 1000;

/** What the thread is started with. */
export interface ListerHostOptions {
  /** Configuration of the SDK and of proxies, for all sources. */
  readonly environment: Environment;
  readonly log: Logger;
  /** Another program for the thread, for tests. */
  readonly program?: URL;
  /** Another heap for it, MiB, for tests. */
  readonly heapMib?: number;
}

/** Makes the thread; it starts with its first source. Dispose it after the sources. */
export function listerHost(options: ListerHostOptions): HostThread {
  const { environment, log, program = moduleUrl('./lister-thread.ts', import.meta.url), heapMib = HEAP_MIB } = options;
  return new HostThread({
    program,
    name: 'dlfs-lister',
    environment,
    heapMib,
    // What the SDK prints is not for the terminal of whoever mounts.
    onOutput: (text) => log.debug('the SDK says', { text: text.slice(0, MAX_OUTPUT) }),
    onEnd: (cause) => log.error('the lister ended and will be started anew', { err: cause }),
  });
}
