/**
 * Processes that wait for a stalled origin: killed, they are gone at once; interrupted by signals that they catch, they
 * notice nothing; and nobody else waits with them.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { fails } from '../posix/expect.ts';
import { O, PAGE } from '../posix/linux.ts';
import { at } from '../posix/target.ts';
import { Tree } from '../posix/tree.ts';
import type { InjectedFault } from '../../demo/endpoint/index.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { BLOCKING_LENGTH, Blocker, type BlockingCall } from '../support/signals.ts';

const MIB = 1024 * 1024;

/** How long a killed process may stay, in milliseconds: the promise. */
const GONE_MS = 1000;
/** The pause between two signals of the storm. */
const STORM_MS = 3;
/** How long the storm goes on before the origin answers: hundreds of signals, and more than the kernel's second INTERRUPT. */
const STALL_MS = 1500;
/** What is not stalled comes at once; on a machine under load, in this time. */
const AT_ONCE_MS = 5000;

/** Where each call's path lies: what has `stalled` in its key or prefix does not arrive while the fault is there. */
const PATHS = {
  lookup: 'stalled-lookup/name',
  readdir: 'stalled-readdir',
  read: 'files/stalled-read.bin',
  direct: 'files/stalled-direct.bin',
  mmap: 'files/stalled-mmap.bin',
} as const satisfies Partial<Record<BlockingCall, string>>;
const CALLS = Object.keys(PATHS) as (keyof typeof PATHS)[];

function stallingTree(): Tree {
  const stalled = ['stalled-lookup/name', 'stalled-readdir/name', PATHS.read, PATHS.direct, PATHS.mmap];
  const others = ['other/cold.bin', 'other/warm.bin', 'open/name'];
  return new Tree(
    [...stalled, ...others].map((path, i) => ({
      path,
      content: generated(seedOf(path), 2 * MIB + i),
      mtimeMs: Date.UTC(2023, 0, 1 + i),
    })),
  );
}

/** A mount whose directories are listed one by one (the listing of the whole stops at once), and whose origin stalls. */
class Stalled implements AsyncDisposable {
  readonly target: DlfsTarget;
  readonly #faults: ReadonlyMap<string, InjectedFault>;

  private constructor(target: DlfsTarget, faults: ReadonlyMap<string, InjectedFault>) {
    this.target = target;
    this.#faults = faults;
  }

  static async start(open: DlfsTarget['dlfs']['open'], args: readonly string[] = []): Promise<Stalled> {
    const faults = new Map<string, InjectedFault>();
    const target = await DlfsTarget.start(stallingTree(), {
      open,
      args: ['--list-limit', '1', '--refresh', 'never', ...args],
      before: (origin) => {
        for (const [call, path] of Object.entries(PATHS)) {
          // The file's own requests, and every listing or head that would tell what is in the directory.
          const key = origin.key(path.startsWith('stalled-') ? (path.split('/')[0] ?? '') : path);
          const when = (request: { key: string; prefix: string | null }): boolean =>
            request.key.startsWith(key) || (request.prefix ?? '').startsWith(key);
          faults.set(call, origin.faults.inject({ when }, { type: 'stall', after: 'nothing' }));
        }
      },
    });
    return new Stalled(target, faults);
  }

  /** Lets the origin answer what a call waits for. */
  release(call: keyof typeof PATHS): void {
    this.#faults.get(call)?.[Symbol.dispose]();
  }

  async readsWhole(path: string): Promise<void> {
    const { content } = this.target.tree.file(path);
    assert.deepEqual(await this.target.helper.call('digest', at(this.target, path)), [digestOf(content), content.size]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.target[Symbol.asyncDispose]();
  }
}

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
