/**
 * Names: what is there is found under exactly its name, what is not there is not found.
 */
import { strict as assert } from 'node:assert';
import { fails, sameBytes } from '../expect.ts';
import { O, RESOLVE } from '../linux.ts';
import { DEEP, EMPTY_DIR, LARGE, NAMES, sized, UNEVEN } from '../standard-tree.ts';
import { at, type Rows } from '../target.ts';

/** A name nobody made. */
const ABSENT = 'no such name';

/** See the file's header. */
export const names: Rows = {
  'a file is found under its name with its type and size': async (t) => {
    for (const path of [UNEVEN, `${DEEP}/leaf`, LARGE]) {
      const found = await t.helper.call('lstat', at(t, path));
      assert.equal(found.type, 'file', path);
      assert.equal(found.size, t.tree.file(path).content.size, path);
    }
  },
  'a directory is found under its name, also with a slash behind it': async (t) => {
    for (const path of ['', 'deep', 'deep/er', 'deep/er/', DEEP, `${DEEP}//`, EMPTY_DIR, 'marked/a/b']) {
      assert.equal((await t.helper.call('stat', at(t, path))).type, 'dir', path);
    }
  },
  'every UTF-8 name is found as a file, and its bytes are its own': async (t) => {
    for (const name of NAMES) {
      const path = `names/${name}`;
      const { content } = t.tree.file(path);
      await t.helper.with(at(t, path), O.O_RDONLY, async (fd) => {
        sameBytes(await t.helper.call('pread', fd, 4096, 0), content.read(0, 4096), JSON.stringify(name));
      });
    }
  },
  'every UTF-8 name is found as a directory': async (t) => {
    for (const name of NAMES) {
      const names = await t.helper.call('listdir', at(t, `names-dir/${name}`));
      assert.deepEqual(names, ['in'], JSON.stringify(name));
    }
  },
  'names that differ only in case or in Unicode form are different files': async (t) => {
    const pairs = [
      ['Case', 'case'],
      ['\u00e9', 'e\u0301'],
      ['\u212b', '\u00c5'],
      ['q\u0323\u0307', 'q\u0307\u0323'],
    ];
    for (const [one, other] of pairs) {
      const first = await t.helper.call('stat', at(t, `names/${one ?? ''}`));
      const second = await t.helper.call('stat', at(t, `names/${other ?? ''}`));
      assert.notEqual(first.ino, second.ino);
      assert.notEqual(first.size, second.size);
    }
    await fails(t.helper.call('stat', at(t, 'names/CASE')), 'ENOENT');
  },
  'a key that sorts before its directory does not hide it': async (t) => {
    for (const dir of ['order/a', 'order/a-', 'order/a!', 'order/\uff21', 'order/\u{1f600}']) {
      assert.equal((await t.helper.call('stat', at(t, dir))).type, 'dir', dir);
      assert.equal((await t.helper.call('stat', at(t, `${dir}/x`))).type, 'file', dir);
    }
    for (const file of ['order/a-x', 'order/a.b', 'order/a0', 'order/ab', 'order/A']) {
      assert.equal((await t.helper.call('stat', at(t, file))).type, 'file', file);
    }
  },
  'a name that is not there answers ENOENT, again and again': async (t) => {
    for (const path of [
      ABSENT,
      `deep/${ABSENT}`,
      `${ABSENT}/below`,
      `${EMPTY_DIR}/x`,
      'dee',
      'deepe',
      'deep/er/uneven.bi',
    ]) {
      for (let round = 0; round < 2; round++) await fails(t.helper.call('stat', at(t, path)), 'ENOENT');
      await fails(t.helper.call('open', at(t, path), O.O_RDONLY), 'ENOENT');
      await fails(t.helper.call('access', at(t, path), 0), 'ENOENT');
    }
  },
  'a path through a file answers ENOTDIR': async (t) => {
    for (const path of [`${UNEVEN}/x`, `${UNEVEN}/`, `${sized(0)}/x/y`]) {
      await fails(t.helper.call('stat', at(t, path)), 'ENOTDIR');
    }
    await fails(t.helper.call('open', at(t, UNEVEN), O.O_RDONLY | O.O_DIRECTORY), 'ENOTDIR');
  },
  'a name of 256 bytes answers ENAMETOOLONG, one of 255 ENOENT': async (t) => {
    for (const dir of ['', 'deep/', `${EMPTY_DIR}/`]) {
      await fails(t.helper.call('stat', at(t, dir + 'y'.repeat(255))), 'ENOENT');
      await fails(t.helper.call('stat', at(t, dir + '\u00e9'.repeat(127))), 'ENOENT');
      await fails(t.helper.call('stat', at(t, dir + 'y'.repeat(256))), 'ENAMETOOLONG');
      await fails(t.helper.call('stat', at(t, dir + '\u00e9'.repeat(128))), 'ENAMETOOLONG');
      await fails(t.helper.call('open', at(t, dir + 'y'.repeat(2000)), O.O_RDONLY), 'ENAMETOOLONG');
      await fails(t.helper.call('stat', at(t, `${dir}${'y'.repeat(256)}/x`)), 'ENAMETOOLONG');
    }
  },
  'a path of more than 4095 bytes answers ENAMETOOLONG': async (t) => {
    await fails(t.helper.call('stat', at(t, 'deep/'.repeat(1000))), 'ENAMETOOLONG');
  },
  '. and .. lead to the directory itself and to the one above': async (t) => {
    const ino = async (path: string): Promise<number> => (await t.helper.call('stat', at(t, path))).ino;
    assert.equal(await ino('deep/er/.'), await ino('deep/er'));
    assert.equal(await ino('deep/er/..'), await ino('deep'));
    assert.equal(await ino('deep/..'), await ino(''));
    assert.equal(await ino('deep/er/../../names/./plain'), await ino('names/plain'));
  },
  'openat(2) and fstatat(2) resolve names below a directory descriptor': async (t) => {
    await t.helper.with(at(t, 'deep'), O.O_RDONLY | O.O_DIRECTORY, async (dir) => {
      const found = await t.helper.call('stat_at', dir, 'er/uneven.bin');
      assert.equal(found.ino, (await t.helper.call('stat', at(t, UNEVEN))).ino);
      await fails(t.helper.call('stat_at', dir, ABSENT), 'ENOENT');
    });
  },
  'openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS opens what lies below': async (t) => {
    const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV;
    await t.helper.with(at(t, ''), O.O_RDONLY | O.O_DIRECTORY, async (root) => {
      const fd = await t.helper.call('openat2', root, UNEVEN, O.O_RDONLY, resolve);
      sameBytes(await t.helper.call('pread', fd, 100, 50), t.tree.file(UNEVEN).content.read(50, 100), UNEVEN);
      await t.helper.call('close', fd);
      await fails(t.helper.call('openat2', root, '../x', O.O_RDONLY, resolve), 'EXDEV');
    });
  },
  'O_NOFOLLOW opens files and directories: nothing in the mount is a symbolic link': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY | O.O_NOFOLLOW, async (fd) => {
      sameBytes(await t.helper.call('read', fd, 64), t.tree.file(UNEVEN).content.read(0, 64), UNEVEN);
    });
    await fails(t.helper.call('readlink', at(t, UNEVEN)), 'EINVAL');
    await fails(t.helper.call('readlink', at(t, 'deep')), 'EINVAL');
  },
  'O_PATH gives a descriptor that can be looked at and resolved from, not read': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_PATH, async (fd) => {
      assert.equal((await t.helper.call('fstat', fd)).size, t.tree.file(UNEVEN).content.size);
      await fails(t.helper.call('read', fd, 1), 'EBADF');
    });
    await t.helper.with(at(t, 'deep'), O.O_PATH | O.O_DIRECTORY, async (fd) => {
      assert.equal((await t.helper.call('stat_at', fd, 'er')).type, 'dir');
    });
  },
};
