/** A lister's thread that dies of what it is asked: by a fault, by exhausting its heap, or by leaving. */
import { threadId } from 'node:worker_threads';
import { receiveGuests } from '../../../src/base/host-thread.ts';
import type { ListerMessage, ListerRequest } from '../../../src/source/s3/messages.ts';

receiveGuests((_, port) => {
  port.on('message', (request: ListerRequest) => {
    switch (request.kind) {
      case 'open':
        throw new Error('a fault of the thread');
      case 'list':
        for (const hoard: unknown[] = []; ;) hoard.push(new Array(100_000).fill(request.prefix));
      case 'credentials':
        if (request.fresh) process.exit(0);
        // Whoever asks learns by the key which thread answers.
        port.postMessage({
          kind: 'credentials',
          id: request.id,
          value: { accessKeyId: `THREAD${threadId}`, secretAccessKey: 's', sessionToken: null, expiresMs: null },
        } satisfies ListerMessage);
        break;
      default:
    }
  });
});
