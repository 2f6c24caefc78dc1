/**
 * Attributes: what stat(2), statx(2), statvfs(3) and access(2) tell.
 */
import { strict as assert } from 'node:assert';
import { outcome } from '../expect.ts';
import { AT, O, ST, STATX_BASIC } from '../linux.ts';
import { allows, R_OK, W_OK, X_OK, type Subject } from '../permissions.ts';
import { DEEP, EMPTY_DIR, LARGE, SCRIPT, SIZES, SMALL, sized, UNEVEN, WIDE } from '../standard-tree.ts';
import { at, type Rows, type Target } from '../target.ts';
import { parentOf } from '../tree.ts';

const ROOT: Subject = { uid: 0, gid: 0 };
/** "nobody" on Debian, and somebody without rights anywhere. */
const NOBODY: Subject = { uid: 65534, gid: 65534 };
/** Of the owner's group, but not the owner. */
const inGroup = (t: Target): Subject => ({ uid: 65533, gid: t.owner.gid });

/** A sample of files and directories that needs no listing of all. */
const FILES = [UNEVEN, LARGE, SCRIPT, `${DEEP}/leaf`, `${SMALL}/1/1.jpg`, ...SIZES.map((size) => sized(size))];
const DIRS = ['', 'deep', 'deep/er', DEEP, EMPTY_DIR, WIDE];

/** Whether every directory on the way may be searched by `who`; the mount point itself is on the way, too. */
function mayReach(t: Target, who: Subject, path: string): boolean {
  return path === '' || allows(who, t.owner, t.owner.dirMode, X_OK, true);
}

/** See the file's header. */
export const attributes: Rows = {
  'files and directories belong to the configured user and group and have the configured modes': async (t) => {
    for (const path of FILES) {
      const found = await t.helper.call('stat', at(t, path));
      assert.deepEqual([found.uid, found.gid, found.mode], [t.owner.uid, t.owner.gid, t.owner.fileMode], path);
    }
    for (const path of DIRS) {
      const found = await t.helper.call('stat', at(t, path));
      assert.deepEqual([found.uid, found.gid, found.mode], [t.owner.uid, t.owner.gid, t.owner.dirMode], path);
    }
  },
  'a size is the exact number of bytes': async (t) => {
    for (const size of SIZES) assert.equal((await t.helper.call('stat', at(t, sized(size)))).size, size);
  },
  'mtime is the LastModified of the origin': async (t) => {
    for (const path of FILES) {
      const { mtimeNs } = await t.helper.call('stat', at(t, path));
      assert.equal(BigInt(mtimeNs), BigInt(t.tree.file(path).mtimeMs) * 1_000_000n, path);
    }
  },
  'a file has one link': async (t) => {
    for (const path of FILES) assert.equal((await t.helper.call('stat', at(t, path))).nlink, 1, path);
  },
  'inode numbers are unique, none is 0, and one name keeps its own': async (t) => {
    const paths = [...t.tree.files.keys(), ...t.tree.dirs.keys()];
    const first = await t.helper.call(
      'stats',
      paths.map((path) => at(t, path)),
    );
    const again = await t.helper.call(
      'stats',
      paths.map((path) => at(t, path)),
    );
    assert.equal(new Set(first.map(({ ino }) => ino)).size, paths.length);
    assert.ok(first.every(({ ino }) => ino > 0));
    assert.deepEqual(
      again.map(({ ino }) => ino),
      first.map(({ ino }) => ino),
    );
    assert.equal(new Set(first.map(({ dev }) => dev)).size, 1, 'one device');
  },
  'fstat(2) of an open file and stat(2) of its name agree': async (t) => {
    for (const path of [UNEVEN, sized(0)]) {
      const byName = await t.helper.call('stat', at(t, path));
      await t.helper.with(at(t, path), O.O_RDONLY, async (fd) => {
        assert.deepEqual(await t.helper.call('fstat', fd), byName);
      });
    }
  },
  'statx(2) tells the same as stat(2)': async (t) => {
    for (const path of [UNEVEN, 'deep']) {
      const { mode, ino, size } = await t.helper.call('stat', at(t, path));
      const found = await t.helper.call('statx', at(t, path), STATX_BASIC);
      assert.equal(found.mask & STATX_BASIC, STATX_BASIC);
      assert.deepEqual([found.mode, found.ino, found.size], [mode, ino, size]);
    }
  },
  'reading changes no time': async (t) => {
    const before = await t.helper.call('stat', at(t, UNEVEN));
    await t.helper.call('digest', at(t, UNEVEN));
    await t.helper.call('listdir', at(t, parentOf(UNEVEN)));
    assert.deepEqual(await t.helper.call('stat', at(t, UNEVEN)), before);
  },
  'statvfs(3) shows a read-only file system with names of up to 255 bytes, nosuid and nodev, but not noexec': async (
    t,
  ) => {
    for (const path of ['', 'deep/er', UNEVEN]) {
      const found = await t.helper.call('statvfs', at(t, path));
      assert.equal(found.namemax, 255);
      assert.equal(found.flag & (ST.RDONLY | ST.NOSUID | ST.NODEV | ST.NOEXEC), ST.RDONLY | ST.NOSUID | ST.NODEV);
      assert.ok(found.bsize >= 512 && found.frsize >= 512, 'sizes of a block that df can divide by');
      assert.ok(found.bfree <= found.blocks && found.ffree <= found.files, 'not more free than there is');
    }
  },
  'access(2) answers as the modes say, for root, the owner, its group and nobody': async (t) => {
    const subjects = [ROOT, NOBODY, t.owner, inGroup(t)];
    for (const who of subjects) {
      for (const [path, isDir] of [
        [UNEVEN, false],
        ['', true],
        ['deep', true],
      ] as const) {
        const mode = isDir ? t.owner.dirMode : t.owner.fileMode;
        for (const wanted of [0, R_OK, X_OK, R_OK | X_OK]) {
          const expected = mayReach(t, who, path) && allows(who, t.owner, mode, wanted, isDir) ? 'OK' : 'EACCES';
          const got = await outcome(t.helper.callAs(who, 'access', at(t, path), wanted));
          assert.equal(got, expected, `uid ${String(who.uid)}: access(${path}, ${String(wanted)})`);
        }
      }
    }
  },
  'access(2) with W_OK is refused: EROFS for root': async (t) => {
    for (const path of [UNEVEN, 'deep', '']) {
      assert.equal(await outcome(t.helper.call('access', at(t, path), W_OK)), 'EROFS', path);
      // For others the kernel may look at the modes first.
      const got = await outcome(t.helper.callAs(NOBODY, 'access', at(t, path), W_OK));
      assert.ok(got === 'EROFS' || got === 'EACCES', got);
    }
  },
  'faccessat2(2) with AT_EACCESS answers as access(2) does': async (t) => {
    for (const who of [ROOT, NOBODY]) {
      for (const wanted of [R_OK, X_OK]) {
        assert.equal(
          await outcome(t.helper.callAs(who, 'faccessat2', at(t, UNEVEN), wanted, AT.EACCESS)),
          await outcome(t.helper.callAs(who, 'access', at(t, UNEVEN), wanted)),
        );
      }
    }
  },
  'opening answers as the modes say, for root, the owner, its group and nobody': async (t) => {
    for (const who of [ROOT, NOBODY, t.owner, inGroup(t)]) {
      for (const [path, isDir] of [
        [UNEVEN, false],
        [`${SMALL}/0/0.jpg`, false],
        ['', true],
        [SMALL, true],
      ] as const) {
        const mode = isDir ? t.owner.dirMode : t.owner.fileMode;
        const expected = mayReach(t, who, path) && allows(who, t.owner, mode, R_OK, isDir) ? 'OK' : 'EACCES';
        const got = await outcome(t.helper.callAs(who, isDir ? 'listdir' : 'digest', at(t, path)));
        assert.equal(got, expected, `uid ${String(who.uid)}: ${path}`);
      }
    }
  },
  'stat(2) needs the right to search the directories above, nothing of the file': async (t) => {
    for (const who of [ROOT, NOBODY, t.owner, inGroup(t)]) {
      const expected = mayReach(t, who, UNEVEN) ? 'OK' : 'EACCES';
      assert.equal(await outcome(t.helper.callAs(who, 'stat', at(t, UNEVEN))), expected, `uid ${String(who.uid)}`);
    }
  },
};
