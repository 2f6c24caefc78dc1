/**
 * A daemon that is told to end, and those who use its mounts.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { outcome } from '../posix/expect.ts';
import { Helper } from '../posix/helper.ts';
import { O } from '../posix/linux.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { ManyOrigin } from '../support/many-origin.ts';

const SIZE = 20_000;

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
