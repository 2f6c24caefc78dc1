/** A writer's thread that dies of `markClean` and answers everything else with null. */
import { receiveGuests } from '../../../src/base/host-thread.ts';
import type { Reply, Request } from '../../../src/cache/index/protocol.ts';

receiveGuests((_, port) => {
  const opening = { kind: 'created', setAside: null, reason: null, clean: true, emptied: false } as const;
  port.postMessage({ kind: 'opened', opening } satisfies Reply);
  port.on('message', ({ id, call }: Request) => {
    if (call === 'markClean') throw new Error('a fault of the thread');
    port.postMessage({ kind: 'value', id, cur: 0, value: null } satisfies Reply);
    if (call === 'close') port.close();
  });
});
