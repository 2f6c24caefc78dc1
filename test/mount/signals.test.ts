/**
 * Processes that wait for a stalled origin: killed, they are gone at once; interrupted by signals that they catch, they
 * notice nothing; and nobody else waits with them.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf } from '../posix/content.ts';
import { fails } from '../posix/expect.ts';
import { O, PAGE } from '../posix/linux.ts';
import { at } from '../posix/target.ts';
import { OPEN_MODES } from '../support/mount-target.ts';
import { BLOCKING_LENGTH, Blocker } from '../support/signals.ts';
import { CALLS, PATHS, Stalled } from '../support/stalled.ts';

/** How long a killed process may stay, in milliseconds: the promise. */
const GONE_MS = 1000;
/** The pause between two signals of the storm. */
const STORM_MS = 3;
/** How long the storm goes on before the origin answers: hundreds of signals, and more than the kernel's second INTERRUPT. */
const STALL_MS = 1500;
/** What is not stalled comes at once; on a machine under load, in this time. */
const AT_ONCE_MS = 5000;

for (const open of OPEN_MODES) {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`a process that a stalled origin blocks is gone within a second of ${signal}, ${open}`, async (t) => {
      await using stalled = await Stalled.start(open);
      for (const call of CALLS) {
        await t.test(`in ${call}`, async () => {
          await using blocker = new Blocker(call, at(stalled.target, PATHS[call]));
          await blocker.blocked();
          const took = await blocker.killed(signal, GONE_MS);
          assert.ok(took < GONE_MS);
        });
      }
      await t.test('and the mount serves on', () => stalled.readsWhole('other/cold.bin'));
    });
  }
}

for (const open of [...OPEN_MODES, 'fuse-native'] as const) {
  test(`signals caught during a stall reach a process neither as EINTR nor as a short read, ${open}`, async (t) => {
    await using stalled = await Stalled.start(open);
    for (const call of CALLS) {
      await t.test(`in ${call}`, async () => {
        await using blocker = new Blocker(call, at(stalled.target, PATHS[call]), STORM_MS);
        await blocker.blocked();
        await delay(STALL_MS); // the length of the storm, not a wait for something
        stalled.release(call);
        const { result, errno, sha256, signals } = await blocker.returned();
        assert.equal(errno, null);
        assert.ok(signals > 0, 'the handlers ran');
        if (call === 'lookup') assert.equal(result, 1);
        else if (call === 'readdir') assert.ok(result > 0);
        else {
          assert.equal(result, BLOCKING_LENGTH);
          assert.equal(sha256, digestOf(stalled.target.tree.file(PATHS[call]).content, 0, BLOCKING_LENGTH));
        }
      });
    }
  });

  test(`sixty-four stalled readers keep nobody else waiting, ${open}`, async () => {
    await using stalled = await Stalled.start(open);
    const { target } = stalled;
    await stalled.readsWhole('other/warm.bin');
    await using crowd = new Blocker('crowd', at(target, PATHS.read));
    await crowd.crowdBlocked();
    const start = performance.now();
    await stalled.readsWhole('other/warm.bin');
    await stalled.readsWhole('other/cold.bin');
    assert.deepEqual(await target.helper.call('listdir', at(target, 'open')), ['name']);
    assert.ok(performance.now() - start < AT_ONCE_MS);
  });

  test(`a read that the origin stalls beyond --io-timeout answers EIO, with one line in the log, ${open}`, async () => {
    await using stalled = await Stalled.start(open, ['--io-timeout', '2s']);
    const { helper, mount } = stalled.target;
    // O_DIRECT: one read is one request, which fails once.
    await helper.with(at(stalled.target, PATHS.read), O.O_RDONLY | O.O_DIRECT, async (fd) => {
      await fails(helper.call('pread_direct', fd, PAGE, 0, 0), 'EIO');
    });
    await mount.logged(/stalled-read\.bin/);
    assert.equal(mount.count(/stalled-read\.bin/), 1);
    await fails(helper.call('listdir', at(stalled.target, PATHS.readdir)), 'EIO');
  });
}
