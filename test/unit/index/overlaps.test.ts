/**
 * Listings that overlap, at the places where it matters: between two pages, and between two steps of one.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { ROOT_INO } from '../../../src/cache/index/index.ts';
import { openDatabase } from '../../../src/cache/index/worker/open-database.ts';
import { Store } from '../../../src/cache/index/worker/store.ts';
import { Writer } from '../../../src/cache/index/worker/writer.ts';
import { checkInvariants, type RawNode } from '../../model/index-invariants.ts';
import { TempDir } from '../../support/files.ts';
import { at, BLOCK, IndexFixture, inoAt, listAll, listDirectory, pageOf, tree } from './fixture.ts';

describe('between two pages of a listing of the whole', () => {
  test('a directory that it has just found may be listed by itself: each name is there once', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ 'd/a': {} }, { last: false }));
    await listDirectory(index, inoAt(index, 'd'), { 'd/a': {}, 'd/b': {}, 'd/c': {} });
    const [b, c] = [inoAt(index, 'd/b'), inoAt(index, 'd/c')];
    await shard.add(pageOf({ 'd/b': {}, 'd/c': { etag: '"2"' }, 'd/d': {} }));
    assert.deepEqual(tree(index), ['d/', 'd/a', 'd/b', 'd/c'], 'a directory that is listed changes with the switch');
    await listing.finish();
    assert.deepEqual(tree(index), ['d/', 'd/a', 'd/b', 'd/c', 'd/d']);
    assert.deepEqual([inoAt(index, 'd/b'), inoAt(index, 'd/c')], [b, c], 'what the other one has found stays');
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [4, 1]);
  });

  test('a file may appear where it finds a directory: the directory wins with its switch', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await listDirectory(index, ROOT_INO, { a: {} });
    await shard.add(pageOf({ 'a/x': {} }));
    assert.equal(at(index, 'a')?.dir, false);
    await listing.finish();
    assert.deepEqual(tree(index), ['a/', 'a/x']);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [1, 1]);
  });

  test('a file that takes the place of a directory it has staged is shown until then', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: {}, b: {} });
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ 'a/x': {}, b: {} }));
    await listDirectory(index, ROOT_INO, { a: { etag: '"2"' }, b: {} });
    assert.equal(at(index, 'a')?.etag, '"2"');
    await listing.finish();
    assert.deepEqual(tree(index), ['a/', 'a/x', 'b']);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [2, 1]);
  });

  test('what appears in a directory that it has found gone goes with it', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'd/x': {}, e: {} });
    const d = inoAt(index, 'd');
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ e: {} }));
    await listDirectory(index, d, { 'd/x': {}, 'd/y': {} }, ['d/z/']);
    assert.deepEqual(tree(index), ['d/', 'd/x', 'd/y', 'd/z/', 'e']);
    await listing.finish();
    assert.deepEqual([tree(index), index.children(d, 0, 10)], [['e'], []]);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [1, 0]);
  });

  test('a directory with changes that wait for the switch is not listed before it, nor after an abort', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    for (const end of ['abort', 'finish']) {
      {
        await using partial = await index.beginDirectory(ROOT_INO);
        await partial.add(pageOf({ a: { etag: `"before ${end}"` }, b: {} }, { last: false }));
      }
      await using listing = await index.beginFull(1000);
      const shard = await listing.shard('subtree', '');
      await shard.add(pageOf({ a: { etag: `"after ${end}"` } }));
      assert.equal(index.isListed(ROOT_INO), false);
      if (end === 'finish') await listing.finish();
      else await listing[Symbol.asyncDispose]();
      assert.equal(index.isListed(ROOT_INO), end === 'finish');
    }
    assert.equal(at(index, 'a')?.etag, '"after finish"');
  });

  test('a directory that has come back is listed anew, whoever had found it gone', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'd/x': {} });
    const d = inoAt(index, 'd');
    await listAll(index, {});
    await listDirectory(index, ROOT_INO, {}, ['d/']);
    assert.deepEqual([inoAt(index, 'd'), index.isListed(d), index.children(d, 0, 10)], [d, false, []]);
    await listAll(index, {});
    await using listing = await index.beginFull(10);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ 'd/y': {} }));
    assert.equal(at(index, 'd'), null);
    await listing.finish();
    assert.deepEqual([inoAt(index, 'd'), index.isListed(d), tree(index)], [d, true, ['d/', 'd/y']]);
  });
});

/** A writer that goes on one row at a time, when the test says so. */
class SlowWriter implements AsyncDisposable {
  readonly writer: Writer;
  readonly #store: Store;
  readonly #folder: TempDir;
  readonly #due: (() => void)[] = [];
  #lane = 100;

  private constructor(folder: TempDir) {
    const clock = new ManualClock();
    const { database } = openDatabase({ file: join(folder.path, 'index.db'), blockSize: BLOCK, clock });
    this.#folder = folder;
    this.#store = new Store(database, { blockSize: BLOCK, prefix: '' });
    const turns = { defer: (callback: () => void): void => void this.#due.push(callback), hurry: () => undefined };
    const pace = { entries: 1, rows: 2, changes: 1, together: 1000 };
    this.writer = new Writer({ store: this.#store, clock, turns, sliceMs: 0, pace });
  }

  static async create(): Promise<SlowWriter> {
    return new SlowWriter(await TempDir.create('index'));
  }

  /** Runs so many slices, then checks what a crash would leave. */
  async run(slices: number): Promise<void> {
    for (let slice = 0; slice < slices; slice += 1) {
      this.#due.shift()?.();
      await nextTurn();
      checkInvariants(this.#store.database, false);
    }
  }

  /** Runs until it is settled. */
  async through<T>(work: Promise<T>): Promise<T> {
    const state = { done: false };
    const settled = work.finally(() => {
      state.done = true;
    });
    settled.catch(() => undefined);
    await nextTurn();
    while (!state.done) await this.run(1);
    return await settled;
  }

  /** Lists a directory in one page, through. */
  async listDirectory(dir: number, page: ReturnType<typeof pageOf>): Promise<void> {
    const lane = (this.#lane += 1);
    await this.writer.handle('beginDirectory', { lane, dir });
    await this.through(this.writer.handle('addPage', { lane, page }));
    await this.through(this.writer.handle('finishDirectory', { lane }));
  }

  /** All rows that are visible, by name. */
  visible(): Map<string, RawNode> {
    const nodes = checkInvariants(this.#store.database, false);
    return new Map(
      nodes
        .filter(({ born, died }) => born <= this.#store.cur && this.#store.cur < died)
        .map((node) => [node.name, node]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.handle('close', {});
    await this.#folder[Symbol.asyncDispose]();
  }
}

describe('between two steps of a burial', () => {
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, number) => [`d/${number}`, {}]));

  /** A directory of some files whose second listing has told its first page. */
  async function withListingBelow(slow: SlowWriter): Promise<number> {
    await slow.listDirectory(ROOT_INO, pageOf({}, { prefixes: ['d/'] }));
    const d = slow.visible().get('d/')?.ino ?? 0;
    await slow.listDirectory(d, pageOf(many));
    await slow.writer.handle('beginDirectory', { lane: 1, dir: d });
    await slow.through(slow.writer.handle('addPage', { lane: 1, page: pageOf({ 'd/0': {} }, { last: false }) }));
    return d;
  }

  test('by the listing of a directory, the listing of one below ends', async () => {
    await using slow = await SlowWriter.create();
    await withListingBelow(slow);
    await slow.writer.handle('beginDirectory', { lane: 2, dir: ROOT_INO });
    const burying = slow.writer.handle('addPage', { lane: 2, page: pageOf({}) });
    await slow.run(6);
    assert.ok(slow.visible().has('d/') && slow.visible().size < 10, 'it goes last, and some have gone');
    const late = slow.writer.handle('addPage', { lane: 1, page: pageOf({ 'd/late': {} }) });
    assert.equal((await slow.through(late)).stopped, 'gone');
    await slow.through(burying);
    assert.deepEqual([...slow.visible().keys()], ['/']);
  });

  test('by the listing of a directory, nobody begins to list one below', async () => {
    await using slow = await SlowWriter.create();
    const d = await withListingBelow(slow);
    await slow.writer.handle('beginDirectory', { lane: 2, dir: ROOT_INO });
    const burying = slow.writer.handle('addPage', { lane: 2, page: pageOf({}) });
    for (let files = 9; files > 4; files = slow.visible().size - 2) await slow.run(1);
    assert.ok(slow.visible().has('d/'), 'it goes last');
    await slow.writer.handle('abortDirectory', { lane: 1 });
    await assert.rejects(slow.writer.handle('beginDirectory', { lane: 3, dir: d }), { code: 'not-found' });
    await slow.through(burying);
    assert.deepEqual([...slow.visible().keys()], ['/']);
  });

  test('by a listing of the whole, what is placed below is shown, and goes with the rest', async () => {
    await using slow = await SlowWriter.create();
    await withListingBelow(slow);
    await slow.through(slow.writer.handle('beginFull', { lane: 2, limit: 100 }));
    await slow.writer.handle('beginShard', { lane: 3, full: 2, kind: 'subtree', key: '' });
    const burying = slow.writer.handle('addShardPage', { lane: 3, page: pageOf({ e: {} }) });
    await slow.run(8);
    const late = slow.writer.handle('addPage', { lane: 1, page: pageOf({ ...many, 'd/late': {} }) });
    assert.equal((await slow.through(late)).stopped, null);
    assert.ok(slow.visible().has('late'));
    await slow.through(burying);
    await slow.through(slow.writer.handle('finishFull', { lane: 2 }));
    assert.deepEqual([...slow.visible().keys()].sort(), ['/', 'e']);
  });
});
