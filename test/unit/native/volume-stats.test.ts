/** Counters of the data plane: each volume has its own, the engine's are their sums, and none gets lost. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BLOCK, FetchClient, KIND, randomBlocks } from './fetch-origin.ts';

test('counters belong to a volume, and the sums of the engine keep those of removed ones', async () => {
  const object = randomBlocks(2);
  const server = createServer((_request, response) => {
    response.writeHead(206, {
      'Content-Range': `bytes 0-${object.length - 1}/${object.length}`,
      'Content-Length': object.length,
    });
    response.end(object);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'second-'));
  try {
    await using client = new FetchClient();
    const { engine, volume } = client;
    const limits = { maxVolatile: BLOCK };
    const second = engine.addVolume({ objectsDir: folder, blockSize: BLOCK, ...limits });
    const { port } = server.address() as AddressInfo;
    const endpoint = engine.addEndpoint({ addresses: [{ address: '127.0.0.1', port }], tls: null, tunnel: null });
    assert.equal((await client.fetch(endpoint, 2)).kind, KIND.ok);

    assert.equal(engine.volumeStats(volume).fetchedBytes, 2 * BLOCK);
    assert.deepEqual(
      new Set(Object.values(engine.volumeStats(second))),
      new Set([0]),
      'the other volume counts nothing',
    );
    assert.equal(engine.stats().fetchedBytes, 2 * BLOCK);
    const names = Object.keys(engine.volumeStats(volume));
    assert.deepEqual(
      names.filter((name) => !(name in engine.stats())),
      [],
    );

    engine.removeVolume(second);
    engine.removeVolume(volume);
    assert.throws(() => engine.volumeStats(volume), /no such volume/);
    assert.equal(engine.stats().fetchedBytes, 2 * BLOCK);
  } finally {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    rmSync(folder, { recursive: true });
  }
});
