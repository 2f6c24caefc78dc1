/**
 * The listing of the whole beside listings of single directories: an index, and an origin that gives a page when the test says so.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { ROOT_INO, type ListingOutcome } from '../../../src/cache/index/index.ts';
import type { ListPage } from '../../../src/dataset/listing.ts';
import { DirectoryListings } from '../../../src/fs/snapshot/directory-listings.ts';
import { listAll } from '../../../src/fs/snapshot/full-listing.ts';
import { ListingLanes } from '../../../src/fs/snapshot/listing-lanes.ts';
import type { ListOptions, Source } from '../../../src/source/source.ts';
import { ModelOrigin } from '../../model/index-origin.ts';
import { IndexFixture, inoAt, listDirectory, tree } from '../index/fixture.ts';

const PAGE = 3;

/** An origin that holds every page back until it is let go, and remembers what it was asked. */
class HeldOrigin implements Pick<Source, 'list'> {
  readonly #origin = new ModelOrigin();
  /** Prefixes, one a page asked for. */
  readonly asked: string[] = [];
  #held: { readonly prefix: string; readonly go: () => void }[] = [];

  constructor(keys: readonly string[]) {
    for (const key of keys) this.#origin.put(key, { version: 0, size: 1 });
  }

  async *list(prefix: string, { delimiter, signal }: ListOptions): AsyncGenerator<ListPage> {
    for (let after = ''; ;) {
      this.asked.push(prefix);
      await new Promise<void>((go) => this.#held.push({ prefix, go }));
      signal.throwIfAborted();
      const page = this.#origin.page(prefix, delimiter, after, PAGE);
      after = [page.objects.at(-1)?.key ?? '', page.prefixes.at(-1) ?? ''].sort().at(-1) ?? '';
      yield page;
      if (page.last) return;
    }
  }

  /** Waits until pages are asked for: those of a prefix, or any. */
  async held(prefix?: string): Promise<void> {
    while (!this.#held.some((one) => prefix === undefined || one.prefix === prefix)) await nextTurn();
  }

  /** Lets go the pages that are held now: those of a prefix, or all. */
  let(prefix?: string): void {
    const going = this.#held.filter((one) => prefix === undefined || one.prefix === prefix);
    this.#held = this.#held.filter((one) => !going.includes(one));
    for (const { go } of going) go();
  }

  /** Lets everything go until something has settled. */
  async through<T>(work: Promise<T>): Promise<T> {
    const state = { done: false };
    const settled = work.finally(() => {
      state.done = true;
    });
    settled.catch(() => undefined);
    while (!state.done) {
      this.let();
      await nextTurn();
    }
    return await settled;
  }
}

/** What takes part. */
class World implements AsyncDisposable {
  readonly fixture: IndexFixture;
  readonly origin: HeldOrigin;
  readonly clock = new ManualClock();
  readonly directories: DirectoryListings;
  readonly #stop = new AbortController();

  private constructor(fixture: IndexFixture, origin: HeldOrigin) {
    this.fixture = fixture;
    this.origin = origin;
    this.directories = new DirectoryListings({
      index: fixture.index,
      source: origin as unknown as Source,
      clock: this.clock,
      onListed: () => Promise.resolve(),
      onChanges: () => undefined,
    });
  }

  static async create(...keys: string[]): Promise<World> {
    return new World(await IndexFixture.create(), new HeldOrigin(keys));
  }

  /** Begins to list everything. */
  listAll(limit = 1000): Promise<ListingOutcome> {
    const { fixture, origin, directories } = this;
    const options = {
      index: fixture.index,
      source: origin as unknown as Source,
      directories,
      prefix: '',
      limit,
      lanes: new ListingLanes().join(),
      signal: this.#stop.signal,
    };
    const whole = listAll(options, (full) => full.finish());
    whole.catch(() => undefined);
    return whole;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.origin.through(this.directories[Symbol.asyncDispose]());
    await this.fixture[Symbol.asyncDispose]();
  }
}

const WIDE = ['wide/a', 'wide/b', 'wide/c', 'wide/d', 'wide/deep/e'];

test('a directory that is looked into while the whole is being listed is asked for once', async () => {
  await using world = await World.create('top', ...WIDE);
  const { origin, directories, fixture } = world;
  const whole = world.listAll();
  await origin.held('');
  const looked = directories.progress(ROOT_INO);
  origin.let();
  await looked;
  const wide = inoAt(fixture.index, 'wide');
  await origin.held('wide/');
  const first = directories.progress(wide);
  origin.let('wide/');
  await first;
  assert.equal(fixture.index.children(wide, 0, 10).length > 0, true, 'a page is shown when it has come');
  await origin.through(whole);
  assert.deepEqual(origin.asked, ['', 'wide/', 'wide/', 'wide/deep/']);
  assert.deepEqual(tree(fixture.index), [
    'top',
    'wide/',
    'wide/a',
    'wide/b',
    'wide/c',
    'wide/d',
    'wide/deep/',
    'wide/deep/e',
  ]);
  assert.equal(fixture.index.snapshot().complete, true);
});

test('what was listed on demand since the listing of the whole began is taken over, and what was before is not', async () => {
  await using world = await World.create(...WIDE);
  const { origin, directories, fixture } = world;
  await listDirectory(fixture.index, ROOT_INO, {}, ['wide/']);
  const wide = inoAt(fixture.index, 'wide');
  const whole = world.listAll();
  await origin.held('');
  await Promise.race([origin.through(directories.first(wide, 10)), whole]);
  await origin.through(whole);
  assert.deepEqual(origin.asked.filter((prefix) => prefix === 'wide/').length, 2, 'two pages, once');
  assert.equal(origin.asked.filter((prefix) => prefix === '').length, 1, 'the root again');
  assert.equal(fixture.index.snapshot().complete, true);
});

test('a directory that is longer than the limit ends the listing of the whole, unless somebody waits for it', async () => {
  await using world = await World.create(...WIDE.map((key) => key.slice('wide/'.length)));
  const { origin, directories, fixture } = world;
  assert.equal((await origin.through(world.listAll(2))).stopped, 'list-limit');
  assert.deepEqual([origin.asked.length, fixture.index.isListed(ROOT_INO)], [1, false]);
  const whole = world.listAll(2);
  await origin.held('');
  const looked = directories.progress(ROOT_INO);
  assert.equal((await origin.through(whole)).stopped, 'list-limit');
  await looked;
  assert.equal(fixture.index.isListed(ROOT_INO), true);
});

test('flat shards let a demanded listing go first, but not for ever', async () => {
  const folders = Array.from({ length: 16 }, (_, number) => String(number + 10));
  await using world = await World.create(
    ...folders.flatMap((folder) => ['a', 'b', 'c', 'd'].map((name) => `${folder}/${name}`)),
  );
  const { origin, directories, clock, fixture } = world;
  const whole = world.listAll();
  await until(() => {
    origin.let('');
    return origin.asked.filter((prefix) => prefix !== '').length === 8;
  });
  const looked = directories.progress(inoAt(fixture.index, '20'));
  looked.catch(() => undefined);
  const asked = (): number => origin.asked.filter((prefix) => prefix !== '20/').length;
  const before = asked();
  for (const folder of folders) if (folder !== '20') origin.let(`${folder}/`);
  await until(() => clock.pending > 0);
  assert.equal(asked(), before, 'no further page while somebody waits');
  await clock.advance(500);
  await until(() => asked() > before);
  await origin.through(Promise.all([looked, whole]));
  assert.equal(fixture.index.snapshot().complete, true);
});

test('the end ends listings that wait for their turn, too', async () => {
  const folders = Array.from({ length: 40 }, (_, number) => `${number}/`);
  await using world = await World.create();
  const { fixture, directories } = world;
  await listDirectory(fixture.index, ROOT_INO, {}, folders.sort());
  const waiting = folders.map((folder) => directories.progress(inoAt(fixture.index, folder.slice(0, -1))));
  const all = Promise.allSettled(waiting);
  await world.origin.held();
  await world.origin.through(directories[Symbol.asyncDispose]());
  assert.deepEqual(new Set((await all).map(({ status }) => status)), new Set(['rejected']));
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}
