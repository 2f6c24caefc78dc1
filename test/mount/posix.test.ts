/**
 * The POSIX table over real dlfs mounts, in both open modes, cold and warm, under several owners and modes.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { digestOf } from '../posix/content.ts';
import { outcome } from '../posix/expect.ts';
import { MS, O } from '../posix/linux.ts';
import { standardTree, UNEVEN, UNEVEN_SIZE } from '../posix/standard-tree.ts';
import { at } from '../posix/target.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { extremesHold, permissionsHold, tableHolds } from '../support/posix-mount.ts';

for (const open of OPEN_MODES) {
  test(`the POSIX table holds on a ${open} mount`, (t) => tableHolds(t, open));

  test(`the rows about extremes hold on a ${open} mount`, (t) => extremesHold(t, open));
}

for (const owner of [
  { uid: 0, gid: 0, fileMode: 0o400, dirMode: 0o500 },
  { uid: 12_345, gid: 54_321, fileMode: 0o400, dirMode: 0o500 },
  { uid: 12_345, gid: 54_321, fileMode: 0o540, dirMode: 0o550 },
  { uid: 0, gid: 0, fileMode: 0o555, dirMode: 0o555 },
]) {
  const { uid, gid, fileMode, dirMode } = owner;
  const options = `--uid ${String(uid)} --gid ${String(gid)} --file-mode 0${fileMode.toString(8)} --dir-mode 0${dirMode.toString(8)}`;
  // The kernel checks modes in the same way in both open modes, but an OPEN answered by us must not undo it.
  test(`the rows about permissions hold with ${options}`, (t) => permissionsHold(t, 'passthrough', owner));
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
