/**
 * Refusals: everything that would change something answers EROFS, and changes nothing.
 */
import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../content.ts';
import { fails } from '../expect.ts';
import { O, S } from '../linux.ts';
import { EMPTY_DIR, sized, UNEVEN, UNEVEN_SIZE } from '../standard-tree.ts';
import { at, type Rows, type Target } from '../target.ts';

/** Where something new would be made. */
const NEW = 'deep/new';
/** What would be changed. */
const OLD = UNEVEN;

const onFd = async (t: Target, use: (fd: number) => Promise<unknown>, ...errnos: string[]): Promise<void> => {
  await t.helper.with(at(t, OLD), O.O_RDONLY, (fd) => fails(use(fd), ...errnos));
};

/** See the file's header. */
export const refusals: Rows = {
  'open(2) for writing answers EROFS': async (t) => {
    for (const flags of [
      O.O_WRONLY,
      O.O_RDWR,
      O.O_WRONLY | O.O_APPEND,
      O.O_RDWR | O.O_DIRECT,
      O.O_WRONLY | O.O_TRUNC,
    ]) {
      await fails(t.helper.call('open', at(t, OLD), flags), 'EROFS');
    }
  },
  'open(2) with O_TRUNC answers EROFS, also for reading': async (t) => {
    await fails(t.helper.call('open', at(t, OLD), O.O_RDONLY | O.O_TRUNC), 'EROFS');
  },
  'open(2) with O_CREAT answers EROFS for a new name, opens an old one, and EEXIST with O_EXCL': async (t) => {
    await fails(t.helper.call('open', at(t, NEW), O.O_RDONLY | O.O_CREAT, 0o644), 'EROFS');
    await fails(t.helper.call('open', at(t, NEW), O.O_RDWR | O.O_CREAT | O.O_EXCL, 0o644), 'EROFS');
    await t.helper.with(at(t, OLD), O.O_RDONLY | O.O_CREAT, async (fd) => {
      assert.equal((await t.helper.call('fstat', fd)).size, UNEVEN_SIZE);
    });
    await fails(t.helper.call('open', at(t, OLD), O.O_RDONLY | O.O_CREAT | O.O_EXCL, 0o644), 'EEXIST');
  },
  'open(2) with O_TMPFILE answers EROFS': async (t) => {
    await fails(t.helper.call('open', at(t, 'deep'), O.O_RDWR | O.O_TMPFILE, 0o600), 'EROFS');
  },
  'open(2) of a directory for writing answers EISDIR': async (t) => {
    await fails(t.helper.call('open', at(t, 'deep'), O.O_RDWR), 'EISDIR');
  },
  'mkdir(2) answers EROFS, EEXIST where the name is taken': async (t) => {
    await fails(t.helper.call('mkdir', at(t, NEW)), 'EROFS');
    await fails(t.helper.call('mkdir', at(t, 'deep/er')), 'EEXIST');
  },
  'rmdir(2) answers EROFS': async (t) => {
    await fails(t.helper.call('rmdir', at(t, EMPTY_DIR)), 'EROFS');
  },
  'unlink(2) answers EROFS': async (t) => {
    await fails(t.helper.call('unlink', at(t, OLD)), 'EROFS');
  },
  'rename(2) answers EROFS within the mount, EXDEV into it and out of it': async (t) => {
    const outside = join(await t.scratch(), 'file');
    await writeFile(outside, 'x');
    await fails(t.helper.call('rename', at(t, OLD), at(t, NEW)), 'EROFS');
    await fails(t.helper.call('rename', at(t, OLD), at(t, sized(1))), 'EROFS');
    await fails(t.helper.call('rename', outside, at(t, NEW)), 'EXDEV');
    await fails(t.helper.call('rename', at(t, OLD), `${outside}-2`), 'EXDEV');
  },
  'link(2) answers EROFS': async (t) => {
    await fails(t.helper.call('link', at(t, OLD), at(t, NEW)), 'EROFS');
  },
  'symlink(2) answers EROFS': async (t) => {
    await fails(t.helper.call('symlink', 'uneven.bin', at(t, NEW)), 'EROFS');
  },
  'mknod(2) and bind(2) of a socket answer EROFS': async (t) => {
    await fails(t.helper.call('mknod', at(t, NEW), S.IFIFO | 0o600), 'EROFS');
    const short = await t.scratch(); // sun_path holds 108 bytes: reach the mount by a short name
    await t.helper.call('symlink', at(t, 'deep'), join(short, 'd'));
    await fails(t.helper.call('bind_socket', join(short, 'd', 'socket')), 'EROFS');
  },
  'chmod(2) and fchmod(2) answer EROFS': async (t) => {
    await fails(t.helper.call('chmod', at(t, OLD), 0o777), 'EROFS');
    await fails(t.helper.call('chmod', at(t, 'deep'), 0o777), 'EROFS');
    await onFd(t, (fd) => t.helper.call('fchmod', fd, 0o777), 'EROFS');
  },
  'chown(2) and fchown(2) answer EROFS': async (t) => {
    await fails(t.helper.call('chown', at(t, OLD), 1, 1), 'EROFS');
    await onFd(t, (fd) => t.helper.call('fchown', fd, 1, 1), 'EROFS');
  },
  'utimensat(2) and futimens(3) answer EROFS': async (t) => {
    await fails(t.helper.call('utime', at(t, OLD)), 'EROFS');
    await fails(t.helper.call('utime', at(t, 'deep')), 'EROFS');
    await onFd(t, (fd) => t.helper.call('futime', fd), 'EROFS');
  },
  'truncate(2) answers EROFS; ftruncate(2), fallocate(2) and write(2) find no descriptor for writing': async (t) => {
    await fails(t.helper.call('truncate', at(t, OLD), 0), 'EROFS');
    await fails(t.helper.call('truncate', at(t, OLD), UNEVEN_SIZE * 2), 'EROFS');
    await onFd(t, (fd) => t.helper.call('ftruncate', fd, 0), 'EINVAL');
    await onFd(t, (fd) => t.helper.call('fallocate', fd, 4096), 'EBADF');
    await onFd(t, (fd) => t.helper.call('write', fd, 'x'), 'EBADF');
  },
  'setxattr(2), fsetxattr(2) and removexattr(2) answer EROFS': async (t) => {
    for (const name of ['user.mine', 'user.dlfs.etag', 'trusted.mine']) {
      await fails(t.helper.call('setxattr', at(t, OLD), name, 'x'), 'EROFS');
      await fails(t.helper.call('removexattr', at(t, OLD), name), 'EROFS');
      await onFd(t, (fd) => t.helper.call('fsetxattr', fd, name, 'x'), 'EROFS');
    }
  },
  'nobody is refused as root is': async (t) => {
    const nobody = { uid: 65534, gid: 65534 };
    // The modes may speak first.
    await fails(t.helper.callAs(nobody, 'open', at(t, OLD), O.O_RDWR), 'EROFS', 'EACCES');
    await fails(t.helper.callAs(nobody, 'mkdir', at(t, NEW)), 'EROFS', 'EACCES');
    await fails(t.helper.callAs(nobody, 'unlink', at(t, OLD)), 'EROFS', 'EACCES');
  },
  'what was refused has changed nothing': async (t) => {
    const before = await t.helper.call('stat', at(t, OLD));
    const listed = await t.helper.call('getdents', at(t, 'deep'), 4096);
    await fails(t.helper.call('truncate', at(t, OLD), 0), 'EROFS');
    await fails(t.helper.call('unlink', at(t, OLD)), 'EROFS');
    await fails(t.helper.call('mkdir', at(t, NEW)), 'EROFS');
    assert.deepEqual(await t.helper.call('stat', at(t, OLD)), before);
    assert.deepEqual(await t.helper.call('getdents', at(t, 'deep'), 4096), listed);
    assert.deepEqual(await t.helper.call('digest', at(t, OLD)), [digestOf(t.tree.file(OLD).content), UNEVEN_SIZE]);
  },
};
