/**
 * The differential test over real dlfs mounts, in both open modes and over fuse-native: random operations against a plain directory of the same
 * content, with refreshes, evictions, dropped caches and restarts in between.
 *
 * A failure prints fast-check's seed; DLFS_SEED repeats it.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { outcome } from '../posix/expect.ts';
import { BALLAST, EVICTING_CACHE, modelTree, type Change } from '../model/mount/model-tree.ts';
import { runModel } from '../model/mount/run-model.ts';
import { at } from '../posix/target.ts';
import { dropCaches } from '../support/files.ts';
import { PlainMount } from '../support/mount-plain.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';

/** How long a change may take to be seen: a refresh waits fifty times as long as the listing before took under load. */
const SEEN_MS = 120_000;

/** How long one mode is tried, on whatever machine. */
const LIMIT_MS = 45_000;

/** What the log says where a change is seen from the next mount on. */
const CHANGED = /the source has changed/;

const SEED = process.env['DLFS_SEED'] === undefined ? {} : { seed: Number(process.env['DLFS_SEED']) };

for (const open of [...OPEN_MODES, 'fuse-native'] as const) {
  test(`a ${open} mount and a plain directory answer alike, through refreshes, evictions and restarts`, async () => {
    const tree = modelTree();
    await using target = await DlfsTarget.start(tree, {
      open,
      args: ['--refresh', '1s', '--block-size', '64KiB', '--cache-size', String(EVICTING_CACHE)],
    });
    const { mount, origin, helper } = target;
    await using plain = await PlainMount.create(tree, helper);

    /** Whether the mount shows what a change made. */
    const shows = async (change: Change): Promise<boolean> => {
      if (change.kind === 'remove') return (await outcome(helper.call('stat', at(target, change.path)))) === 'ENOENT';
      const { path, mtimeMs, content } = change.file;
      if ((await outcome(helper.call('stat', at(target, path)))) !== 'OK') return false;
      const found = await helper.call('stat', at(target, path));
      return BigInt(found.mtimeNs) === BigInt(mtimeMs) * 1_000_000n && found.size === content.size;
    };
    const showsAll = async (changes: readonly Change[]): Promise<boolean> => {
      for (const change of changes) if (!(await shows(change))) return false;
      return true;
    };
    /** Mounts again when a refresh has found something, until all is shown. */
    const remount = async (changes: readonly Change[], toldBefore: number): Promise<void> => {
      for (let told = toldBefore; !(await showsAll(changes));) {
        await until(() => mount.count(CHANGED) > told, SEEN_MS, 'a refresh finds the change');
        await mount.umount();
        told = mount.count(CHANGED);
        await mount.startAgain();
      }
    };
    const actions = {
      changeRemounts: open === 'fuse-native',
      change: async (changes: readonly Change[]): Promise<void> => {
        const told = mount.count(CHANGED);
        for (const change of changes) {
          if (change.kind === 'put') origin.put(change.file);
          else origin.remove(change.path);
        }
        if (open === 'fuse-native') await remount(changes, told);
        for (const change of changes)
          await until(() => shows(change), SEEN_MS, `the mount shows ${JSON.stringify(change)}`);
      },
      // Together they are larger than the cache.
      evict: async (): Promise<void> => {
        for (const path of BALLAST) await outcome(helper.call('digest', at(target, path)));
      },
      restart: async (how: 'clean' | 'kill'): Promise<void> => {
        await (how === 'clean' ? mount.umount() : mount.kill());
        await mount.startAgain();
      },
      dropCaches: () => dropCaches(true),
    };
    try {
      await runModel({ dir: target.dir, plain, helper, actions }, tree, {
        runs: 30,
        commandsPerRun: 80,
        limitMs: LIMIT_MS,
        ...SEED,
      });
    } catch (error) {
      throw mount.explain(error);
    }
    assert.ok(origin.counters().get.bodyBytes > EVICTING_CACHE, 'the cache was overflowed at least once');
  });
}
