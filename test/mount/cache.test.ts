/**
 * The cache's invariants, as design.md numbers them, over real mounts; and what becomes of a cache that somebody has damaged.
 *
 * What a hit checks: that the cache file is there, is a plain file and is long enough. What it does not check is what the bytes
 * are: that is done once before a file is published for passthrough, and once for blocks that were committed shortly before an
 * unclean stop.
 */
import { strict as assert } from 'node:assert';
import { rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { sameBytes } from '../posix/expect.ts';
import { O } from '../posix/linux.ts';
import { at } from '../posix/target.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { dropCaches } from '../support/files.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK = 64 * KIB;

/** How long what happens in the background may take, on a machine under load. */
const SOON_MS = 30_000;

type Open = (typeof OPEN_MODES)[number];

function file(path: string, size: number): TreeFile {
  return { path, content: generated(seedOf(path), size), mtimeMs: Date.UTC(2022, 1, 3) };
}

/** A mount with small blocks, whose disk has room whatever else is on it. */
async function start(files: readonly TreeFile[], open: Open, args: readonly string[] = []): Promise<DlfsTarget> {
  return await DlfsTarget.start(new Tree(files), {
    open,
    args: ['--block-size', '64KiB', '--cache-floor', '1MiB', '--refresh', 'never', ...args],
  });
}

async function cacheOf(target: DlfsTarget): Promise<CacheFiles> {
  return await CacheFiles.in(join(dirname(target.dir), 'cache'));
}

async function readsWhole(target: DlfsTarget, ...files: TreeFile[]): Promise<void> {
  for (const { path, content } of files) {
    const found = await target.helper.call('digest', at(target, path)).catch((error: unknown) => {
      throw target.mount.explain(error);
    });
    assert.deepEqual(found, [digestOf(content), content.size], path);
  }
}

/** Reads a range past the page cache. */
async function readsDirect(target: DlfsTarget, { path, content }: TreeFile, offset: number): Promise<void> {
  await target.helper.with(at(target, path), O.O_RDONLY | O.O_DIRECT, async (fd) => {
    const bytes = await target.helper.call('pread_direct', fd, BLOCK, offset, 0);
    sameBytes(bytes, content.read(offset, BLOCK), `${path} at ${offset}`);
  });
}

async function inoOf(target: DlfsTarget, path: string): Promise<number> {
  return (await target.helper.call('stat', at(target, path))).ino;
}

/** GETs since the counters were reset. */
function gets(target: DlfsTarget): number {
  return target.origin.counters().get.requests;
}

async function restart(target: DlfsTarget, how: 'clean' | 'kill', open: Open | null = null): Promise<void> {
  const { mount } = target;
  await (how === 'clean' ? mount.umount() : mount.kill());
  const args = [...mount.spec.args];
  if (open !== null) args[args.indexOf('--open') + 1] = open;
  await mount.startAgain(args);
  await dropCaches();
  target.origin.reset();
}

/** The disk and the statistics agree about what the cache takes. */
async function quotaIsTrue(cache: CacheFiles): Promise<void> {
  const sum = async (): Promise<[number, number]> => {
    const files = await cache.files();
    return [files.reduce((total, { allocated }) => total + allocated, 0), files.length];
  };
  let seen = '';
  await until(
    async () => {
      const { bytes, files } = (await cache.freshStats()).cache;
      const [allocated, count] = await sum();
      seen = `${bytes} bytes in ${files} files by its own count, ${allocated} in ${count} on the disk`;
      return Math.abs(bytes - allocated) <= 4 * KIB * Math.max(1, count) && files === count;
    },
    SOON_MS,
    'the count agrees with the disk',
  ).catch((error: unknown) => {
    throw new Error(seen, { cause: error });
  });
}

test('cache invariant 1: what the index says is on the disk, at every moment of a cold read; one commit serves many files', async () => {
  const small = Array.from({ length: 200 }, (_, i) => file(`small/${String(i).padStart(3, '0')}`, 20_000));
  const big = file('big', 6 * MIB);
  await using target = await start([...small, big], 'stateless');
  const cache = await cacheOf(target);
  target.origin.faults.inject({ kind: 'get' }, { type: 'delay', ms: 60 });
  const blocks = small.length + big.content.size / BLOCK;
  let done = false;
  const reading = (async () => {
    await readsWhole(target, big);
    await target.helper.call('listdir', at(target, 'small'));
    await readsWhole(target, ...small);
  })().finally(() => (done = true));
  const seen = new Set<string>();
  const wrong: string[] = [];
  const looks = new Set<number>();
  await until(
    async () => {
      wrong.push(...(await cache.wrongBlocks(BLOCK, seen)));
      looks.add(seen.size);
      return done && seen.size === blocks;
    },
    SOON_MS,
    'all is read and committed',
  );
  await reading;
  assert.deepEqual(wrong, [], 'blocks that the index names and the disk does not have');
  assert.ok(looks.size > 2, `looked at ${[...looks].join(', ')} blocks`);
  assert.ok(cache.commitCount() < small.length / 5, `${cache.commitCount()} commits`);
});

test('cache invariant 2: only a complete, verified file of exact length is published, and it leaves by unlink alone', async () => {
  const [part, whole] = [file('part', 2 * MIB), file('whole', MIB + 1234)];
  const others = Array.from({ length: 6 }, (_, i) => file(`other/${i}`, 2 * MIB));
  await using target = await start([part, whole, ...others], 'passthrough', ['--cache-size', '6MiB']);
  const { helper } = target;
  const cache = await cacheOf(target);
  const published = async (path: string): Promise<boolean> => {
    const before = (await cache.freshStats()).engine.passthroughOpens;
    await helper.with(at(target, path), O.O_RDONLY, async () => undefined);
    return (await cache.freshStats()).engine.passthroughOpens > before;
  };

  await readsDirect(target, part, MIB);
  await until(() => cache.blockCount() > 0, SOON_MS, 'the part is committed');
  assert.equal(cache.object(await inoOf(target, 'part'))?.state, 0);
  assert.equal(await published('part'), false, 'a part of a file is not published');

  const ino = await inoOf(target, 'whole');
  await readsWhole(target, whole);
  await cache.hasState(ino, 2);
  assert.equal(await published('whole'), true, 'a whole one is');
  assert.equal((await cache.files()).find((one) => one.ino === ino)?.size, whole.content.size);

  // Held open, it is evicted by what is larger than the cache: its name goes, its bytes stay until it is closed.
  await helper.with(at(target, 'whole'), O.O_RDONLY, async (fd) => {
    await readsWhole(target, ...others);
    await until(async () => (await cache.files()).every((one) => one.ino !== ino), SOON_MS, 'the file is unlinked');
    await dropCaches();
    target.origin.reset();
    const bytes = await helper.call('pread', fd, 1234, MIB);
    sameBytes(bytes, whole.content.read(MIB, 1234), 'an unlinked file that is open');
    assert.equal(gets(target), 0, 'it is read from the disk');
    const { bytes: counted } = (await cache.freshStats()).cache;
    const allocated = (await cache.files()).reduce((total, one) => total + one.allocated, 0);
    assert.ok(counted >= allocated + whole.content.size, `${counted} bytes count, ${allocated} have a name`);
  });
  await readsWhole(target, whole);
  await quotaIsTrue(cache);
});

for (const open of OPEN_MODES) {
  test(`cache invariant 3: an object larger than the cache reads right, in pieces and by several readers, and is never published, ${open}`, async () => {
    const huge = file('huge', 24 * MIB);
    await using target = await start([huge], open, ['--cache-size', '2MiB', '--memory', '32MiB']);
    const cache = await cacheOf(target);
    await readsWhole(target, huge);
    const ranges = [0, 6, 12, 18].map((start) => [start * MIB, 6 * MIB] as const);
    await dropCaches();
    target.origin.reset();
    // Four readers' READs in flight need more at once than the cache holds: none may push out what another waits for.
    const digests = await target.helper.call('digest_parallel', at(target, 'huge'), ranges, 4, false);
    for (const [i, [digest]] of digests.entries()) assert.equal(digest, digestOf(huge.content, ...ranges[i]!));
    const { bodyBytes } = target.origin.counters().get;
    assert.ok(bodyBytes <= 1.5 * huge.content.size, `${bodyBytes} bytes from the origin`);
    const { cache: space, engine } = await cache.freshStats();
    assert.ok(space.bytes <= 2 * MIB, `${space.bytes} bytes cached`);
    assert.equal(engine.passthroughOpens, 0);
    assert.equal(cache.objects()[0]?.state ?? 0, 0);
    await quotaIsTrue(cache);
    await restart(target, 'clean');
    await readsWhole(target, huge);
  });
}

for (const open of OPEN_MODES) {
  test(`half a gigabyte reads right through a cache of 64 MiB, each byte fetched about once, ${open}`, async () => {
    const huge = file('huge', 512 * MIB);
    await using target = await DlfsTarget.start(new Tree([huge]), {
      open,
      args: ['--cache-size', '64MiB', '--cache-floor', '1MiB', '--refresh', 'never'],
    });
    const cache = await cacheOf(target);
    await readsWhole(target, huge);
    const { bodyBytes } = target.origin.counters().get;
    assert.ok(bodyBytes <= 1.05 * huge.content.size, `${bodyBytes} bytes from the origin`);
    const { cache: space } = await cache.freshStats();
    assert.ok(space.bytes <= 64 * MIB, `${space.bytes} bytes cached`);
    await quotaIsTrue(cache);
  });
}

test('cache invariant 4: what a crash leaves behind is deleted: unknown files, and space that no block uses', async () => {
  const [kept, torn] = [file('kept', 300_000), file('torn', 2 * MIB)];
  await using target = await start([kept, torn], 'stateless');
  const cache = await cacheOf(target);
  await readsWhole(target, kept);
  await readsDirect(target, torn, MIB);
  const blocks = Math.ceil(kept.content.size / BLOCK) + 1;
  await until(() => cache.blockCount() >= blocks, SOON_MS, 'all is committed');
  const ino = await inoOf(target, 'torn');
  await target.mount.kill();
  // As if the process had been killed between a write and its commit.
  const strangers = [cache.pathOf(ino + 1_000_000), join(cache.folder, 'objects', '00', 'stray.tmp')];
  for (const path of strangers) {
    await target.helper.call('mkdir', dirname(path)).catch(() => undefined);
    await writeFile(path, Buffer.alloc(100_000, 1));
  }
  const file4 = await target.helper.call('open', cache.pathOf(ino), O.O_RDWR);
  await target.helper.call('lseek', file4, 0, 0);
  await target.helper.call('write', file4, 'x'.repeat(3 * BLOCK));
  await target.helper.call('close', file4);
  await target.mount.startAgain();
  await target.mount.logged(/swept the cache/);
  const names = (await cache.files()).map(({ path }) => path);
  for (const path of strangers) assert.ok(!names.includes(path), `${path} is still there`);
  await quotaIsTrue(cache);
  target.origin.reset();
  await readsWhole(target, kept);
  assert.equal(gets(target), 0, 'what the index knows is kept');
  await readsWhole(target, torn);
});

test('cache invariant 5: a flipped bit is found before publication and behind an unclean stop, fetched again and counted; a plain hit does not look', async () => {
  const [one, two] = [file('one', 5 * BLOCK), file('two', 5 * BLOCK)];
  await using target = await start([one, two], 'stateless');
  const cache = await cacheOf(target);
  await readsWhole(target, one, two);
  await cache.committed(10);
  const [inoOne, inoTwo] = [await inoOf(target, 'one'), await inoOf(target, 'two')];

  // Behind an unclean stop, blocks committed shortly before it are read back before they are served.
  await target.mount.kill();
  await cache.flip(inoTwo, 3 * BLOCK + 17);
  await target.mount.startAgain();
  await dropCaches();
  target.origin.reset();
  await readsWhole(target, one, two);
  assert.equal(gets(target), 1, 'the damaged block alone is fetched again');
  await cache.statsWhere((stats) => stats.cache.lostBlocks === 1, 'one block is counted as lost');
  await cache.committed(10);

  // A plain hit checks that the bytes are there, not what they are …
  await target.mount.umount();
  await cache.flip(inoOne, BLOCK + 5);
  await target.mount.startAgain();
  await dropCaches();
  const [digest] = await target.helper.call('digest', at(target, 'one'));
  assert.notEqual(digest, digestOf(one.content), 'docs/SEMANTICS.md says so');
  // … but publication checks all of the file.
  await restart(target, 'clean', 'passthrough');
  await target.helper.with(at(target, 'one'), O.O_RDONLY, async () => undefined);
  await cache.statsWhere((stats) => stats.cache.lostBlocks === 1, 'publication has found it');
  await dropCaches();
  await readsWhole(target, one, two);
  assert.equal(gets(target), 1);
  await cache.hasState(inoOne, 2);
  assert.deepEqual(await cache.wrongBlocks(BLOCK), []);
});

/** What somebody may do to a cache file, by name. */
const DAMAGE: Readonly<Record<string, (path: string) => Promise<void>>> = {
  'cut short': (path) => truncate(path, 2 * BLOCK),
  emptied: (path) => truncate(path, 0),
  deleted: (path) => rm(path),
  'replaced by a symbolic link': async (path) => {
    await rename(path, `${path}.moved`);
    await symlink('/etc/passwd', path);
    await rm(`${path}.moved`);
  },
};

for (const open of OPEN_MODES) {
  for (const [what, damage] of Object.entries(DAMAGE)) {
    test(`a cache file that was ${what} is found on a hit: the read is right, and the blocks are fetched again and counted, ${open}`, async () => {
      const [known, same] = [file('known', 8 * BLOCK + 100), file('same', 2 * BLOCK)];
      await using target = await start([known, same], open);
      const cache = await cacheOf(target);
      await readsWhole(target, known, same);
      const ino = await inoOf(target, 'known');
      await cache.committed(11);
      if (open === 'passthrough') await cache.hasState(ino, 2);
      await target.mount.umount();
      await damage(cache.pathOf(ino));
      await target.mount.startAgain();
      await dropCaches();
      target.origin.reset();
      await readsWhole(target, known, same);
      assert.ok(gets(target) > 0);
      const { cache: space } = await cache.statsWhere((stats) => stats.cache.lostBlocks > 0, 'the loss is counted');
      assert.ok(space.lostBlocks <= 9, `${space.lostBlocks} blocks`);
      await until(() => cache.object(ino)?.blocks === 9, SOON_MS, 'the file is whole again in the index');
      // What was fetched again is good for the next start.
      await restart(target, 'clean');
      await readsWhole(target, known, same);
      assert.equal(gets(target), 0);
      assert.deepEqual(await cache.wrongBlocks(BLOCK), []);
      await quotaIsTrue(cache);
    });
  }
}

for (const open of OPEN_MODES) {
  test(`cache invariant 6: the quota in bytes and in files holds while more is read, the coldest objects leave, and the count is true, ${open}`, async () => {
    const files = Array.from({ length: 40 }, (_, i) => file(`f/${String(i).padStart(2, '0')}`, 300_000));
    await using target = await start(files, open, ['--cache-size', '4MiB', '--cache-files', '10']);
    const cache = await cacheOf(target);
    let highest = { bytes: 0, files: 0 };
    for (const [i, one] of files.entries()) {
      await readsWhole(target, one);
      if (i % 3 !== 2) continue;
      // What is not committed yet cannot leave: a group of blocks is at most half a second old.
      const ino = await inoOf(target, one.path);
      await until(() => cache.object(ino) !== null, SOON_MS, 'the last files are committed');
      const found = await cache.files();
      const bytes = found.reduce((total, { allocated }) => total + allocated, 0);
      highest = { bytes: Math.max(highest.bytes, bytes), files: Math.max(highest.files, found.length) };
    }
    assert.ok(highest.bytes <= 4 * MIB && highest.files <= 10, JSON.stringify(highest));
    assert.ok(highest.files >= 5, 'something was cached');
    const { cache: space } = await cache.freshStats();
    assert.ok(space.evictedFiles >= 20, `${space.evictedFiles} evicted`);
    assert.equal(target.mount.count(/no room in the cache/), 0);
    await quotaIsTrue(cache);
    await readsWhole(target, ...files);
  });
}

for (const open of OPEN_MODES) {
  test(`cache invariant 7: a file that only the kernel's pages are read of does not look cold, ${open}`, async () => {
    // An eviction takes a megabyte more than it must, so one file must be larger than that.
    const [hot, cold] = [file('hot', 40 * BLOCK), file('cold', 40 * BLOCK)];
    const more = [file('more/1', 40 * BLOCK), file('more/2', 40 * BLOCK)];
    await using target = await start([hot, cold, ...more], open, ['--cache-size', '9MiB']);
    const cache = await cacheOf(target);
    const [hotIno, coldIno] = [await inoOf(target, 'hot'), await inoOf(target, 'cold')];
    await readsWhole(target, hot, cold);
    await cache.committed(80);
    await until(() => (cache.object(coldIno)?.used ?? 0) > 0, SOON_MS, 'the reads are noted');
    const before = cache.object(coldIno)?.used ?? 0;
    // Read again and again, from the page cache: nothing of it reaches the daemon but the name and the open.
    await until(
      async () => {
        await dropDentries();
        await readsWhole(target, hot);
        return (cache.object(hotIno)?.used ?? 0) > before;
      },
      SOON_MS,
      'the file is noted as used',
    );
    for (const one of more) await readsWhole(target, one);
    await until(() => cache.object(coldIno) === null, SOON_MS, 'the cold file has left');
    assert.notEqual(cache.object(hotIno), null, 'the hot file stays');
  });
}

/** Makes the kernel ask for names again, as it does by itself when they are old or memory is short. */
async function dropDentries(): Promise<void> {
  await writeFile('/proc/sys/vm/drop_caches', '2');
}

for (const open of OPEN_MODES) {
  test(`the cache persists: behind a restart, clean or not, nothing is asked of the origin, ${open}`, async () => {
    const files = [file('a', 5 * MIB + 3), file('b/c', 70_000), file('b/empty', 0)];
    await using target = await start(files, open);
    const cache = await cacheOf(target);
    await readsWhole(target, ...files);
    await cache.committed(82 + 1);
    for (const how of ['clean', 'kill', 'clean'] as const) {
      await restart(target, how);
      await readsWhole(target, ...files);
      assert.deepEqual([gets(target), target.origin.counters().get.bodyBytes], [0, 0], how);
    }
    await quotaIsTrue(cache);
  });
}

test('another block size empties the cache with a line in the log, and reads go on', async () => {
  const files = [file('a', MIB), file('b', 3000)];
  await using target = await start(files, 'stateless');
  const cache = await cacheOf(target);
  await readsWhole(target, ...files);
  await target.mount.umount();
  const args = target.mount.spec.args.map((arg) => (arg === '64KiB' ? '128KiB' : arg));
  await target.mount.startAgain(args);
  await dropCaches();
  target.origin.reset();
  await target.mount.logged(/block size has changed/);
  await readsWhole(target, ...files);
  assert.equal(target.origin.counters().get.bodyBytes, MIB + 3000);
  await cache.committed(8 + 1);
  assert.deepEqual(await cache.wrongBlocks(2 * BLOCK), []);
  await quotaIsTrue(cache);
});

for (const open of OPEN_MODES) {
  test(`an index that is garbage is set aside and rebuilt, the mount serves, and old cache files are deleted, ${open}`, async () => {
    const files = [file('a', MIB), file('b', 3000)];
    await using target = await start(files, open);
    const cache = await cacheOf(target);
    await readsWhole(target, ...files);
    await target.mount.umount();
    const old = (await cache.files()).map(({ path }) => path);
    assert.equal(old.length, 2);
    await writeFile(join(cache.folder, 'index.db'), Buffer.alloc(50_000, 'garbage'));
    await target.mount.startAgain();
    await dropCaches();
    await target.mount.logged(/set aside/);
    await readsWhole(target, ...files);
    await cache.committed(17);
    await until(
      async () => (await cache.files()).every(({ path }) => !old.includes(path)),
      SOON_MS,
      'the old cache files are deleted',
    );
    await quotaIsTrue(cache);
    await restart(target, 'clean');
    await readsWhole(target, ...files);
    assert.equal(gets(target), 0);
  });
}

test('user.dlfs.cached tells how much of a file is on the disk', async () => {
  const [big, empty] = [file('big', 32 * BLOCK), file('empty', 0)];
  await using target = await start([big, empty], 'stateless');
  const cached = async (path: string): Promise<number> =>
    Number((await target.helper.call('getxattr', at(target, path), 'user.dlfs.cached')).toString());
  assert.equal(await cached('big'), 0);
  assert.equal(await cached('empty'), 1);
  await readsDirect(target, big, 16 * BLOCK);
  await until(async () => (await cached('big')) > 0, SOON_MS, 'a part is on the disk');
  assert.ok((await cached('big')) < 1);
  await readsWhole(target, big);
  await until(async () => (await cached('big')) === 1, SOON_MS, 'all of it is');
  await restart(target, 'clean');
  assert.equal(await cached('big'), 1);
});
