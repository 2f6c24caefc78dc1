/**
 * Jobs over real mounts: what is warmed is read without the origin, what is evicted is not, what is pinned stays, what is damaged is
 * found and mended, a dry run changes nothing, and a restart goes on where it was.
 */
import { strict as assert } from 'node:assert';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { JobReport } from '../../src/daemon/jobs/job-types.ts';
import { generated, seedOf } from '../posix/content.ts';
import { O } from '../posix/linux.ts';
import type { TreeFile } from '../posix/tree.ts';
import { JobsMount } from '../support/jobs-mount.ts';
import { until } from '../support/process.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SOON_MS = 30_000;

function file(path: string, size: number, version = ''): TreeFile {
  return { path, content: generated(seedOf(path + version), size), mtimeMs: Date.UTC(2022, 1, 3) };
}

function many(folder: string, count: number, size: number): TreeFile[] {
  return Array.from({ length: count }, (_, i) => file(`${folder}/${String(i).padStart(4, '0')}.bin`, size));
}

function gets(mount: JobsMount): number {
  return mount.origin.counters().get.requests;
}

function reportOf<K extends JobReport['kind']>(job: { report: JobReport | null }, kind: K): JobReport & { kind: K } {
  assert.equal(job.report?.kind, kind, JSON.stringify(job));
  return job.report as JobReport & { kind: K };
}

const WARM = { kind: 'warm', bandwidth: null } as const;

test('what is warmed is read without a request, also after a restart; warming again fetches nothing', async () => {
  const small = many('train/a', 60, 10_000);
  const big = file('train/big.bin', 5 * MIB + 123);
  const other = file('other/x.bin', 100_000);
  const empty = file('train/empty', 0);
  await using mount = await JobsMount.start([...small, big, other, empty]);
  const job = await mount.run({ ...WARM, globs: ['train/**/*.bin', 'train/empty'] });
  assert.equal(job.state, 'done', JSON.stringify(job));
  const report = reportOf(job, 'warm');
  const bytes = [...small, big].reduce((sum, { content }) => sum + content.size, 0);
  assert.deepEqual(
    [report.files, report.bytes, report.fetchedBytes, report.residentBytes, report.failed.count],
    [62, bytes, bytes, 0, 0],
  );
  assert.deepEqual(
    [job.progress.files, job.progress.totalFiles, job.progress.bytes, job.progress.left],
    [62, 62, bytes, 0],
  );
  mount.origin.reset();
  for (const one of [...small.slice(0, 5), big, empty]) await mount.reads(one);
  assert.equal(gets(mount), 0, 'all of it came from the disk');
  const again = reportOf(await mount.run({ ...WARM, globs: ['train'] }), 'warm');
  assert.deepEqual([again.fetchedBytes, again.residentBytes, gets(mount)], [0, bytes, 0]);

  await mount.stop();
  await mount.startAgain();
  mount.origin.reset();
  await mount.reads(big);
  assert.equal(gets(mount), 0);
  await mount.reads(other);
  assert.ok(gets(mount) > 0, 'what was not warmed was not fetched');
});

test('a glob that matches nothing, and more than the cache holds, are refused before anything is fetched', async () => {
  const files = many('a', 20, MIB);
  await using mount = await JobsMount.start(files, { cacheBytes: 8 * MIB });
  await mount.tell({ name: 'refresh' });
  mount.origin.reset();
  const none = await mount.run({ ...WARM, globs: ['a/0000.bin', 'b/*.bin'] });
  assert.equal(none.state, 'failed');
  assert.equal(none.error?.code, 'not-found');
  assert.match(none.error.message, /b\/\*\.bin/);
  const much = await mount.run({ ...WARM, globs: [] });
  assert.equal(much.error?.code, 'disk-full');
  assert.match(much.error.message, /20\.0 MiB in 20 files.*8\.00 MiB/);
  assert.equal(gets(mount), 0);
  await assert.rejects(mount.submit({ ...WARM, globs: ['../x'] }), { code: 'invalid-argument' });
});

test('warming makes room by evicting what is colder, never what it has fetched itself', async () => {
  const old = many('old', 6, MIB);
  const fresh = many('new', 7, MIB);
  await using mount = await JobsMount.start([...old, ...fresh], { cacheBytes: 8 * MIB });
  assert.equal((await mount.run({ ...WARM, globs: ['old'] })).state, 'done');
  const job = await mount.run({ ...WARM, globs: ['new'] });
  assert.equal(job.state, 'done', JSON.stringify(job));
  assert.deepEqual(
    (await mount.files({ path: 'new' })).entries.map(({ cached }) => cached),
    fresh.map(() => 1),
  );
});

test('files that cannot be had are named at the end, and the rest is fetched', async () => {
  const files = many('a', 8, 100_000);
  const cold = file('a/cold.bin', 100_000);
  await using mount = await JobsMount.start([...files, cold], {
    origin: { attributes: (path) => (path === cold.path ? { storageClass: 'GLACIER' } : {}) },
  });
  await mount.tell({ name: 'refresh' });
  mount.origin.remove(files[3]?.path ?? '');
  const job = await mount.run({ ...WARM, globs: ['a'] });
  assert.equal(job.state, 'done', JSON.stringify(job));
  const { failed, files: count, fetchedBytes } = reportOf(job, 'warm');
  assert.deepEqual([count, fetchedBytes, failed.count], [9, 700_000, 2]);
  assert.deepEqual(failed.byCode, { archived: 1, gone: 1 });
  assert.deepEqual(failed.sample.map(({ path }) => path).sort(), [files[3]?.path, cold.path].sort());
});

test('a limit of bytes a second holds, and a job that is cancelled ends at once', async () => {
  const files = many('a', 40, 100_000);
  await using mount = await JobsMount.start(files);
  await mount.tell({ name: 'refresh' });
  const begun = performance.now();
  const slow = await mount.run({ kind: 'warm', globs: ['a/000*'], bandwidth: 500_000 });
  const seconds = (performance.now() - begun) / 1000;
  assert.equal(slow.state, 'done');
  // A million bytes, less a quarter of a second's worth at the start and the last file, which nobody waits behind.
  assert.ok(seconds >= (1_000_000 - 125_000 - 100_000) / 500_000, `${seconds} s`);
  const job = await mount.submit({ kind: 'warm', globs: ['a'], bandwidth: 100_000 });
  await until(async () => (await mount.job(job.id)).progress.bytes > 1_000_000, SOON_MS, 'it has begun to fetch');
  await mount.tell({ name: 'cancel', job: job.id });
  assert.equal((await mount.job(job.id)).state, 'cancelled');
  const { fillRuns } = (await mount.stats()).fetch;
  assert.ok(fillRuns < 40, `${fillRuns} files were fetched`);
});

test('an evicted file is fetched again; a pinned one stays unless asked for; one that is open gives its space back when closed', async () => {
  const files = many('a', 10, 200_000);
  const kept = file('keep/x.bin', 200_000);
  const held = file('held.bin', 200_000);
  await using mount = await JobsMount.start([...files, kept, held], { open: 'passthrough' });
  await mount.run({ ...WARM, globs: [] });
  assert.equal((await mount.run({ kind: 'pin', globs: ['keep'], bandwidth: null })).state, 'done');
  const cache = await mount.cache();
  const ino = (await mount.helper.call('stat', mount.at('held.bin'))).ino;
  await cache.hasState(ino, 2);
  const report = await mount.helper.with(mount.at('held.bin'), O.O_RDONLY, async () => {
    const job = await mount.run({ kind: 'evict', globs: [], pinned: false });
    assert.equal(job.state, 'done', JSON.stringify(job));
    return reportOf(job, 'evict');
  });
  const allocated = 200_704; // 200,000 bytes in units of 4 KiB
  assert.deepEqual(
    [report.files, report.freedBytes, report.heldFiles, report.heldBytes, report.pinnedFiles, report.pinnedBytes],
    [11, 10 * allocated, 1, allocated, 1, allocated],
  );
  assert.deepEqual((await cache.files()).length, 1, 'the pinned file alone is left');
  await until(
    async () => (await mount.stats()).cache.bytes === allocated,
    SOON_MS,
    'the open one has given its space back',
  );
  mount.origin.reset();
  await mount.reads(kept);
  assert.equal(gets(mount), 0);
  await mount.reads(files[0] ?? kept);
  assert.equal(gets(mount) > 0, true);
  const all = reportOf(await mount.run({ kind: 'evict', globs: ['keep/*', 'a/0000.bin'], pinned: true }), 'evict');
  assert.deepEqual([all.files, all.pinnedFiles], [2, 0]);
  const nothing = await mount.run({ kind: 'evict', globs: ['a/*.jpg'], pinned: false });
  assert.equal(nothing.error?.code, 'not-found');
});

test('a pin survives pressure, a restart and a refresh: the new version is fetched and stays, the old one goes', async () => {
  const pinned = file('keep/model.bin', 2 * MIB);
  const others = many('other', 12, MIB);
  await using mount = await JobsMount.start([pinned, ...others], { cacheBytes: 8 * MIB });
  /** Reads more than the cache holds: something has to leave, however quickly it goes. */
  const pressure = async (): Promise<void> => {
    const before = (await mount.stats()).cache;
    for (const other of others) await mount.reads(other);
    const { evictedFiles, bypassedRuns } = (await mount.stats()).cache;
    assert.ok(evictedFiles > before.evictedFiles, 'something was evicted');
    assert.equal(bypassedRuns, before.bypassedRuns, 'and nothing served without caching');
  };
  const job = await mount.run({ kind: 'pin', globs: ['keep/**'], bandwidth: null });
  assert.equal(job.state, 'done', JSON.stringify(job));
  const [pin] = await mount.pins();
  assert.deepEqual([pin?.glob, pin?.files, pin?.bytes, pin?.cachedBytes], ['keep/**', 1, 2 * MIB, 2 * MIB]);
  await pressure();
  mount.origin.reset();
  await mount.reads(pinned);
  assert.equal(gets(mount), 0, 'the pinned file was not evicted');

  await mount.stop();
  await mount.startAgain();
  await pressure();
  mount.origin.reset();
  await mount.reads(pinned);
  assert.equal(gets(mount), 0, 'nor after a restart');

  const successor = file('keep/model.bin', 3 * MIB, 'second');
  const added = file('keep/new/deep.bin', 100_000);
  mount.origin.put(successor);
  mount.origin.put(added);
  await mount.tell({ name: 'refresh' });
  await until(
    async () => (await mount.pins())[0]?.cachedBytes === 3 * MIB + 102_400,
    SOON_MS,
    'the new version and the new file are fetched',
  );
  await pressure();
  mount.origin.reset();
  await mount.reads(successor);
  await mount.reads(added);
  assert.equal(gets(mount), 0, 'the successor is pinned');

  await mount.tell({ name: 'unpin', globs: ['keep/**'] });
  await assert.rejects(mount.tell({ name: 'unpin', globs: ['keep/**'] }), { code: 'not-found' });
  assert.deepEqual(await mount.pins(), []);
  const [entry] = (await mount.files({ path: successor.path })).entries;
  assert.equal(entry?.pinned, false, 'unpinned, it may be evicted as any other');
  // Last uses are told to the index every few seconds: until then the order of eviction does not know of this pass.
  const isEvicted = async (): Promise<boolean> => {
    await pressure();
    return (await mount.files({ path: successor.path })).entries[0]?.cached === 0;
  };
  await until(isEvicted, SOON_MS, 'and it is');
  mount.origin.reset();
  await mount.reads(successor);
  assert.ok(gets(mount) > 0, 'and fetched again');
});

test('more than the cache can hold is not pinned', async () => {
  await using mount = await JobsMount.start([...many('a', 6, MIB), ...many('b', 6, MIB)], { cacheBytes: 8 * MIB });
  assert.equal((await mount.run({ kind: 'pin', globs: ['a'], bandwidth: null })).state, 'done');
  const job = await mount.run({ kind: 'pin', globs: ['b'], bandwidth: null });
  assert.equal(job.error?.code, 'disk-full');
  assert.match(job.error.message, /6\.00 MiB in 6 files.*6\.00 MiB are pinned besides.*8\.00 MiB/);
  assert.deepEqual(
    (await mount.pins()).map(({ glob }) => glob),
    ['a'],
  );
});

test('verify finds a damaged block, a missing file and an orphan; repair mends all of it', async () => {
  const files = many('a', 6, 300_000);
  const [damaged, gone] = files;
  assert.ok(damaged !== undefined && gone !== undefined);
  await using mount = await JobsMount.start(files);
  await mount.run({ ...WARM, globs: [] });
  const clean = reportOf(await mount.run({ kind: 'verify', repair: false, bandwidth: null }), 'verify');
  assert.deepEqual([clean.checked.files, clean.checked.blocks, clean.checked.bytes], [6, 30, 1_800_000]);
  assert.deepEqual([clean.damaged.blocks, clean.missing.blocks, clean.orphans.files], [0, 0, 0]);

  const cache = await mount.cache();
  const inoOf = async (path: string): Promise<number> => (await mount.helper.call('stat', mount.at(path))).ino;
  await cache.flip(await inoOf(damaged.path), 64 * KIB + 5);
  await rm(cache.pathOf(await inoOf(gone.path)));
  const orphan = join(dirname(cache.pathOf(7)), '263'); // a number of the same subfolder that no file has
  await writeFile(orphan, Buffer.alloc(10_000));
  await mount.stop();
  await mount.startAgain(); // open descriptors would still reach what was deleted

  const found = reportOf(await mount.run({ kind: 'verify', repair: false, bandwidth: null }), 'verify');
  assert.deepEqual([found.damaged.blocks, found.damaged.sample], [1, [damaged.path]]);
  assert.deepEqual([found.missing.blocks, found.missing.sample], [5, [gone.path]]);
  assert.deepEqual([found.orphans.files, found.orphans.bytes, found.repaired.blocks], [1, 12_288, 0]);
  assert.ok(
    (await cache.files()).some(({ path }) => path === orphan),
    'nothing is deleted without repair',
  );

  await cache.flip(await inoOf(damaged.path), 128 * KIB + 5);
  mount.origin.reset();
  const mended = reportOf(await mount.run({ kind: 'verify', repair: true, bandwidth: null }), 'verify');
  assert.deepEqual([mended.damaged.blocks, mended.repaired.blocks, mended.notRepaired.count], [1, 1, 0]);
  assert.equal(mended.orphans.files, 1);
  assert.ok(!(await cache.files()).some(({ path }) => path === orphan));
  assert.ok(gets(mount) >= 1);
  mount.origin.reset();
  const after = reportOf(await mount.run({ kind: 'verify', repair: false, bandwidth: null }), 'verify');
  assert.deepEqual([after.damaged.blocks, after.missing.blocks, after.orphans.files], [0, 0, 0]);
  for (const one of files) await mount.reads(one);
  assert.deepEqual(await cache.wrongBlocks(64 * KIB), []);
});

test('a dry run tells what a refresh would change, and changes nothing; the refresh tells the same', async () => {
  const [same, changes, goes] = [file('a/same', 1000), file('a/changes', 1000), file('b/goes', 1000)];
  await using mount = await JobsMount.start([same, changes, goes]);
  await mount.tell({ name: 'refresh' });
  await mount.reads(changes);
  await mount.reads(goes);
  const successor = file('a/changes', 2000, 'second');
  mount.origin.put(successor);
  mount.origin.put(file('a/new', 1000));
  mount.origin.put(file('c/also', 1000));
  mount.origin.remove('b/goes');
  const expected = {
    added: 2,
    changed: 1,
    removed: 1,
    sample: { added: ['a/new', 'c/'], changed: ['a/changes'], removed: ['b/', 'b/goes'] },
  };
  const sorted = ({ sample, ...report }: JobReport & { kind: 'refresh' }): unknown => ({
    added: report.added,
    changed: report.changed,
    removed: report.removed,
    sample: { added: sample.added.sort(), changed: sample.changed.sort(), removed: sample.removed.sort() },
  });
  const told = reportOf(await mount.run({ kind: 'refresh', dryRun: true }), 'refresh');
  assert.deepEqual([told.dryRun, told.complete], [true, true]);
  const dry = sorted(told) as typeof expected;
  assert.deepEqual([dry.added, dry.changed, dry.removed], [2, 1, 1]);
  assert.deepEqual(await mount.helper.call('listdir', mount.at('a')), ['changes', 'same']);
  await mount.reads(changes);
  await mount.reads(goes);
  const done = sorted(reportOf(await mount.run({ kind: 'refresh', dryRun: false }), 'refresh'));
  assert.deepEqual(done, dry);
  assert.deepEqual(dry.sample.added, expected.sample.added);
  assert.deepEqual(dry.sample.changed, expected.sample.changed);
  await mount.reads(successor);
});

test('files are listed a page at a time, with what is cached and pinned', async () => {
  const files = many('d', 7, 100_000);
  await using mount = await JobsMount.start([...files, file('d/sub/x', 10), file('top', 10)]);
  await mount.run({ ...WARM, globs: ['d/0001.bin'] });
  await mount.run({ kind: 'pin', globs: ['d/0002.bin', 'd/sub'], bandwidth: null });
  const names: string[] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const page = await mount.files({ path: '/d/', limit: 3, ...(cursor === null ? {} : { cursor }) });
    for (const entry of page.entries) {
      names.push(entry.path);
      if (entry.path === 'd/0000.bin') assert.deepEqual([entry.cached, entry.pinned, entry.size], [0, false, 100_000]);
      if (entry.path === 'd/0001.bin') assert.deepEqual([entry.cached, entry.pinned], [1, false]);
      if (entry.path === 'd/0002.bin') assert.deepEqual([entry.cached, entry.pinned], [1, true]);
      if (entry.path === 'd/sub') assert.deepEqual([entry.directory, entry.cached, entry.pinned], [true, null, true]);
    }
    cursor = page.next;
    pages += 1;
  } while (cursor !== null);
  assert.deepEqual([names, pages], [[...files.map(({ path }) => path), 'd/sub'], 3]);
  const [one] = (await mount.files({ path: 'd/0001.bin' })).entries;
  assert.deepEqual([one?.path, one?.modified, one?.etag !== ''], ['d/0001.bin', Date.UTC(2022, 1, 3), true]);
  await assert.rejects(mount.files({ path: 'no/such' }), { code: 'not-found' });
  await assert.rejects(mount.files({ path: '../etc' }), { code: 'invalid-argument' });
  await assert.rejects(mount.files({ path: 'd', cursor: '%%%' }), { code: 'invalid-argument' });
});

for (const how of ['kill', 'stop'] as const) {
  test(`a job survives the process (${how}): the next one goes on with what is missing`, async () => {
    const files = many('a', 60, 100_000);
    await using mount = await JobsMount.start(files);
    await mount.tell({ name: 'refresh' });
    const job = await mount.submit({ kind: 'warm', globs: ['a'], bandwidth: 1_000_000 });
    const cache = await mount.cache();
    await until(() => cache.blockCount() >= 10, SOON_MS, 'some of it is fetched and committed');
    await mount[how]();
    mount.origin.reset();
    await mount.startAgain();
    const resumed = await mount.ended(job.id);
    assert.equal(resumed.state, 'done', JSON.stringify(resumed));
    const report = reportOf(resumed, 'warm');
    assert.equal(report.fetchedBytes + report.residentBytes, 6_000_000);
    assert.ok(report.residentBytes > 0, 'what was there was not fetched again');
    mount.origin.reset();
    for (const one of files.slice(0, 5)) await mount.reads(one);
    assert.equal(gets(mount), 0);
    await mount.stop();
    await mount.startAgain();
    assert.deepEqual(await mount.list(), [], 'what has ended does not come back');
  });
}
