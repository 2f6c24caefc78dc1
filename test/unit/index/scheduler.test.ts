/**
 * Bulk work gives way: by counted turns, not by time.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { openDatabase } from '../../../src/cache/index/worker/open-database.ts';
import { PACE } from '../../../src/cache/index/worker/pace.ts';
import { Store } from '../../../src/cache/index/worker/store.ts';
import { Writer } from '../../../src/cache/index/worker/writer.ts';
import { TempDir } from '../../support/files.ts';
import { BLOCK, pageOf } from './fixture.ts';

/** A writer whose slices run when the test says so. */
class SteppedWriter implements AsyncDisposable {
  readonly writer: Writer;
  readonly store: Store;
  readonly #folder: TempDir;
  readonly #due: (() => void)[] = [];

  private constructor(folder: TempDir) {
    const clock = new ManualClock();
    const { database } = openDatabase({ file: join(folder.path, 'index.db'), blockSize: BLOCK, clock });
    this.#folder = folder;
    this.store = new Store(database, { blockSize: BLOCK, prefix: '' });
    const turns = { defer: (callback: () => void): void => void this.#due.push(callback), hurry: () => undefined };
    this.writer = new Writer({ store: this.store, clock, turns, sliceMs: 0 });
  }

  static async create(): Promise<SteppedWriter> {
    return new SteppedWriter(await TempDir.create('index'));
  }

  /** Runs one slice; false where none is due. */
  async slice(): Promise<boolean> {
    const next = this.#due.shift();
    next?.();
    await nextTurn();
    return next !== undefined;
  }

  /** Runs slices until a promise is settled; tells how many. */
  async slicesUntil<T>(work: Promise<T>): Promise<{ slices: number; value: T }> {
    const state = { done: false };
    const settled = work.finally(() => {
      state.done = true;
    });
    settled.catch(() => undefined);
    await nextTurn();
    let slices = 0;
    for (; !state.done; slices += 1) assert.ok(await this.slice(), 'it is never answered');
    return { slices, value: await settled };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.handle('close', {});
    await this.#folder[Symbol.asyncDispose]();
  }
}

const LARGE = Object.fromEntries(
  Array.from({ length: 10_000 }, (_, number) => [`dir/file-${String(number).padStart(5, '0')}`, {}]),
);

async function beginFull(stepped: SteppedWriter): Promise<void> {
  await stepped.slicesUntil(stepped.writer.handle('beginFull', { lane: 1, limit: 1e6 }));
  await stepped.writer.handle('beginShard', { lane: 2, full: 1, kind: 'subtree', key: '' });
}

test('a commit is answered between two steps of a bulk listing', async () => {
  await using stepped = await SteppedWriter.create();
  const { writer } = stepped;
  await beginFull(stepped);
  const page = writer.handle('addShardPage', { lane: 2, page: pageOf(LARGE) });
  for (let slice = 0; slice < 4; slice += 1) await stepped.slice();
  assert.ok(stepped.store.visible.files > 0 && stepped.store.visible.files <= 4 * PACE.entries, 'a step is bounded');
  const batch = { inos: Float64Array.of(3), idx: Float64Array.of(0), hashes: new Uint8Array(8), at: 1 };
  const { slices, value } = await stepped.slicesUntil(writer.handle('commitBlocks', batch));
  assert.deepEqual([slices, value], [0, { rejected: [] }]);
  const { slices: rest } = await stepped.slicesUntil(page);
  assert.ok(rest > 10, 'the page took many steps');
});

test('the listing that somebody waits for goes before the one in the background', async () => {
  await using stepped = await SteppedWriter.create();
  const { writer } = stepped;
  await beginFull(stepped);
  const page = writer.handle('addShardPage', { lane: 2, page: pageOf(LARGE) });
  await stepped.slice();
  await writer.handle('beginDirectory', { lane: 3, dir: 1 });
  const { slices } = await stepped.slicesUntil(
    writer.handle('addPage', { lane: 3, page: pageOf({}, { prefixes: ['dir/'] }) }),
  );
  assert.ok(slices < 10, `it took ${slices} slices`);
  await stepped.slicesUntil(page);
});

test('work that fails is taken back to its last commit, and its listing takes no more; others do', async () => {
  await using stepped = await SteppedWriter.create();
  const { writer, store } = stepped;
  await beginFull(stepped);
  const bad = pageOf({ ...LARGE, '~': {} });
  const page = { ...bad, objects: [...bad.objects, ...bad.objects.slice(0, 1)] };
  await assert.rejects(stepped.slicesUntil(writer.handle('addShardPage', { lane: 2, page })), { code: 'protocol' });
  await assert.rejects(stepped.slicesUntil(writer.handle('finishFull', { lane: 1 })), { code: 'protocol' });
  await stepped.slicesUntil(writer.handle('abortFull', { lane: 1 }));
  assert.equal(store.stagings.size, 0);
  await beginFull(stepped);
  await stepped.slicesUntil(writer.handle('addShardPage', { lane: 2, page: pageOf({ a: {} }) }));
  await stepped.slicesUntil(writer.handle('finishFull', { lane: 1 }));
  assert.deepEqual([store.visible.files, store.visible.dirs], [1, 0]);
});

test('a listing given up in the middle of a page leaves nothing of the page behind', async () => {
  await using stepped = await SteppedWriter.create();
  const { writer, store } = stepped;
  await beginFull(stepped);
  await stepped.slicesUntil(writer.handle('addShardPage', { lane: 2, page: pageOf({ 'dir/a': {} }) }));
  await stepped.slicesUntil(writer.handle('finishFull', { lane: 1 }));
  const before = { nodes: store.nodes, cur: store.cur };
  await beginFull(stepped);
  const page = writer.handle('addShardPage', { lane: 2, page: pageOf(LARGE) });
  for (let slice = 0; slice < 5; slice += 1) await stepped.slice();
  assert.ok(store.nodes > before.nodes);
  const abort = writer.handle('abortFull', { lane: 1 });
  await assert.rejects(page, { code: 'interrupted' });
  await stepped.slicesUntil(abort);
  assert.deepEqual({ nodes: store.nodes, cur: store.cur }, before);
  assert.equal(store.stagings.size, 0);
});
