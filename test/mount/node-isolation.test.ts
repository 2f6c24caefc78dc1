/**
 * Datasets of one node keep out of each other's way: a stalled origin, a quota, an origin that is down.
 */
import { strict as assert } from 'node:assert';
import { statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../posix/content.ts';
import { fails } from '../posix/expect.ts';
import { Helper } from '../posix/helper.ts';
import { O } from '../posix/linux.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { until } from '../support/process.ts';

const MIB = 1024 * 1024;
const PATIENCE_MS = 20_000;
/** Two reads each: the kernel has at most 128 under way that nobody waits for, and holds up whoever asks for more. */
const STALLED = 50;

/** Bytes that the cache files of a dataset occupy. */
async function occupied(cache: string, dataset: string): Promise<number> {
  let bytes = 0;
  for (const folder of (await readdir(cache)).filter((name) => /^[0-9a-f]{16}$/.test(name))) {
    const { dataset: whose } = JSON.parse(await readFile(join(cache, folder, 'source.json'), 'utf8')) as {
      dataset: string;
    };
    if (whose !== dataset) continue;
    for (const entry of await readdir(join(cache, folder, 'objects'), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.blocks ?? 0;
    }
  }
  return bytes * 512;
}

test('a dataset whose origin stalls holds up no other: not their cold reads, not their warm ones, not their lookups', async () => {
  const files: Record<string, number> = {};
  for (let n = 0; n < STALLED; n++) files[`stalled/f${n}`] = 2 * MIB;
  for (const name of ['b', 'c']) for (let n = 0; n < 20; n++) files[`${name}/f${n}`] = 3 * MIB;
  await using origin = await ManyOrigin.start(files);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: Object.fromEntries(['stalled', 'b', 'c'].map((name) => [`${name}.json`, origin.manifest(name)])),
    // Little memory: what a stalled dataset may hold of it must leave enough for the others.
    args: ['--memory', '32MiB'],
  });
  await using helper = new Helper();
  assert.equal((await helper.call('listdir', daemon.dirOf('stalled'))).length, STALLED);
  using stall = origin.stall('stalled');
  // A hundred reads, and none is answered.
  await using waiting = new Helper();
  const stuck: Promise<unknown>[] = [];
  const fds: number[] = [];
  for (let n = 0; n < STALLED; n++)
    fds.push(await waiting.call('open', `${daemon.dirOf('stalled')}/f${n}`, O.O_RDONLY));
  const WILLNEED = 3; // POSIX_FADV_WILLNEED: asks, and does not wait
  for (const fd of fds) await waiting.call('fadvise', fd, 0, 2 * MIB, WILLNEED);
  stuck.push(waiting.call('pread', fds[0]!, 4096, 0).catch(() => undefined));
  await stall.hit(4);
  for (const name of ['b', 'c']) {
    for (let n = 0; n < 20; n++) {
      const key = `${name}/f${n}`;
      assert.equal((await helper.call('digest', `${daemon.root}/${key}`))[0], digestOf(origin.contentOf(key, 3 * MIB)));
    }
  }
  const begun = performance.now();
  for (let n = 0; n < 20; n++) {
    const fd = await helper.call('open', `${daemon.dirOf('b')}/f${n}`, O.O_RDONLY);
    await helper.call('fadvise', fd, 0, 0, 4); // POSIX_FADV_DONTNEED: from the daemon, not from the kernel's pages
    await helper.call('pread', fd, 4096, MIB);
    await helper.call('close', fd);
  }
  assert.ok(performance.now() - begun < 10_000, 'resident reads are quick');
  assert.ok(origin.requests.every(({ key, status }) => !key.startsWith('b/') || status !== 500));
  stall.release();
  stall.remove();
  await Promise.all(stuck);
});

test('a dataset stays within its quota, whatever others have, and one reserve is not for another', async () => {
  const files: Record<string, number> = {};
  for (const name of ['small', 'large']) for (let n = 0; n < 24; n++) files[`${name}/f${n}`] = 4 * MIB;
  await using origin = await ManyOrigin.start(files);
  const quota = 16 * MIB;
  const reserve = 16 * MIB;
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: {
      'small.json': origin.manifest('small', { cache: { quota: { bytes: quota }, reserve: { bytes: reserve } } }),
      'large.json': origin.manifest('large'),
    },
    args: ['--cache-size', '64MiB', '--cache-floor', '1%'],
  });
  await using helper = new Helper();
  const readAll = async (name: string): Promise<void> => {
    for (let n = 0; n < 24; n++) {
      const key = `${name}/f${n}`;
      assert.equal((await helper.call('digest', `${daemon.root}/${key}`))[0], digestOf(origin.contentOf(key, 4 * MIB)));
    }
  };
  await readAll('small');
  await until(async () => (await occupied(daemon.cache, 'small')) <= quota, PATIENCE_MS, 'the quota holds');
  const kept = await occupied(daemon.cache, 'small');
  assert.ok(kept >= quota / 2, `${kept} bytes are kept`);
  await readAll('large');
  await readAll('large');
  await until(
    async () => (await occupied(daemon.cache, 'small')) + (await occupied(daemon.cache, 'large')) <= 64 * MIB,
    PATIENCE_MS,
    'both together stay within the limit',
  );
  assert.ok((await occupied(daemon.cache, 'large')) > 32 * MIB, 'the other has what is left');
  assert.equal(await occupied(daemon.cache, 'small'), kept, 'nothing of the reserve was taken');
  // A smaller quota takes effect by itself.
  await daemon.write('small.json', origin.manifest('small', { cache: { quota: { bytes: 8 * MIB } } }));
  await until(async () => (await occupied(daemon.cache, 'small')) <= 8 * MIB, PATIENCE_MS, 'the smaller quota holds');
});

test('a dataset whose origin is down answers with errors, never as an empty directory, and comes up by itself', async () => {
  await using origin = await ManyOrigin.start({ 'down/f': 1000, 'up/f': 1000 });
  const fault = origin.faults.inject(
    { when: (request) => request.key.startsWith('down/') || (request.prefix ?? '').startsWith('down/') },
    { type: 'error', status: 403, code: 'AccessDenied' },
  );
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'down.json': origin.manifest('down'), 'up.json': origin.manifest('up') },
  });
  await using helper = new Helper();
  assert.equal((await helper.call('digest', `${daemon.dirOf('up')}/f`))[1], 1000);
  await fails(helper.call('listdir', daemon.dirOf('down')), 'EACCES', 'EIO');
  await fails(helper.call('stat', `${daemon.dirOf('down')}/f`), 'EACCES', 'EIO');
  await daemon.logged(/"dataset":"down".*the origin does not answer/);
  fault.remove();
  await until(
    async () => (await helper.call('listdir', daemon.dirOf('down')).catch((): string[] => [])).includes('f'),
    PATIENCE_MS,
    'it is there',
  );
  assert.equal((await helper.call('digest', `${daemon.dirOf('down')}/f`))[1], 1000);
  // With its listing on the disk it is there at once behind a restart, and what is cached is read without the origin.
  await daemon.logged(/"dataset":"down".*listing is complete/);
  await daemon.terminate();
  using _again = origin.stall('down');
  await daemon.startAgain();
  assert.deepEqual(await helper.call('listdir', daemon.dirOf('down')), ['f']);
  assert.equal((await helper.call('digest', `${daemon.dirOf('down')}/f`))[1], 1000);
});
