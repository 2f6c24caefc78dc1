/**
 * Many databases on few threads: what they share, and what the end of a thread takes down.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { SystemClock } from '../../../src/base/clock.ts';
import { PageCacheShares } from '../../../src/cache/index/page-cache.ts';
import { IndexHost, type CacheIndex } from '../../../src/cache/index/index.ts';
import { ThreadTurns } from '../../../src/cache/index/worker/turns.ts';
import { WriterPool } from '../../../src/cache/index/writer-pool.ts';
import { WriterPort } from '../../../src/cache/index/writer-port.ts';
import { TempDir } from '../../support/files.ts';
import { at, BLOCK, listAll, openIn } from './fixture.ts';

/** Threads of this process now. */
const threads = (): number => readdirSync('/proc/self/task').length;

test('twenty indexes live on two threads, each with its own listing', async () => {
  await using temp = await TempDir.create('pool');
  await using host = new IndexHost(2, new SystemClock());
  await using stack = new AsyncDisposableStack();
  const folder = async (n: number): Promise<string> => {
    await mkdir(temp.join(String(n)));
    return temp.join(String(n));
  };
  const open = async (n: number): Promise<CacheIndex> => {
    const index = stack.use(await openIn(await folder(n), { host }));
    await listAll(index, { [`file-${n}`]: {}, both: {} });
    return index;
  };
  const first = await open(0);
  await open(1);
  const before = threads();
  const others = await Promise.all(Array.from({ length: 18 }, (_, n) => open(n + 2)));
  assert.deepEqual(host.writers.load, [10, 10]);
  assert.equal(threads(), before);
  for (const [n, index] of others.entries()) {
    assert.notEqual(at(index, `file-${n + 2}`), null);
    assert.equal(at(index, 'file-0'), null);
  }
  await others[0]![Symbol.asyncDispose]();
  assert.notEqual(at(first, 'both'), null);
});

test('a thread that dies fails the calls of its databases and of no other, and later ones get another', async () => {
  await using pool = new WriterPool(2, new URL('./dying-writer.ts', import.meta.url));
  const open = (file: string): Promise<WriterPort> =>
    WriterPort.open(pool, { file, blockSize: BLOCK, prefix: '' }, () => undefined);
  const dying = await open('a');
  const living = await open('b');
  const beside = await open('c');
  assert.deepEqual(pool.load, [2, 1]);
  await assert.rejects(dying.call('markClean', {}), {
    code: 'internal',
    message: /thread that writes the cache index/,
  });
  await assert.rejects(dying.call('forgetRecent', {}), { code: 'internal' });
  await assert.rejects(beside.call('forgetRecent', {}), { code: 'internal' });
  await living.call('forgetRecent', {});
  const later = await open('d');
  await later.call('forgetRecent', {});
  assert.deepEqual(pool.load, [1, 1]);
  for (const port of [dying, living, beside, later]) await port.close();
});

test('open databases share a page cache, and one that rests gives its part back', async () => {
  await using temp = await TempDir.create('pages');
  const clock = new ManualClock();
  using shares = new PageCacheShares({ total: 1000, most: 400, least: 10 }, clock);
  using stack = new DisposableStack();
  const sizes = (): number[] => databases.map((database) => -Number(database.pragma('cache_size', { simple: true })));
  const databases = Array.from({ length: 5 }, (_, n) => {
    const database = new Database(join(temp.path, `${n}.db`));
    stack.defer(() => database.close());
    return database;
  });
  const parts = databases.slice(0, 2).map((database) => shares.join(database));
  assert.deepEqual(sizes().slice(0, 2), [400, 400]);
  parts.push(...databases.slice(2).map((database) => shares.join(database)));
  assert.deepEqual(sizes(), [125, 125, 125, 125, 125]);
  // Everybody was used before the first look; before the second only one.
  await clock.advance(15_000);
  parts[3]!.use();
  await clock.advance(15_000);
  assert.deepEqual(sizes(), [10, 10, 10, 400, 10]);
  parts[0]!.use();
  assert.deepEqual(sizes(), [400, 10, 10, 400, 10]);
});

test('slices of all databases take turns, urgent ones first, and background work is not forgotten', () => {
  const due: (() => void)[] = [];
  const turns = new ThreadTurns((callback) => due.push(callback));
  const ran: string[] = [];
  const urgent = (): void => {
    ran.push('urgent');
    turns.defer(urgent, true);
  };
  const background = (): void => void ran.push('background');
  const hurried = (): void => void ran.push('hurried');
  turns.defer(background, false);
  turns.defer(hurried, false);
  turns.defer(urgent, true);
  turns.hurry(hurried);
  for (let turn = 0; turn < 10; turn++) {
    assert.equal(due.length, 1, 'one slice a turn of the loop');
    due.shift()?.();
  }
  assert.deepEqual(ran.slice(0, 2), ['urgent', 'hurried']);
  assert.equal(ran.indexOf('background'), 7);
});
