/**
 * The cache on a disk that others fill: an ext4 file system of its own, behind a loop device.
 */
import { strict as assert } from 'node:assert';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { test } from 'node:test';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { at } from '../posix/target.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { Ext4Image } from '../support/ext4.ts';
import { dropCaches } from '../support/files.ts';
import { cleanEnvironment, DLFS } from '../support/mount.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';
import { call, CliWorld, recordOf } from './cli-world.ts';

const MIB = 1024 * 1024;
const SOON_MS = 30_000;

/** Free space to keep, and what may be missing of it for a moment: a second look comes two seconds later. */
const FLOOR = 16 * MIB;

function files(count: number, size: number): TreeFile[] {
  return Array.from({ length: count }, (_, i) => {
    const path = `d/${String(i).padStart(2, '0')}`;
    return { path, content: generated(seedOf(path), size), mtimeMs: Date.UTC(2022, 1, 3) };
  });
}

async function readsWhole(target: DlfsTarget, list: readonly TreeFile[]): Promise<void> {
  for (const { path, content } of list) {
    const found = await target.helper.call('digest', at(target, path)).catch((error: unknown) => {
      throw target.mount.explain(error);
    });
    assert.deepEqual(found, [digestOf(content), content.size], path);
  }
}

async function start(disk: Ext4Image, list: readonly TreeFile[], open: (typeof OPEN_MODES)[number], floor: string) {
  await mkdir(`${disk.dir}/cache`, { mode: 0o700 });
  // The last of two is the one that counts.
  const args = ['--cache-dir', `${disk.dir}/cache`, '--block-size', '64KiB', '--cache-floor', floor];
  const target = await DlfsTarget.start(new Tree(list), { open, args: [...args, '--refresh', 'never'] });
  // Names are known from here on: what a full disk does to listings is another matter.
  await target.helper.call('listdir', at(target, 'd'));
  return target;
}

/** What the doctor says. */
async function doctor(cacheDir: string): Promise<string> {
  return (await call(DLFS, ['doctor', '--cache-dir', cacheDir], { env: cleanEnvironment() })).out;
}

for (const open of OPEN_MODES) {
  test(`free space is kept when another program fills the disk: the cache shrinks, says so once, and recovers, ${open}`, async () => {
    await using disk = await Ext4Image.create({ bytes: 96 * MIB });
    const list = files(20, MIB);
    // Nobody reads these before the disk has room again: what was served without caching may stay in memory.
    const late = files(24, MIB).slice(20);
    await using target = await start(disk, [...list, ...late], open, '16MiB');
    const cache = await CacheFiles.in(`${disk.dir}/cache`);
    await readsWhole(target, list);
    await cache.statsWhere((stats) => stats.cache.bytes >= 20 * MIB && !stats.cache.atFloor, 'all is cached');
    await until(() => cache.blockCount() >= 20 * 16, SOON_MS, 'all is committed');

    // Nobody reads: the cache gives the floor back all the same.
    await disk.fillTo(8 * MIB);
    await until(async () => (await disk.free()) >= FLOOR, SOON_MS, 'the floor is free again');
    const { cache: space } = await cache.statsWhere(
      (stats) => stats.cache.atFloor && stats.cache.evictedFiles > 0,
      'the statistics say so',
    );
    assert.ok(space.bytes >= 8 * MIB && space.bytes <= 17 * MIB, `${space.bytes} bytes are left`);

    const said = (await doctor(`${disk.dir}/cache`)).split('\n').find((line) => line.includes(target.dir)) ?? '';
    assert.match(said, /^warn\tmount\t.*at the floor.*free some space/);

    // Reads go on, and the floor holds.
    await dropCaches();
    await readsWhole(target, list);
    await until(async () => (await disk.free()) >= FLOOR, SOON_MS, 'the floor is kept');
    assert.equal(target.mount.count(/at its floor/), 1, target.mount.log);
    assert.ok(target.mount.count(/no room in the cache/) <= 1, target.mount.log);

    await rm(`${disk.dir}/ballast`);
    await cache.statsWhere((stats) => !stats.cache.atFloor, 'there is room again');
    await dropCaches();
    const { bytes } = (await cache.freshStats()).cache;
    await readsWhole(target, late);
    await cache.statsWhere((stats) => stats.cache.bytes >= bytes + 4 * MIB, 'what is read now is cached');
    await readsWhole(target, list);
    await target.mount.logged(/has room again/);
  });
}

for (const open of OPEN_MODES) {
  test(`a disk that is full to the last byte: reads go on without caching and without an error, and caching comes back with space, ${open}`, async () => {
    await using disk = await Ext4Image.create({ bytes: 64 * MIB });
    const list = files(12, MIB);
    await using target = await start(disk, list, open, '1MiB');
    const cache = await CacheFiles.in(`${disk.dir}/cache`);
    await readsWhole(target, list.slice(0, 4));
    await until(() => cache.blockCount() >= 4 * 16, SOON_MS, 'they are committed');

    await disk.fillTo(256 * 1024);
    await fillUp(`${disk.dir}/rest`);
    for (let pass = 0; pass < 2; pass++) {
      await readsWhole(target, list);
      await dropCaches();
    }
    assert.match(await doctor(`${disk.dir}/cache`), /^fail\tcache\t.*full: free some space/m);
    for (const pattern of [
      /at its floor/,
      /no room in the cache/,
      /index cannot be written/,
      /cannot write to the cache/,
    ])
      assert.ok(target.mount.count(pattern) <= 1, `${String(pattern)}: ${target.mount.log}`);

    await rm(`${disk.dir}/ballast`);
    await rm(`${disk.dir}/rest`);
    await cache.statsWhere((stats) => !stats.cache.atFloor, 'there is room again');
    // The next process has nothing in memory.
    await target.mount.umount();
    await target.mount.startAgain();
    await dropCaches();
    await readsWhole(target, list);
    await cache.committed(12 * 16);
    await target.mount.umount();
    await target.mount.startAgain();
    target.origin.reset();
    await dropCaches();
    await readsWhole(target, list);
    assert.equal(target.origin.counters().get.requests, 0);
    assert.deepEqual(await cache.wrongBlocks(65_536), []);
  });
}

test('at the floor, the cache of a source that is mounted no more goes first, and what is in use stays', async () => {
  await using disk = await Ext4Image.create({ bytes: 96 * MIB });
  await using world = await CliWorld.create();
  const cacheDir = `${disk.dir}/cache`;
  const args = [...world.args, '--cache-dir', cacheDir, '--cache-floor', '16MiB', '--refresh', 'never'];
  const [gone, stays] = [await world.dir('gone'), await world.dir('stays')];
  await world.call(['mount', 's3://bucket', gone, ...args]);
  assert.equal((await world.read(`${gone}/big`)).length, 3_000_000);
  const { cacheFolder: left } = recordOf(gone);
  await world.call(['umount', gone]);
  await world.call(['mount', 's3://bucket/a', stays, ...args]);
  assert.equal(await world.read(`${stays}/x`), 'hello\n');
  const { cacheFolder: used } = recordOf(stays);
  const cached = async (): Promise<number> => {
    // The first is written after a second.
    const text = await readFile(`${used}/stats.json`, 'utf8').catch(() => null);
    return text === null ? 0 : (JSON.parse(text) as { cache: { files: number } }).cache.files;
  };
  await until(async () => (await cached()) === 1, SOON_MS, 'the file is cached');

  // What was left a moment ago may be on its way back; this one was not.
  const longAgo = new Date(Date.UTC(2024, 0, 1));
  for (const name of ['index.db', 'lock']) await utimes(`${left}/${name}`, longAgo, longAgo);
  await disk.fillTo(15 * MIB);
  const told = async (): Promise<number> =>
    (await readFile(world.at('log'), 'utf8')).split('mounted no more was removed').length - 1;
  await until(async () => (await told()) > 0, SOON_MS, 'it is gone');
  assert.deepEqual(await readdir(cacheDir), [basename(used)]);
  await until(async () => (await disk.free()) >= FLOOR, SOON_MS, 'and so the floor is kept');
  assert.equal(await told(), 1);
  assert.equal(await cached(), 1, 'nothing that is in use has left');
  assert.equal((await world.call(['umount', stays])).code, 0);
});

/** Writes until the disk takes nothing more: what fallocate leaves. */
async function fillUp(path: string): Promise<void> {
  const piece = Buffer.alloc(4096, 1);
  for (;;) {
    try {
      await writeFile(path, piece, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}
