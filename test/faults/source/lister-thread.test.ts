/** The lister's thread dies, and nobody waits for it for ever. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { parseSourceOptions } from '../../../src/dataset/source-options.ts';
import { ListerClient } from '../../../src/source/s3/lister-client.ts';
import { listerHost } from '../../../src/source/s3/lister-host.ts';
import { BARE_ENVIRONMENT } from './set-up.ts';

const LIST = { prefix: 'p/', delimiter: null, startAfter: '', pageSize: 1000, attempts: 1 };

const ways: readonly (readonly [string, (client: ListerClient) => Promise<unknown>])[] = [
  ['by a fault', (client) => client.open()],
  ['of its memory', (client) => client.list(LIST, new AbortController().signal).next()],
  ['by leaving', (client) => client.credentials(true)],
];

for (const [way, die] of ways) {
  test(`a thread that ends ${way} fails what it was asked, and the next call gets another thread`, async () => {
    await using thread = listerHost({
      environment: BARE_ENVIRONMENT,
      log: SILENT_LOGGER,
      program: new URL('./dying-thread.ts', import.meta.url),
      heapMib: 32,
    });
    const clientOf = (bucket: string): ListerClient =>
      new ListerClient({
        config: {
          source: parseSourceOptions({ source: `s3://${bucket}` }),
          authorities: [],
          requestDeadlineMs: 1000,
          credentialsDeadlineMs: 1000,
        },
        thread,
        log: SILENT_LOGGER,
        onCredentials: () => undefined,
        onSkew: () => undefined,
      });
    await using client = clientOf('data');
    await using other = clientOf('others');
    const othersBefore = await other.credentials(false);
    const before = await client.credentials(false);
    await assert.rejects(die(client), { code: 'internal', retryable: true });
    const after = await client.credentials(false);
    assert.match(after?.accessKeyId ?? '', /^THREAD\d+$/);
    assert.notEqual(after?.accessKeyId, before?.accessKeyId);
    // Who shared the thread finds the next one, too, without having asked for anything that failed.
    assert.equal(othersBefore?.accessKeyId, before?.accessKeyId);
    assert.equal((await other.credentials(false))?.accessKeyId, after?.accessKeyId);
  });
}
