/**
 * Extended attributes, locks and watches: what is not reading, but what readers do.
 */
import { strict as assert } from 'node:assert';
import { fails, outcome, sameBytes } from '../expect.ts';
import { F, IN, LOCK, O } from '../linux.ts';
import { UNEVEN } from '../standard-tree.ts';
import { at, type Rows } from '../target.ts';

/** See the file's header. */
export const extras: Rows = {
  'a foreign extended attribute answers ENODATA, on files and directories': async (t) => {
    for (const path of [UNEVEN, 'deep', '']) {
      for (const name of ['user.mine', 'user.dlfs.unknown', 'security.capability', 'trusted.overlay.opaque']) {
        await fails(t.helper.call('getxattr', at(t, path), name), 'ENODATA');
        await fails(t.helper.call('getxattr', at(t, path), name), 'ENODATA');
      }
    }
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      await fails(t.helper.call('fgetxattr', fd, 'user.mine'), 'ENODATA');
    });
  },
  'there are no access control lists': async (t) => {
    for (const name of ['system.posix_acl_access', 'system.posix_acl_default']) {
      await fails(t.helper.call('getxattr', at(t, 'deep'), name), 'ENODATA', 'EOPNOTSUPP');
    }
  },
  'a listed extended attribute can be read': async (t) => {
    for (const path of [UNEVEN, 'deep', '']) {
      for (const name of await t.helper.call('listxattr', at(t, path))) {
        const value = await t.helper.call('getxattr', at(t, path), name);
        assert.equal(await t.helper.call('getxattr_sized', at(t, path), name, 0), value.length);
        if (value.length > 1) await fails(t.helper.call('getxattr_sized', at(t, path), name, 1), 'ERANGE');
      }
    }
  },
  'flock(2) locks between open files, for shared and for exclusive use': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (one) => {
      await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (other) => {
        await t.helper.call('flock', one, LOCK.SH);
        await t.helper.call('flock', other, LOCK.SH);
        await fails(t.helper.call('flock', other, LOCK.EX | LOCK.NB), 'EAGAIN');
        await t.helper.call('flock', one, LOCK.UN);
        await t.helper.call('flock', other, LOCK.EX | LOCK.NB);
        await fails(t.helper.call('flock', one, LOCK.SH | LOCK.NB), 'EAGAIN');
      });
    });
  },
  'fcntl(2) takes read locks on a file opened for reading, and no write locks': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      await t.helper.call('record_lock', fd, F.RDLCK, false);
      assert.equal(await outcome(t.helper.callForked('record_lock', fd, F.RDLCK, true)), 'OK');
      await fails(t.helper.call('record_lock', fd, F.WRLCK, false), 'EBADF');
      await t.helper.call('record_lock', fd, F.UNLCK, false);
    });
  },
  'inotify(7) reports opening, reading and closing on the mount': async (t) => {
    for (const watched of [UNEVEN, 'deep/er']) {
      const mask = IN.OPEN | IN.ACCESS | IN.CLOSE_NOWRITE;
      const events = await t.helper.call('inotify', at(t, watched), mask, at(t, UNEVEN));
      const seen = events.reduce((all, [what]) => all | what, 0);
      assert.equal(seen & mask, mask, `${watched}: ${JSON.stringify(events)}`);
    }
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      sameBytes(await t.helper.call('read', fd, 10), t.tree.file(UNEVEN).content.read(0, 10), 'after watching');
    });
  },
};
