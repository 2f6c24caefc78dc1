import assert from 'node:assert/strict';
import { mkdir, open, readdir, utimes, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { cacheList, cacheRemove } from '../../../src/cli/cache-command.ts';
import type { Context } from '../../../src/cli/context.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { CacheFolder } from '../../../src/cache/folder/cache-folder.ts';
import { fingerprint, type SourceIdentity } from '../../../src/cache/folder/fingerprint.ts';
import { CacheIndex } from '../../../src/cache/index/index.ts';
import { SystemClock } from '../../../src/base/clock.ts';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { removeAbandoned } from '../../../src/daemon/registry/abandoned-cache.ts';
import { listCaches, removeCaches } from '../../../src/daemon/registry/cache-folders.ts';
import { lockNode } from '../../../src/daemon/node/node-lock.ts';
import { loadNative } from '../../../src/native/binding.ts';
import { TempDir } from '../../support/files.ts';

const native = loadNative();
const lock = (fd: number): number => native.lock(fd);

const identity = (bucket: string, endpoint: string | null = null): SourceIdentity => ({
  kind: 's3',
  endpoint,
  bucket,
  prefix: 'data/',
});

/** A cache folder as a mount makes it, still locked. */
function opened(root: string, of: SourceIdentity): Promise<CacheFolder> {
  return CacheFolder.open(root, of, { pid: process.pid, dir: '/mnt/data', log: null }, native);
}

async function left(root: string, of: SourceIdentity, usedMs = 0): Promise<string> {
  await using folder = await opened(root, of);
  await writeFile(`${folder.objects}/1`, Buffer.alloc(10_000));
  if (usedMs > 0) await utimes(`${folder.path}/lock`, usedMs / 1000, usedMs / 1000);
  return folder.path;
}

/** What a command says. */
function recording(wall = 0): Context & { readonly lines: string[] } {
  const lines: string[] = [];
  const output = { line: (text: string) => void lines.push(text), terminal: false };
  return { lines, output, clock: new ManualClock(wall) } as unknown as Context & { readonly lines: string[] };
}

describe('the caches of a disk', () => {
  test('are told with source, size and files, whether mounted or not', async () => {
    await using temp = await TempDir.create('caches');
    await left(temp.path, identity('old', 'http://127.0.0.1:9000'));
    await using used = await opened(temp.path, identity('new'));
    const caches = await listCaches(temp.path);
    const old = caches.find(({ pid }) => pid === null);
    const now = caches.find(({ path }) => path === used.path);
    assert.deepEqual(
      [old?.source, old?.endpoint, old?.files, old?.dir],
      ['s3://old/data/', 'http://127.0.0.1:9000', 1, null],
    );
    assert.ok((old?.bytes ?? 0) >= 10_000);
    assert.deepEqual([now?.source, now?.pid, now?.dir], ['s3://new/data/', process.pid, '/mnt/data']);
    assert.equal(now?.fingerprint, await fingerprint(identity('new')));
  });

  test('have the size that their index says', async () => {
    await using temp = await TempDir.create('caches');
    const path = await left(temp.path, identity('b'));
    const options = {
      file: `${path}/index.db`,
      blockSize: 65536,
      prefix: '',
      clock: new SystemClock(),
      log: SILENT_LOGGER,
    };
    const index = await CacheIndex.open(options);
    await index[Symbol.asyncDispose]();
    assert.deepEqual(
      (await listCaches(temp.path)).map(({ bytes, files }) => [bytes, files]),
      [[0, 0]],
    );
    await writeFile(`${path}/index.db`, 'not a database, but long enough to be one'.repeat(100));
    assert.equal((await listCaches(temp.path))[0]?.files, 1);
  });

  test('come with the most recently used first', async () => {
    await using temp = await TempDir.create('caches');
    const hour = 3_600_000;
    for (const [age, name] of [
      [1, 'b'],
      [3, 'd'],
      [2, 'c'],
    ] as const)
      await left(temp.path, identity(name), 10_000 * hour - age * hour);
    assert.deepEqual(
      (await listCaches(temp.path)).map(({ source }) => source),
      ['s3://b/data/', 's3://c/data/', 's3://d/data/'],
    );
    const context = recording(10_000 * hour);
    await cacheList(temp.path, false, context);
    assert.match(context.lines[2] ?? '', /^[0-9a-f]{16} +\d.* KiB +1 +2h ago +- +s3:\/\/c\/data\/$/);
    await cacheList(temp.path, true, {
      ...context,
      output: { ...context.output, line: (text) => context.lines.push(text) },
    });
    assert.equal((JSON.parse(context.lines.at(-1) ?? '') as unknown[]).length, 3);
  });

  test('are none where the folder is missing, or holds other things', async () => {
    await using temp = await TempDir.create('caches');
    assert.deepEqual(await listCaches(temp.join('missing')), []);
    await mkdir(temp.join('0123456789abcdef'));
    await mkdir(temp.join('lost+found'));
    await writeFile(temp.join('fedcba9876543210'), '');
    assert.deepEqual(await listCaches(temp.path), []);
  });
});

describe('removing caches', () => {
  test('takes those that are named, by fingerprint or source', async () => {
    await using temp = await TempDir.create('caches');
    for (const name of ['b', 'c', 'd']) await left(temp.path, identity(name));
    const context = recording();
    await cacheRemove(
      temp.path,
      { names: ['s3://b/data', await fingerprint(identity('c'))], all: false },
      lock,
      context,
    );
    assert.deepEqual(await readdir(temp.path), [await fingerprint(identity('d'))]);
    assert.match(context.lines[0] ?? '', /^removed the cache of s3:\/\/b\/data\/: /);
  });

  test('takes all, also what an interrupted removal left', async () => {
    await using temp = await TempDir.create('caches');
    await left(temp.path, identity('b'));
    await mkdir(temp.join('.removing-0123456789abcdef', 'objects'), { recursive: true });
    await cacheRemove(temp.path, { names: [], all: true }, lock, recording());
    assert.deepEqual(await readdir(temp.path), []);
  });

  test('refuses one that is in use, and names its mount', async () => {
    await using temp = await TempDir.create('caches');
    await using _used = await opened(temp.path, identity('b'));
    const removal = cacheRemove(temp.path, { names: ['s3://b/data'], all: false }, lock, recording());
    await assert.rejects(removal, { code: 'cache-busy', message: /in use by the mount at \/mnt\/data/ });
    assert.equal((await readdir(temp.path)).length, 1);
  });

  test('refuses one that somebody takes at the last moment', async () => {
    await using temp = await TempDir.create('caches');
    const path = await left(temp.path, identity('b'));
    const caches = await listCaches(temp.path);
    const file = await open(`${path}/lock`, 'r+');
    try {
      assert.equal(native.lock(file.fd), 0);
      await assert.rejects(removeCaches(temp.path, caches, lock), { code: 'cache-busy' });
    } finally {
      await file.close();
    }
    assert.equal((await readdir(temp.path)).length, 1);
  });

  test('refuses names that none or several have, and no names', async () => {
    await using temp = await TempDir.create('caches');
    await left(temp.path, identity('b', 'http://127.0.0.1:1'));
    await left(temp.path, identity('b', 'http://127.0.0.1:2'));
    const remove = (names: string[], all = false): Promise<void> =>
      cacheRemove(temp.path, { names, all }, lock, recording());
    await assert.rejects(remove(['s3://b/data']), { code: 'invalid-argument', message: /several endpoints have/ });
    await assert.rejects(remove(['s3://other']), { code: 'not-found' });
    await assert.rejects(remove(['../..']), { code: 'not-found' });
    await assert.rejects(remove([]), { code: 'invalid-argument' });
    await assert.rejects(remove(['x'], true), { code: 'invalid-argument' });
    assert.equal((await readdir(temp.path)).length, 2);
  });
});

describe('where the disk is at its floor', () => {
  const MINUTE = 60_000;
  const goes = (root: string, nowMs: number): Promise<boolean> => removeAbandoned(root, nowMs, lock, SILENT_LOGGER);

  test('the cache that was used longest ago goes first, one in use or just left stays', async () => {
    await using temp = await TempDir.create('caches');
    const now = Date.UTC(2024, 5, 1);
    const older = await left(temp.path, identity('older'), now - 3 * MINUTE);
    const old = await left(temp.path, identity('old'), now - 2 * MINUTE);
    const young = await left(temp.path, identity('young'), now - MINUTE / 2);
    await using used = await opened(temp.path, identity('used'));
    await utimes(`${used.path}/lock`, 1, 1);
    const there = async (): Promise<string[]> =>
      (await readdir(temp.path)).map((name) => `${temp.path}/${name}`).sort();
    assert.equal(await goes(temp.path, now), true);
    assert.deepEqual(await there(), [old, young, used.path].sort());
    assert.ok(!(await there()).includes(older));
    assert.equal(await goes(temp.path, now), true);
    assert.equal(await goes(temp.path, now), false);
    assert.deepEqual(await there(), [young, used.path].sort());
  });

  test('nothing goes that a daemon may need again', async () => {
    await using temp = await TempDir.create('caches');
    await left(temp.path, identity('old'), 1000);
    {
      using _held = lockNode(temp.path, lock);
      assert.equal(await goes(temp.path, 10 * MINUTE), false);
    }
    assert.equal(await goes(temp.path, 10 * MINUTE), true);
  });
});
