/**
 * Processes that wait for a stalled origin: killed, they are gone at once; interrupted by signals that they catch, they
 * notice nothing; and nobody else waits with them.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { CallError } from '../posix/helper.ts';
import { at } from '../posix/target.ts';
import { Tree } from '../posix/tree.ts';
import { DlfsTarget, OPEN_MODES, type DlfsTargetOptions } from '../support/mount-target.ts';
import { BLOCKING_LENGTH, Blocker, type BlockingCall } from '../support/signals.ts';

const MIB = 1024 * 1024;

/** How long a killed process may stay, in milliseconds: the promise. */
const GONE_MS = 1000;
/** The pause between two signals of the storm. */
const STORM_MS = 3;
/** How long the storm goes on before the origin answers: hundreds of signals, and more than the kernel's second INTERRUPT. */
const STALL_MS = 1500;

/** Where each call's path lies; everything below `stalled-…` never arrives while the fault is there. */
const PATHS = {
  lookup: 'stalled-lookup/name',
  readdir: 'stalled-readdir',
  read: 'files/stalled-read.bin',
  direct: 'files/stalled-direct.bin',
  mmap: 'files/stalled-mmap.bin',
} as const satisfies Partial<Record<BlockingCall, string>>;
const CALLS = Object.keys(PATHS) as (keyof typeof PATHS)[];

function stallingTree(): Tree {
  const paths = [
    'stalled-lookup/name',
    'stalled-readdir/name',
    ...Object.values(PATHS).filter((path) => path.endsWith('.bin')),
  ];
  const more = ['files/other.bin', 'files/warm.bin', 'open/name'];
  return new Tree(
    [...paths, ...more].map((path, i) => ({
      path,
      content: generated(seedOf(path), 2 * MIB + i),
      mtimeMs: Date.UTC(2023, 0, 1 + i),
    })),
  );
}

/** A mount whose directories are listed one by one (the listing of the whole stops at once), with the stall in place. */
function stallingOptions(open: DlfsTargetOptions['open'], args: readonly string[] = []): DlfsTargetOptions {
  return {
    open,
    args: ['--list-limit', '1', '--refresh', 'never', ...args],
    before: ({ faults }) => {
      // Listings of the stalled directories, and whatever else would tell what is in them.
      faults.inject(
        { when: ({ key, prefix }) => (key || (prefix ?? '')).includes('/stalled-') },
        { type: 'stall', after: 'nothing' },
      );
    },
  };
}

for (const open of OPEN_MODES) {
  for (const call of CALLS) {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      test(`a process that a stalled origin blocks in ${call} is gone within a second of ${signal}, ${open}`, async () => {
        await using target = await DlfsTarget.start(stallingTree(), stallingOptions(open));
        await using blocker = new Blocker(call, at(target, PATHS[call]));
        await blocker.blocked();
        const took = await blocker.killed(signal, GONE_MS);
        assert.ok(took < GONE_MS);
        // The mount serves on.
        const { content } = target.tree.file('files/other.bin');
        assert.deepEqual(await target.helper.call('digest', at(target, 'files/other.bin')), [
          digestOf(content),
          content.size,
        ]);
      });
    }

    test(`signals caught during a stall reach a process in ${call} neither as EINTR nor as a short read, ${open}`, async () => {
      await using target = await DlfsTarget.start(stallingTree(), stallingOptions(open));
      await using blocker = new Blocker(call, at(target, PATHS[call]), STORM_MS);
      await blocker.blocked();
      await delay(STALL_MS); // the length of the storm, not a wait for something
      target.origin.faults.clear();
      const { result, errno, sha256, signals } = await blocker.returned();
      assert.equal(errno, null);
      assert.ok(signals > 0, 'the handlers ran');
      if (call === 'lookup') assert.equal(result, 1);
      else if (call === 'readdir') assert.ok(result > 0);
      else {
        assert.equal(result, BLOCKING_LENGTH);
        assert.equal(sha256, digestOf(target.tree.file(PATHS[call]).content, 0, BLOCKING_LENGTH));
      }
    });
  }

  test(`sixty-four stalled readers keep nobody else waiting, ${open}`, async () => {
    await using target = await DlfsTarget.start(stallingTree(), stallingOptions(open));
    const { content } = target.tree.file('files/warm.bin');
    await target.helper.call('digest', at(target, 'files/warm.bin'));
    await using blockers = new AsyncDisposableStack();
    for (let i = 0; i < 64; i++) {
      const blocker = blockers.use(new Blocker('read', at(target, PATHS.read)));
      await blocker.blocked();
    }
    const start = performance.now();
    assert.deepEqual(await target.helper.call('digest', at(target, 'files/warm.bin')), [
      digestOf(content),
      content.size,
    ]);
    const other = target.tree.file('files/other.bin').content;
    assert.deepEqual(await target.helper.call('digest', at(target, 'files/other.bin')), [digestOf(other), other.size]);
    assert.deepEqual(await target.helper.call('listdir', at(target, 'open')), ['name']);
    assert.ok(performance.now() - start < 5000, 'at once, on a machine under load');
  });

  test(`a read that the origin stalls beyond --io-timeout answers EIO, with one line in the log, ${open}`, async () => {
    await using target = await DlfsTarget.start(stallingTree(), stallingOptions(open, ['--io-timeout', '2s']));
    const { helper, mount } = target;
    await assert.rejects(
      helper.call('digest', at(target, PATHS.read)),
      (error) => error instanceof CallError && error.code === 'EIO',
    );
    await mount.logged(/stalled-read\.bin/);
    assert.equal(mount.count(/stalled-read\.bin/), 1);
    await assert.rejects(
      helper.call('listdir', at(target, PATHS.readdir)),
      (error) => error instanceof CallError && error.code === 'EIO',
    );
  });
}
