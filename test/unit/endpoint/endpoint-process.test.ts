/** The endpoint in a process of its own. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EndpointProcess, pattern } from '../../../demo/endpoint/index.ts';
import { RawS3Client } from '../../support/s3/signed-request.ts';
import { verdict } from './endpoint-fixture.ts';

const KEYS = { accessKeyId: 'AKPROCESS', secretAccessKey: 'process-secret' };

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('an endpoint process serves a folder and generated objects, counts, and is gone when it is disposed of', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'dlfs-endpoint-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'a'), 'from the folder');
  let pid: number;
  {
    await using endpoint = await EndpointProcess.start({
      bucket: 'demo',
      folder,
      virtualObjects: [{ key: 'large', size: 1_000_000, seed: 5 }],
      ...KEYS,
    });
    pid = endpoint.pid;
    assert.equal(endpoint.objects, 2);
    using client = new RawS3Client(endpoint.url, KEYS);
    assert.equal((await client.send({ path: '/demo/a' })).body.toString(), 'from the folder');
    const expected = Buffer.alloc(1_000_000);
    pattern(5)(0, expected);
    assert.ok((await client.send({ path: '/demo/large' })).body.equals(expected));
    assert.equal(verdict(await client.send({ path: '/demo', method: 'HEAD' })), '403');
    const counted = await endpoint.resetCounters();
    assert.deepEqual(counted.get, { requests: 2, errors: 0, bodyBytes: 1_000_015 });
    assert.equal((await endpoint.counters()).get.requests, 0);
    assert.ok(isAlive(pid));
  }
  assert.ok(!isAlive(pid));
});

test('a folder that cannot be read is the error of the start', async () => {
  await assert.rejects(
    EndpointProcess.start({ bucket: 'demo', folder: '/nonexistent/folder', ...KEYS }),
    /ENOENT.*nonexistent/,
  );
});

test('the secret is neither in the arguments nor in the environment of the process', async () => {
  await using endpoint = await EndpointProcess.start({ bucket: 'demo', folder: null, ...KEYS });
  const { readFile } = await import('node:fs/promises');
  for (const name of ['cmdline', 'environ']) {
    assert.doesNotMatch(await readFile(`/proc/${String(endpoint.pid)}/${name}`, 'latin1'), /process-secret/);
  }
});
