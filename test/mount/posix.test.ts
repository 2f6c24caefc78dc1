/**
 * The POSIX table over real dlfs mounts, in both open modes, cold and warm, under several owners and modes.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { makeAssets } from '../posix/assets.ts';
import { digestOf } from '../posix/content.ts';
import { extremesTree } from '../posix/extremes.ts';
import { outcome } from '../posix/expect.ts';
import { Helper } from '../posix/helper.ts';
import { MS, O } from '../posix/linux.ts';
import { runRows } from '../posix/run-rows.ts';
import { standardTree, UNEVEN, UNEVEN_SIZE } from '../posix/standard-tree.ts';
import { dlfsTable, extremes, permissionRows, table } from '../posix/table.ts';
import { at } from '../posix/target.ts';
import type { Tree } from '../posix/tree.ts';
import { dropCaches } from '../support/files.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';

async function treeWithAssets(): Promise<Tree> {
  await using helper = new Helper();
  return standardTree(await makeAssets(helper));
}

for (const open of OPEN_MODES) {
  test(`the POSIX table holds on a ${open} mount`, async (t) => {
    await using target = await DlfsTarget.start(await treeWithAssets(), { open });
    const explain = (error: unknown): Error => target.mount.explain(error);
    await t.test('cold', (part) => runRows(part, table, target, explain));
    await t.test('with what only dlfs promises', (part) => runRows(part, dlfsTable, target, explain));
    await t.test('warm, behind a restart, with nothing in the page cache', async (part) => {
      await target.mount.umount();
      await target.mount.startAgain();
      await dropCaches();
      await runRows(part, table, target, explain);
    });
  });

  test(`the rows about extremes hold on a ${open} mount`, async (t) => {
    await using target = await DlfsTarget.start(extremesTree(), { open });
    await runRows(t, extremes, target, (error) => target.mount.explain(error));
  });
}

for (const owner of [
  { uid: 0, gid: 0, fileMode: 0o400, dirMode: 0o500 },
  { uid: 12_345, gid: 54_321, fileMode: 0o400, dirMode: 0o500 },
  { uid: 12_345, gid: 54_321, fileMode: 0o540, dirMode: 0o550 },
  { uid: 0, gid: 0, fileMode: 0o555, dirMode: 0o555 },
]) {
  const { uid, gid, fileMode, dirMode } = owner;
  const options = `--uid ${String(uid)} --gid ${String(gid)} --file-mode 0${fileMode.toString(8)} --dir-mode 0${dirMode.toString(8)}`;
  test(`the rows about permissions hold with ${options}`, async (t) => {
    // The kernel checks modes in the same way in both open modes, but an OPEN answered by us must not undo it.
    await using target = await DlfsTarget.start(standardTree([]), { open: 'passthrough', owner });
    await runRows(t, permissionRows, target, (error) => target.mount.explain(error));
  });
}

test('the daemon refuses writes by itself, where root has remounted its mount for writing', async () => {
  await using target = await DlfsTarget.start(standardTree([]), { open: 'stateless' });
  const { helper } = target;
  // The mount itself, not only what this mount point shows of it. A kernel or a daemon that refuses is as good.
  if ((await outcome(helper.call('mount', 'none', target.dir, null, MS.REMOUNT | MS.NOSUID | MS.NODEV, null))) !== 'OK')
    return;
  for (const [call, ...args] of [
    ['mkdir', at(target, 'deep/new')],
    ['unlink', at(target, UNEVEN)],
    ['truncate', at(target, UNEVEN), 0],
    ['chmod', at(target, UNEVEN), 0o777],
    ['setxattr', at(target, UNEVEN), 'user.mine', 'x'],
    ['rename', at(target, UNEVEN), at(target, 'deep/new')],
    ['symlink', 'x', at(target, 'deep/new')],
    ['open', at(target, 'deep/new'), O.O_RDWR | O.O_CREAT, 0o644],
  ] as const) {
    assert.equal(await outcome(helper.call(call, ...(args as never))), 'EROFS', call);
  }
  // A stateless mount is not asked about OPEN: then writing itself must be refused.
  const opened = await outcome(helper.call('open', at(target, UNEVEN), O.O_RDWR));
  assert.ok(opened === 'OK' || opened === 'EROFS', opened);
  if (opened === 'OK') {
    await helper.with(at(target, UNEVEN), O.O_RDWR, async (fd) => {
      assert.equal(await outcome(helper.call('write', fd, 'x')), 'EROFS');
      assert.equal(await outcome(helper.call('ftruncate', fd, 0)), 'EROFS');
    });
  }
  assert.deepEqual(await helper.call('digest', at(target, UNEVEN)), [
    digestOf(target.tree.file(UNEVEN).content),
    UNEVEN_SIZE,
  ]);
});
