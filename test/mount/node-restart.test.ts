/**
 * A daemon that is killed or stopped comes back with everything: mounts over the dead ones, listings, caches.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { digestOf } from '../posix/content.ts';
import { outcome } from '../posix/expect.ts';
import { Helper } from '../posix/helper.ts';
import { O } from '../posix/linux.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { until } from '../support/process.ts';

const DATASETS = 100;
const SIZE = 20_000;
const PATIENCE_MS = 60_000;

test(`${DATASETS} datasets are back behind a crash without the origin: over the dead mounts, with their listings and caches`, async (t) => {
  const names = Array.from({ length: DATASETS }, (_, n) => `d${n}`);
  const files = Object.fromEntries(names.flatMap((name) => [0, 1, 2].map((n) => [`${name}/f${n}`, SIZE])));
  await using origin = await ManyOrigin.start(files);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: Object.fromEntries(names.map((name) => [`${name}.json`, origin.manifest(name)])),
  });
  assert.equal((await daemon.mounts()).size, DATASETS);
  await using helper = new Helper();
  const inos = new Map<string, number>();
  for (const name of names) {
    inos.set(name, (await helper.call('stat', `${daemon.dirOf(name)}/f1`)).ino);
    await helper.call('digest', `${daemon.dirOf(name)}/f0`);
  }
  await until(() => daemon.count(/listing is complete/) >= DATASETS, PATIENCE_MS, 'all are listed');
  // A clean end commits what was fetched last; a crash alone could lose that.
  await daemon.terminate();
  const clean = await daemon.startAgain();
  await daemon.kill();
  assert.equal((await daemon.mounts()).size, DATASETS, 'a crash leaves dead mounts');
  assert.equal(await outcome(helper.call('listdir', daemon.dirOf('d7'))), 'ENOTCONN');

  // Nothing is answered: what is known and cached must do.
  using _stall = origin.faults.inject({}, { type: 'stall', after: 'nothing' });
  const took = await daemon.startAgain();
  t.diagnostic(
    `all mounts serve after ${Math.round(clean)} ms behind a clean end, ${Math.round(took)} ms behind a crash`,
  );
  const mounts = await daemon.mounts();
  assert.equal(mounts.size, DATASETS);
  for (const [dir, stacked] of mounts) assert.equal(stacked.length, 1, `${dir}: the dead mount is gone`);
  for (const name of names) {
    assert.equal((await helper.call('stat', `${daemon.dirOf(name)}/f1`)).ino, inos.get(name));
    const [digest] = await helper.call('digest', `${daemon.dirOf(name)}/f0`);
    assert.equal(digest, digestOf(origin.contentOf(`${name}/f0`, SIZE)));
  }
});

test('a daemon that is told to end waits for those who use a mount, then takes it away, and says so', async () => {
  await using origin = await ManyOrigin.start({ 'a/f': SIZE, 'b/f': SIZE });
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'a.json': origin.manifest('a'), 'b.json': origin.manifest('b') },
  });
  await using helper = new Helper();
  const fd = await helper.call('open', `${daemon.dirOf('a')}/f`, O.O_RDONLY);
  const ended = daemon.terminate();
  await daemon.logged(/"dataset":"a".*the mount is in use by python3\[\d+\] \(open file/);
  await helper.call('close', fd);
  await ended;
  assert.equal(daemon.count(/detached although it is in use/), 0);
  await daemon.startAgain();
  const again = await helper.call('open', `${daemon.dirOf('a')}/f`, O.O_RDONLY);
  await daemon.terminate();
  assert.equal(daemon.count(/"dataset":"a".*the mount is detached although it is in use/), 1);
  await outcome(helper.call('close', again));
});
