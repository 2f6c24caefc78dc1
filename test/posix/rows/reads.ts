/**
 * Reading: every way in which read(2) and its relatives bring bytes into a buffer.
 *
 * Invariant: the only short reads are at the end of the file.
 */
import { strict as assert } from 'node:assert';
import { digestOf } from '../content.ts';
import { fails, outcome, sameBytes } from '../expect.ts';
import { FADV, O, PAGE, RWF, SEEK, TCGETS } from '../linux.ts';
import { LARGE, SIZES, sized, UNEVEN, UNEVEN_SIZE } from '../standard-tree.ts';
import { at, type Rows } from '../target.ts';
import type { Range } from '../calls.ts';

const MIB = 1024 * 1024;

/** Reads around the places where pages, blocks and the file end. */
const RANGES: readonly Range[] = [
  [0, 1],
  [0, UNEVEN_SIZE],
  [1, 4095],
  [4095, 2],
  [4096, 4096],
  [12_345, 54_321],
  [MIB - 1, 2],
  [MIB, 1],
  [MIB - 100_000, 200_000],
  [UNEVEN_SIZE - 1, 1],
  [UNEVEN_SIZE - 1, 2],
  [UNEVEN_SIZE - 5000, 10_000],
  [UNEVEN_SIZE, 1],
  [UNEVEN_SIZE + 1, 4096],
  [2 * UNEVEN_SIZE, 1],
  [5 * 2 ** 40, 4096],
];

/** See the file's header. */
export const reads: Rows = {
  'a file of any size reads back whole': async (t) => {
    for (const size of SIZES) {
      const path = sized(size);
      assert.deepEqual(await t.helper.call('digest', at(t, path)), [digestOf(t.tree.file(path).content), size], path);
    }
  },
  'a file reads back whole in steps of any length': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    for (const step of [997, 4096, 65_537, 131_072, 1_000_000, 8 * MIB]) {
      assert.deepEqual(
        await t.helper.call('digest', at(t, UNEVEN), step),
        [digestOf(content), UNEVEN_SIZE],
        String(step),
      );
    }
  },
  'pread(2) at odd offsets, over the end and behind it returns what is there': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      for (const [offset, length] of RANGES) {
        const got = await t.helper.call('pread', fd, length, offset);
        sameBytes(got, content.read(offset, length), `pread(${String(length)}, ${String(offset)})`);
      }
    });
  },
  'an empty file is at its end at once': async (t) => {
    await t.helper.with(at(t, sized(0)), O.O_RDONLY, async (fd) => {
      assert.equal((await t.helper.call('read', fd, 4096)).length, 0);
      assert.equal((await t.helper.call('pread', fd, 4096, 1)).length, 0);
      assert.equal(await t.helper.call('lseek', fd, 0, SEEK.END), 0);
    });
  },
  'read(2) goes on where it stopped, and lseek(2) sets where': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      sameBytes(await t.helper.call('read', fd, 1000), content.read(0, 1000), 'first');
      sameBytes(await t.helper.call('read', fd, 1000), content.read(1000, 1000), 'second');
      assert.equal(await t.helper.call('lseek', fd, 500, SEEK.CUR), 2500);
      sameBytes(await t.helper.call('read', fd, 10), content.read(2500, 10), 'behind SEEK_CUR');
      assert.equal(await t.helper.call('lseek', fd, -3, SEEK.END), UNEVEN_SIZE - 3);
      sameBytes(await t.helper.call('read', fd, 10), content.read(UNEVEN_SIZE - 3, 10), 'at the end');
      assert.equal((await t.helper.call('read', fd, 10)).length, 0);
      assert.equal(await t.helper.call('lseek', fd, 10, SEEK.END), UNEVEN_SIZE + 10);
      assert.equal((await t.helper.call('read', fd, 10)).length, 0);
      await fails(t.helper.call('lseek', fd, -1, SEEK.SET), 'EINVAL');
    });
  },
  'pread(2) leaves the position alone, and a duplicated descriptor shares it': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      await t.helper.call('read', fd, 10);
      await t.helper.call('pread', fd, 4096, 99_999);
      const other = await t.helper.call('dup', fd);
      sameBytes(await t.helper.call('read', other, 10), content.read(10, 10), 'the duplicate');
      sameBytes(await t.helper.call('read', fd, 10), content.read(20, 10), 'the first');
      await t.helper.call('close', other);
    });
  },
  'a file can be opened again through /proc/self/fd': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_PATH, async (fd) => {
      await t.helper.with(`/proc/self/fd/${String(fd)}`, O.O_RDONLY, async (again) => {
        sameBytes(await t.helper.call('read', again, 100), t.tree.file(UNEVEN).content.read(0, 100), UNEVEN);
      });
    });
  },
  'readv(2) and preadv2(2) fill several buffers': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      sameBytes(await t.helper.call('readv', fd, [1, 4096, 7, 100_000]), content.read(0, 104_104), 'readv');
      const offset = UNEVEN_SIZE - 5000;
      sameBytes(await t.helper.call('preadv2', fd, [3000, 3000], offset, 0), content.read(offset, 6000), 'preadv2');
    });
  },
  'preadv2(2) with RWF_NOWAIT returns right bytes or says that it would wait': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      const call = t.helper.call('preadv2', fd, [4096], MIB, RWF.NOWAIT);
      const got = await outcome(call);
      assert.ok(['OK', 'EAGAIN', 'EOPNOTSUPP'].includes(got), got);
      // A part of the range may be at hand: RWF_NOWAIT is the one read that may be short.
      if (got === 'OK') sameBytes(await call, content.read(MIB, (await call).length), 'RWF_NOWAIT');
    });
  },
  'O_DIRECT reads with aligned buffers, offsets and lengths, over the end too': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY | O.O_DIRECT, async (fd) => {
      const last = Math.floor(UNEVEN_SIZE / PAGE) * PAGE;
      for (const [offset, length] of [
        [0, PAGE],
        [PAGE, 65_536],
        [MIB - PAGE, 2 * PAGE],
        [0, 3 * MIB],
        [last, PAGE],
        [last + PAGE, PAGE],
      ] as const) {
        const got = await t.helper.call('pread_direct', fd, length, offset, 0);
        sameBytes(got, content.read(offset, length), `O_DIRECT ${String(offset)}+${String(length)}`);
      }
    });
  },
  'O_DIRECT without alignment returns right bytes or EINVAL, never wrong ones': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY | O.O_DIRECT, async (fd) => {
      for (const [offset, length, shift] of [
        [1, PAGE, 0],
        [0, 100, 0],
        [0, PAGE, 7],
        [MIB - 3, 1000, 1],
        [UNEVEN_SIZE - 10, PAGE, 0],
      ] as const) {
        const call = t.helper.call('pread_direct', fd, length, offset, shift);
        const got = await outcome(call);
        assert.ok(got === 'OK' || got === 'EINVAL', got);
        if (got === 'OK')
          sameBytes(await call, content.read(offset, length), `O_DIRECT ${String(offset)}+${String(length)}`);
      }
    });
  },
  'O_DIRECT of an empty file is at its end at once': async (t) => {
    await t.helper.with(at(t, sized(0)), O.O_RDONLY | O.O_DIRECT, async (fd) => {
      assert.equal((await t.helper.call('pread_direct', fd, PAGE, 0, 0)).length, 0);
    });
  },
  'Linux AIO brings sixteen O_DIRECT reads at once': async (t) => {
    const { content } = t.tree.file(LARGE);
    const offsets = Array.from({ length: 16 }, (_, i) => ((i * 7) % 40) * MIB + i * PAGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY | O.O_DIRECT, async (fd) => {
      const got = await t.helper.call('aio_read', fd, 16 * PAGE, offsets);
      for (const [i, offset] of offsets.entries()) {
        sameBytes(got[i] ?? Buffer.alloc(0), content.read(offset, 16 * PAGE), `read ${String(i)}`);
      }
    });
  },
  'buffered and direct reads of one file agree while both are open': async (t) => {
    const { content } = t.tree.file(LARGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY, async (buffered) => {
      await t.helper.with(at(t, LARGE), O.O_RDONLY | O.O_DIRECT, async (direct) => {
        for (const offset of [3 * MIB, 17 * MIB + PAGE, 39 * MIB]) {
          sameBytes(await t.helper.call('pread', buffered, 65_536, offset), content.read(offset, 65_536), 'buffered');
          sameBytes(
            await t.helper.call('pread_direct', direct, 65_536, offset, 0),
            content.read(offset, 65_536),
            'direct',
          );
        }
      });
    });
  },
  'many threads read one file at once, over one descriptor or one each': async (t) => {
    const { content } = t.tree.file(LARGE);
    const ranges: Range[] = Array.from({ length: 64 }, (_, i) => [
      ((i * 29) % 79) * 512 * 1024 + i * 1001,
      300_000 + i,
    ]);
    for (const shared of [true, false]) {
      const got = await t.helper.call('digest_parallel', at(t, LARGE), ranges, 16, shared);
      for (const [i, [offset, length]] of ranges.entries()) {
        const bytes = content.read(offset, length);
        assert.deepEqual(got[i], [digestOf(content, offset, length), bytes.length], `range ${String(i)}`);
      }
    }
  },
  'reading backwards and with strides returns what is there': async (t) => {
    const { content } = t.tree.file(LARGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY, async (fd) => {
      for (let offset = content.size - 70_000; offset > 0; offset -= 3_333_333) {
        sameBytes(
          await t.helper.call('pread', fd, 70_000, offset),
          content.read(offset, 70_000),
          `back ${String(offset)}`,
        );
      }
      for (let offset = 11; offset < content.size; offset += 2_345_678) {
        sameBytes(
          await t.helper.call('pread', fd, 5000, offset),
          content.read(offset, 5000),
          `stride ${String(offset)}`,
        );
      }
    });
  },
  'SEEK_DATA and SEEK_HOLE show a file without holes': async (t) => {
    for (const path of [UNEVEN, sized(1), LARGE]) {
      const { size } = t.tree.file(path).content;
      await t.helper.with(at(t, path), O.O_RDONLY, async (fd) => {
        for (const offset of [0, Math.floor(size / 2), size - 1]) {
          assert.equal(await t.helper.call('lseek', fd, offset, SEEK.DATA), offset);
          assert.equal(await t.helper.call('lseek', fd, offset, SEEK.HOLE), size);
        }
        for (const whence of [SEEK.DATA, SEEK.HOLE]) {
          await fails(t.helper.call('lseek', fd, size, whence), 'ENXIO');
          await fails(t.helper.call('lseek', fd, size + 1, whence), 'ENXIO');
        }
      });
    }
    await t.helper.with(at(t, sized(0)), O.O_RDONLY, async (fd) => {
      await fails(t.helper.call('lseek', fd, 0, SEEK.DATA), 'ENXIO');
    });
  },
  'posix_fadvise(2) with every advice is accepted, and reading is right afterwards': async (t) => {
    const { content } = t.tree.file(LARGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY, async (fd) => {
      for (const [i, advice] of Object.values(FADV).entries()) {
        const offset = (i + 1) * 5 * MIB + 1;
        await t.helper.call('fadvise', fd, offset, 2 * MIB, advice);
        sameBytes(await t.helper.call('pread', fd, 100_000, offset), content.read(offset, 100_000), String(advice));
      }
      await t.helper.call('fadvise', fd, 0, 0, FADV.DONTNEED);
      sameBytes(await t.helper.call('pread', fd, 4096, 0), content.read(0, 4096), 'behind DONTNEED');
    });
  },
  'readahead(2) is accepted, and reading is right afterwards': async (t) => {
    const { content } = t.tree.file(LARGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY, async (fd) => {
      assert.equal(await t.helper.call('readahead', fd, 8 * MIB, 4 * MIB), 0);
      sameBytes(await t.helper.call('pread', fd, MIB, 9 * MIB), content.read(9 * MIB, MIB), 'behind readahead');
      assert.equal(await t.helper.call('readahead', fd, content.size + MIB, MIB), 0);
    });
  },
  'O_NOATIME opens for root and for the owner': async (t) => {
    for (const who of [{ uid: 0, gid: 0 }, t.owner]) {
      assert.equal(await outcome(t.helper.callAs(who, 'open', at(t, UNEVEN), O.O_RDONLY | O.O_NOATIME)), 'OK');
    }
  },
  'poll(2) finds a file readable, and isatty(3) finds it no terminal': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      assert.equal(await t.helper.call('poll_in', fd), true);
      await fails(t.helper.call('ioctl', fd, TCGETS), 'ENOTTY');
    });
  },
  'fsync(2) and fdatasync(2) of what is only read succeed': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      await t.helper.call('fsync', fd);
      await t.helper.call('fdatasync', fd);
    });
    await t.helper.with(at(t, 'deep'), O.O_RDONLY | O.O_DIRECTORY, async (fd) => {
      await t.helper.call('fsync', fd);
    });
  },
};
