/**
 * Directories: every entry once, whatever the size of the buffer and wherever reading is taken up again.
 */
import { strict as assert } from 'node:assert';
import { fails } from '../expect.ts';
import type { Dirent } from '../calls.ts';
import { DT, O, SEEK } from '../linux.ts';
import { DEEP, EMPTY_DIR, SMALL, UNEVEN, WIDE } from '../standard-tree.ts';
import { at, type Rows, type Target } from '../target.ts';
import { sortedByBytes } from '../tree.ts';

/** A buffer as libc's readdir(3) uses it. */
const LIBC_BUFFER = 32 * 1024;
/** The smallest buffer that any entry fits into: 19 bytes, a name of 255, its NUL, rounded up to 8. */
const SMALLEST_BUFFER = 280;

const nameOf = ([name]: Dirent): string => name;

/** The names that a listing of a tree's directory must give, sorted. */
function expected(t: Target, dir: string): string[] {
  return sortedByBytes(['.', '..', ...t.tree.children(dir).keys()]);
}

/** See the file's header. */
export const directories: Rows = {
  'a directory lists each of its names once, with . and ..': async (t) => {
    for (const dir of t.tree.dirs.keys()) {
      const entries = await t.helper.call('getdents', at(t, dir), LIBC_BUFFER);
      assert.deepEqual(sortedByBytes(entries.map(nameOf)), expected(t, dir), dir);
    }
  },
  'an empty directory that a marker stands for is there and lists nothing': async (t) => {
    for (const dir of [EMPTY_DIR, 'marked/a/b']) assert.deepEqual(await t.helper.call('listdir', at(t, dir)), []);
    assert.deepEqual(await t.helper.call('listdir', at(t, 'marked')), ['a']);
  },
  'an entry has the type and the inode number that stat(2) tells': async (t) => {
    for (const dir of ['', 'names', 'order', 'deep', `${SMALL}/1`]) {
      for (const [name, ino, type] of await t.helper.call('getdents', at(t, dir), LIBC_BUFFER)) {
        if (name === '..' && dir === '') continue; // on the file system above
        const found = await t.helper.call('lstat', `${at(t, dir)}/${name}`);
        assert.equal(ino, found.ino, name);
        assert.equal(type, found.type === 'dir' ? DT.DIR : DT.REG, name);
      }
    }
  },
  'getdents64(2) with a small buffer gives each name once': async (t) => {
    for (const size of [SMALLEST_BUFFER, 300, 512, 1000, 4096]) {
      for (const dir of ['names', 'order', ...(size >= 512 ? [WIDE] : [])]) {
        const entries = await t.helper.call('getdents', at(t, dir), size);
        assert.deepEqual(sortedByBytes(entries.map(nameOf)), expected(t, dir), `${dir}, ${String(size)}`);
      }
    }
  },
  'getdents64(2) with a buffer that no entry fits into answers EINVAL': async (t) => {
    await t.helper.with(at(t, 'deep'), O.O_RDONLY | O.O_DIRECTORY, async (fd) => {
      await fails(t.helper.call('getdents_fd', fd, 16), 'EINVAL');
    });
  },
  'reading may be taken up behind any entry': async (t) => {
    for (const dir of ['order', 'names']) {
      const entries = await t.helper.call('getdents', at(t, dir), LIBC_BUFFER);
      for (const [i, [, , , next]] of entries.entries()) {
        const rest = await t.helper.call('getdents', at(t, dir), 2048, next);
        assert.deepEqual(rest.map(nameOf), entries.slice(i + 1).map(nameOf), `${dir} behind entry ${String(i)}`);
      }
    }
    const entries = await t.helper.call('getdents', at(t, WIDE), LIBC_BUFFER);
    for (const i of [0, 1, 2, 999, 1000, 1001, 1777, entries.length - 2, entries.length - 1]) {
      const rest = await t.helper.call('getdents', at(t, WIDE), 4096, entries[i]?.[3] ?? '');
      assert.deepEqual(rest.map(nameOf), entries.slice(i + 1).map(nameOf), `behind entry ${String(i)}`);
    }
  },
  'seekdir(3) goes back to what telldir(3) told, in any order, and rewinddir(3) to the start': async (t) => {
    for (const [dir, picks] of [
      ['order', [7, 0, 3, 3, 1, 8]],
      [WIDE, [2400, 5, 1999, 0, 1, 2501, 1000]],
    ] as const) {
      const [names, found, again] = await t.helper.call('seekdir', at(t, dir), picks);
      assert.deepEqual(sortedByBytes(names), expected(t, dir));
      assert.deepEqual(
        found,
        picks.map((pick) => names[pick]),
      );
      assert.deepEqual(again, names);
    }
  },
  'a position stays good when the directory is opened again': async (t) => {
    const entries = await t.helper.call('getdents', at(t, WIDE), LIBC_BUFFER);
    const some = await t.helper.call('getdents', at(t, WIDE), 4096, entries[1500]?.[3] ?? '', 10);
    assert.deepEqual(some[0], entries[1501]);
  },
  'two readers of one directory do not disturb each other': async (t) => {
    const flags = O.O_RDONLY | O.O_DIRECTORY;
    await t.helper.with(at(t, WIDE), flags, async (one) => {
      await t.helper.with(at(t, WIDE), flags, async (other) => {
        const seen: [string[], string[]] = [[], []];
        for (let more = true; more;) {
          const first = await t.helper.call('getdents_fd', one, 4096);
          const second = await t.helper.call('getdents_fd', other, 1024);
          seen[0].push(...first.map(nameOf));
          seen[1].push(...second.map(nameOf));
          more = first.length + second.length > 0;
        }
        for (const names of seen) assert.deepEqual(sortedByBytes(names), expected(t, WIDE));
      });
    });
  },
  'lseek(2) to 0 reads a directory from its start again': async (t) => {
    await t.helper.with(at(t, 'order'), O.O_RDONLY | O.O_DIRECTORY, async (fd) => {
      const first = await t.helper.call('getdents_fd', fd, LIBC_BUFFER);
      assert.equal(await t.helper.call('lseek', fd, 0, SEEK.SET), 0);
      assert.deepEqual(await t.helper.call('getdents_fd', fd, LIBC_BUFFER), first);
    });
  },
  'read(2) of a directory answers EISDIR, listing a file ENOTDIR': async (t) => {
    await t.helper.with(at(t, 'deep'), O.O_RDONLY, async (fd) => {
      await fails(t.helper.call('read', fd, 10), 'EISDIR');
    });
    await fails(t.helper.call('listdir', at(t, UNEVEN)), 'ENOTDIR');
  },
  'a listing is the same the second time': async (t) => {
    for (const dir of [WIDE, 'names', DEEP]) {
      const first = await t.helper.call('getdents', at(t, dir), LIBC_BUFFER);
      assert.deepEqual(await t.helper.call('getdents', at(t, dir), LIBC_BUFFER), first);
    }
  },
};
