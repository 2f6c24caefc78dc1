/**
 * Bytes that move without read(2): sendfile, splice, copy_file_range and mappings.
 */
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Range } from '../calls.ts';
import { fails, outcome, sameBytes } from '../expect.ts';
import { KilledError } from '../helper.ts';
import { MADV, MAP, O, PAGE, PROT } from '../linux.ts';
import { LARGE, SCRIPT, sized, UNEVEN, UNEVEN_SIZE } from '../standard-tree.ts';
import { at, type Rows } from '../target.ts';

const MIB = 1024 * 1024;

/** Pieces of a file, its last bytes among them. */
const PIECES: readonly Range[] = [
  [0, 100],
  [4090, 20],
  [MIB - 10, 20],
  [1_234_567, 100_001],
  [UNEVEN_SIZE - 50, 50],
];

/** The end of UNEVEN's last page. */
const LAST_PAGE_END = Math.ceil(UNEVEN_SIZE / PAGE) * PAGE;

/** See the file's header. */
export const movement: Rows = {
  'sendfile(2) brings the bytes into a file and into a socket': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      for (const to of ['memory', 'socket'] as const) {
        for (const [offset, length] of [
          [0, UNEVEN_SIZE],
          [4097, 300_000],
          [UNEVEN_SIZE - 10, 100],
          [UNEVEN_SIZE, 10],
        ] as const) {
          sameBytes(
            await t.helper.call('sendfile', fd, offset, length, to),
            content.read(offset, length),
            `${to} ${String(offset)}`,
          );
        }
      }
    });
  },
  'splice(2) brings the bytes into a pipe': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      for (const [offset, length] of [
        [0, UNEVEN_SIZE],
        [4097, 300_000],
        [UNEVEN_SIZE - 10, 100],
        [UNEVEN_SIZE, 10],
      ] as const) {
        sameBytes(await t.helper.call('splice', fd, offset, length), content.read(offset, length), String(offset));
      }
    });
  },
  'copy_file_range(2) copies, or answers EXDEV before the first byte as it does between file systems': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    const target = join(await t.scratch(), 'copy');
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      const call = t.helper.call('copy_file_range', fd, 1000, MIB, target);
      const got = await outcome(call);
      assert.ok(got === 'OK' || got === 'EXDEV', got);
      const copied = await readFile(target);
      sameBytes(copied, got === 'OK' ? content.read(1000, MIB) : Buffer.alloc(0), 'the copy');
    });
  },
  'a shared and a private mapping show the bytes, in any order of access': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      for (const flags of [MAP.SHARED, MAP.PRIVATE, MAP.SHARED | MAP.POPULATE]) {
        for (const ranges of [PIECES, [...PIECES].reverse()]) {
          const got = await t.helper.call('mmap_read', fd, UNEVEN_SIZE, flags, PROT.READ, ranges);
          for (const [i, [offset, length]] of ranges.entries()) {
            sameBytes(got[i] ?? Buffer.alloc(0), content.read(offset, length), `mapping at ${String(offset)}`);
          }
        }
      }
    });
  },
  'a mapping stays readable when the file is closed': async (t) => {
    const { content } = t.tree.file(LARGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY, async (fd) => {
      const got = await t.helper.call(
        'mmap_read',
        fd,
        LARGE_SIZE,
        MAP.SHARED,
        PROT.READ,
        [[21 * MIB + 5, 100_000]],
        true,
      );
      sameBytes(got[0] ?? Buffer.alloc(0), content.read(21 * MIB + 5, 100_000), 'behind close');
    });
  },
  'the rest of the last page of a mapping is zero': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      const rest: Range = [UNEVEN_SIZE, LAST_PAGE_END - UNEVEN_SIZE];
      const [got] = await t.helper.call('mmap_read', fd, LAST_PAGE_END, MAP.SHARED, PROT.READ, [rest]);
      sameBytes(got ?? Buffer.alloc(0), Buffer.alloc(rest[1]), 'behind the end');
    });
  },
  'a mapping behind the last page of the file raises SIGBUS': async (t) => {
    for (const [path, end] of [
      [UNEVEN, LAST_PAGE_END],
      [sized(0), 0],
    ] as const) {
      await t.helper.with(at(t, path), O.O_RDONLY, async (fd) => {
        const call = t.helper.callForked('mmap_read', fd, end + PAGE, MAP.SHARED, PROT.READ, [[end, 1]]);
        await assert.rejects(call, (error) => error instanceof KilledError && error.signal === 'SIGBUS');
      });
    }
  },
  'writing into a private mapping changes the mapping, not the file': async (t) => {
    const { content } = t.tree.file(UNEVEN);
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      const [mapping, file] = await t.helper.call('mmap_private_write', fd, UNEVEN_SIZE, 70_000, 'changed');
      assert.equal(mapping.toString(), 'changed');
      sameBytes(file, content.read(70_000, 7), 'the file');
      sameBytes(await t.helper.call('pread', fd, 7, 70_000), content.read(70_000, 7), 'the file afterwards');
    });
  },
  'a shared mapping for writing answers EACCES': async (t) => {
    await t.helper.with(at(t, UNEVEN), O.O_RDONLY, async (fd) => {
      await fails(t.helper.call('mmap_read', fd, PAGE, MAP.SHARED, PROT.READ | PROT.WRITE, []), 'EACCES');
    });
  },
  'a mapping may be executable: the mount is not noexec': async (t) => {
    await t.helper.with(at(t, SCRIPT), O.O_RDONLY, async (fd) => {
      await t.helper.call('mmap_read', fd, PAGE, MAP.PRIVATE, PROT.READ | PROT.EXEC, [[0, 4]]);
    });
  },
  'madvise(2) with every advice is accepted, and the mapping shows the bytes afterwards': async (t) => {
    const { content } = t.tree.file(LARGE);
    await t.helper.with(at(t, LARGE), O.O_RDONLY, async (fd) => {
      const ranges: Range[] = [
        [MIB, 1000],
        [33 * MIB + 1, 70_000],
      ];
      for (const advices of [[MADV.SEQUENTIAL], [MADV.RANDOM], [MADV.WILLNEED], [MADV.NORMAL, MADV.DONTNEED]]) {
        const got = await t.helper.call('madvise_read', fd, LARGE_SIZE, advices, ranges);
        for (const [i, [offset, length]] of ranges.entries()) {
          sameBytes(got[i] ?? Buffer.alloc(0), content.read(offset, length), `advice ${String(advices)}`);
        }
      }
    });
  },
  "Python's mmap module slices and searches a whole file": async (t) => {
    const { content } = t.tree.file(UNEVEN);
    const [size, got, found] = await t.helper.call('mmap_module_read', at(t, UNEVEN), PIECES);
    assert.equal(size, UNEVEN_SIZE);
    for (const [i, [offset, length]] of PIECES.entries()) {
      sameBytes(got[i] ?? Buffer.alloc(0), content.read(offset, length), `slice at ${String(offset)}`);
    }
    assert.equal(found, PIECES.at(-1)?.[0]);
  },
};

const LARGE_SIZE = 40 * MIB;
