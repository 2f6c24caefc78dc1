/**
 * What listings do to what can be seen.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ROOT_INO } from '../../../src/cache/index/index.ts';
import { at, gather, IndexFixture, inoAt, listAll, listDirectory, pageOf, tree, type Keys } from './fixture.ts';

describe('the first listing of a directory', () => {
  test('shows names as its pages come, and the directory as listed at its end', async () => {
    await using fixture = await IndexFixture.create({ prefix: 'data/' });
    const { index } = fixture;
    await using listing = await index.beginDirectory(ROOT_INO);
    assert.equal(listing.prefix, 'data/');
    assert.equal(listing.first, true);
    assert.equal(index.listingOf(ROOT_INO), listing);

    const progress = listing.progress();
    await listing.add(pageOf({ 'data/a': {}, 'data/c': {} }, { prefixes: ['data/b/'], last: false }));
    await progress;
    // `c` may still turn out to be a directory.
    assert.deepEqual(tree(index), ['a', 'b/']);
    assert.equal(index.isListed(ROOT_INO), false);
    assert.ok(listing.decided('a') && listing.decided('aa') && listing.decided('b'));
    assert.ok(!listing.decided('c') && !listing.decided('d'));

    await listing.add(pageOf({ 'data/c-': {} }));
    assert.ok(listing.decided('c') && listing.decided('zzz'));
    const { stopped, added } = await listing.finish();
    assert.deepEqual({ stopped, added }, { stopped: null, added: 3 });
    assert.deepEqual(tree(index), ['a', 'b/', 'c', 'c-']);
    assert.equal(index.isListed(ROOT_INO), true);
    assert.equal(index.isListed(inoAt(index, 'b')), false);
    assert.equal(index.listingOf(ROOT_INO), null);
    assert.ok((index.listedAt(ROOT_INO) ?? 0) > 1e12);
  });

  test('shows a directory, not the file of its name, however the two are paged', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await using listing = await index.beginDirectory(ROOT_INO);
    await listing.add(pageOf({ a: {}, 'a-': {} }, { last: false }));
    assert.equal(at(index, 'a'), null);
    await listing.add(pageOf({}, { prefixes: ['a/'] }));
    await listing.finish();
    assert.equal(at(index, 'a')?.dir, true);
    assert.deepEqual(index.snapshot().skipped, [{ reason: 'file-and-directory', count: 1, sample: 'a' }]);
    assert.equal(index.snapshot().files, 1);
  });

  test('given up, leaves the directory unlisted; the next one finds what has gone since', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    {
      await using listing = await index.beginDirectory(ROOT_INO);
      await listing.add(pageOf({ a: {}, b: {} }, { last: false }));
    }
    assert.equal(index.listingOf(ROOT_INO), null);
    assert.deepEqual(tree(index), ['a']);
    const ino = inoAt(index, 'a');
    const { outcome, changes } = await listDirectory(index, ROOT_INO, { b: {} });
    assert.deepEqual(tree(index), ['b']);
    assert.equal(outcome.removed, 1);
    assert.deepEqual(changes, [{ parent: ROOT_INO, name: 'a', oldIno: ino, newIno: null, dir: false }]);
  });

  test('of a directory that is none is refused, and a second one beside it', async () => {
    await using fixture = await IndexFixture.create();
    await assert.rejects(fixture.index.beginDirectory(77), { code: 'not-found' });
    await using _listing = await fixture.index.beginDirectory(ROOT_INO);
    await assert.rejects(fixture.index.beginDirectory(ROOT_INO), { code: 'internal' });
  });

  test('stops when its directory goes', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listDirectory(index, ROOT_INO, {}, ['d/']);
    const directory = inoAt(index, 'd');
    await using listing = await index.beginDirectory(directory);
    await listing.add(pageOf({ 'd/a': {}, 'd/b': {} }, { last: false }));
    const { changes } = await listDirectory(index, ROOT_INO, {});
    assert.deepEqual(changes, [{ parent: ROOT_INO, name: 'd', oldIno: directory, newIno: null, dir: true }]);
    assert.equal((await listing.add(pageOf({ 'd/c': {} }))).stopped, 'gone');
    assert.equal((await listing.finish()).stopped, 'gone');
    assert.deepEqual(tree(index), []);
    assert.deepEqual(index.children(directory, 0, 10), []);
    assert.equal(index.node(directory)?.superseded, true);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [0, 0]);
  });

  test('fails as a whole with a page that is not of it', async () => {
    await using fixture = await IndexFixture.create();
    await using listing = await fixture.index.beginDirectory(ROOT_INO);
    await listing.add(pageOf({ b: {} }, { last: false }));
    await assert.rejects(listing.add(pageOf({ a: {} })), { code: 'protocol' });
    await assert.rejects(listing.finish(), { code: 'protocol' });
    assert.equal(fixture.index.isListed(ROOT_INO), false);
  });

  test('counts what has no path by reason', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await using listing = await index.beginDirectory(ROOT_INO);
    await listing.add(pageOf({ '\ud800': {}, 'a\0b': {}, ok: {} }, { prefixes: ['../', './', '/'], undecodable: 3 }));
    await listing.finish();
    const skipped = Object.fromEntries(
      index.snapshot().skipped.map(({ reason, count, sample }) => [reason, [count, sample]]),
    );
    assert.deepEqual(skipped, {
      undecodable: [3, ''],
      'empty-component': [1, '/'],
      'dot-component': [2, '../'],
      nul: [1, 'a\ufffdb'],
      'lone-surrogate': [1, '\ufffd'],
    });
    assert.deepEqual(tree(index), ['ok']);
    await listDirectory(index, ROOT_INO, { ok: {} });
    assert.deepEqual(index.snapshot().skipped, []);
  });
});

describe('a later listing of a directory', () => {
  test('keeps the numbers of what is unchanged, and gives a changed file another', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listDirectory(index, ROOT_INO, { same: {}, changed: {}, gone: {} }, ['d/']);
    const before = {
      same: inoAt(index, 'same'),
      changed: inoAt(index, 'changed'),
      gone: inoAt(index, 'gone'),
      d: inoAt(index, 'd'),
    };
    const { outcome, changes } = await listDirectory(
      index,
      ROOT_INO,
      { same: {}, changed: { etag: '"2"' }, added: {} },
      ['d/', 'e/'],
    );
    assert.deepEqual([outcome.added, outcome.changed, outcome.removed], [1, 1, 1]);
    assert.equal(inoAt(index, 'same'), before.same);
    assert.equal(inoAt(index, 'd'), before.d);
    assert.equal(at(index, 'gone'), null);
    assert.notEqual(inoAt(index, 'changed'), before.changed);
    assert.deepEqual(
      changes.sort((left, right) => (left.name < right.name ? -1 : 1)),
      [
        { parent: 1, name: 'added', oldIno: null, newIno: inoAt(index, 'added'), dir: false },
        { parent: 1, name: 'changed', oldIno: before.changed, newIno: inoAt(index, 'changed'), dir: false },
        { parent: 1, name: 'e', oldIno: null, newIno: inoAt(index, 'e'), dir: true },
        { parent: 1, name: 'gone', oldIno: before.gone, newIno: null, dir: false },
      ],
    );
    const superseded = index.node(before.changed);
    assert.deepEqual([superseded?.etag, superseded?.superseded], ['"changed"', true]);
  });

  test('switches at its end, in one step', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listDirectory(index, ROOT_INO, { a: {}, b: {}, c: {} });
    const { cur } = index;
    await using listing = await index.beginDirectory(ROOT_INO);
    assert.equal(listing.first, false);
    await listing.add(pageOf({ a: { etag: '"2"' }, aa: {} }, { last: false }));
    assert.deepEqual([tree(index), at(index, 'a')?.etag, index.cur], [['a', 'b', 'c'], '"a"', cur]);
    await listing.add(pageOf({ d: {} }));
    await listing.finish();
    assert.deepEqual([tree(index), at(index, 'a')?.etag, index.cur], [['a', 'aa', 'd'], '"2"', cur + 1]);
  });

  test('takes over time and storage class of the same version, and tells so', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listDirectory(index, ROOT_INO, { a: { archived: true } });
    const ino = inoAt(index, 'a');
    assert.equal(at(index, 'a')?.archived, true);
    const { changes } = await listDirectory(index, ROOT_INO, { a: { mtimeMs: 5000.7 } });
    assert.deepEqual(changes, [{ parent: 1, name: 'a', oldIno: ino, newIno: ino, dir: false }]);
    assert.deepEqual([at(index, 'a')?.mtimeMs, at(index, 'a')?.archived], [5000, false]);
  });

  test('lets a file become a directory and a directory a file', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listDirectory(index, ROOT_INO, { a: {} }, ['b/']);
    await listDirectory(index, inoAt(index, 'b'), { 'b/x': {} });
    await listDirectory(index, ROOT_INO, { b: {} }, ['a/']);
    assert.deepEqual([at(index, 'a')?.dir, at(index, 'b')?.dir], [true, false]);
    assert.deepEqual(index.snapshot().skipped, []);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [1, 1]);
  });

  test('gives a directory that comes back its number again', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'd/e/f': {}, g: {} });
    const [d, e, f] = [inoAt(index, 'd'), inoAt(index, 'd/e'), inoAt(index, 'd/e/f')];
    await listDirectory(index, ROOT_INO, { g: {} });
    assert.deepEqual(tree(index), ['g']);
    await listDirectory(index, ROOT_INO, { g: {} }, ['d/']);
    assert.equal(inoAt(index, 'd'), d);
    assert.equal(index.isListed(d), false);
    await listDirectory(index, d, {}, ['d/e/']);
    await listDirectory(index, e, { 'd/e/f': {} });
    assert.equal(inoAt(index, 'd/e'), e);
    assert.notEqual(inoAt(index, 'd/e/f'), f);
  });

  test('tells all changes of a large directory in bounded batches', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    const keys = (etag: string) =>
      Object.fromEntries(Array.from({ length: 2500 }, (_, number) => [`f${number}`, { etag }]));
    await listDirectory(index, ROOT_INO, keys('"1"'));
    await using listing = await index.beginDirectory(ROOT_INO);
    const { changes } = await listing.add(pageOf(keys('"2"')));
    const sizes: number[] = [];
    for await (const batch of changes) sizes.push(batch.length);
    assert.deepEqual(sizes, [1000, 1000, 500]);
    const outcome = await listing.finish();
    assert.deepEqual([outcome.changed, await gather(outcome.changes)], [2500, []]);
  });
});

describe('a listing of the whole source', () => {
  test('fills directories that nobody has listed, at once, and completes with its switch', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ 'a/x': {}, 'a/y': {}, 'b/x': {} }, { last: false }));
    assert.deepEqual(tree(index), ['a/', 'a/x', 'a/y', 'b/']);
    assert.equal(index.isListed(inoAt(index, 'a')), true);
    assert.equal(index.isListed(inoAt(index, 'b')), false);
    await shard.add(pageOf({ c: { size: 0 } }));
    assert.equal(index.snapshot().complete, false);
    const outcome = await listing.finish();
    assert.deepEqual([outcome.stopped, outcome.added, await gather(outcome.changes)], [null, 4, []]);
    const { complete, completedAt, files, dirs, bytes, histogram } = index.snapshot();
    assert.ok(complete && completedAt > 1e12);
    assert.deepEqual([files, dirs, bytes], [4, 2, 3 * 4096]);
    assert.deepEqual([histogram[0], histogram[13], histogram.reduce((sum, count) => sum + count, 0)], [1, 3, 4]);
    for (const directory of [ROOT_INO, inoAt(index, 'a'), inoAt(index, 'b')])
      assert.equal(index.isListed(directory), true);
  });

  test('goes over directories one by one and over subtrees side by side', async () => {
    await using fixture = await IndexFixture.create({ prefix: 'p/' });
    const { index } = fixture;
    await using listing = await index.beginFull(1000);
    const root = await listing.shard('level', '');
    const { descend } = await root.add(pageOf({ 'p/f': {} }, { prefixes: ['p/../', 'p/a/', 'p/b/', 'p/c/'] }));
    assert.deepEqual(descend, ['a/', 'b/', 'c/']);
    const shards = await Promise.all([
      listing.shard('subtree', 'a/'),
      listing.shard('level', 'b/'),
      listing.shard('subtree', 'c/'),
    ]);
    const pages = [
      pageOf({ 'p/a/1/2': {}, 'p/a/3': {} }),
      pageOf({ 'p/b/1': {} }, { prefixes: ['p/b/d/'] }),
      pageOf({}),
    ];
    const told = await Promise.all(shards.map((shard, number) => shard.add(pages[number] ?? pageOf({}))));
    assert.deepEqual(
      told.map(({ descend: keys }) => keys),
      [[], ['b/d/'], []],
    );
    const rest = await listing.shard('subtree', 'b/d/');
    await rest.add(pageOf({ 'p/b/d/1': {} }));
    await listing.finish();
    assert.deepEqual(tree(index), ['a/', 'a/1/', 'a/1/2', 'a/3', 'b/', 'b/1', 'b/d/', 'b/d/1', 'c/', 'f']);
    assert.equal(index.keyOf(inoAt(index, 'b/d/1')), 'b/d/1');
  });

  test('changes nothing that was listed before its switch, and then all of it', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'a/x': {}, 'a/y': {}, 'b/x': {}, 'c/d/e/x': {}, f: {} });
    const before = { ...Object.fromEntries(['a/x', 'b', 'f'].map((path) => [path, inoAt(index, path)])) };
    const { cur } = index;
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ 'a/x': {}, 'a/y': { etag: '"2"' }, 'g/h': {}, f: {} }));
    assert.deepEqual(tree(index), ['a/', 'a/x', 'a/y', 'b/', 'b/x', 'c/', 'c/d/', 'c/d/e/', 'c/d/e/x', 'f']);
    assert.deepEqual([at(index, 'a/y')?.etag, index.cur], ['"a/y"', cur]);
    const y = inoAt(index, 'a/y');
    const c = inoAt(index, 'c');
    const outcome = await listing.finish();
    assert.ok(index.cur > cur);
    assert.deepEqual([outcome.added, outcome.changed, outcome.removed, outcome.overflow], [1, 1, 2, false]);
    assert.deepEqual(tree(index), ['a/', 'a/x', 'a/y', 'f', 'g/', 'g/h']);
    assert.deepEqual([inoAt(index, 'a/x'), inoAt(index, 'f')], [before['a/x'], before['f']]);
    const changes = (await gather(outcome.changes)).sort((left, right) => (left.name < right.name ? -1 : 1));
    assert.deepEqual(changes, [
      { parent: 1, name: 'b', oldIno: before['b'], newIno: null, dir: true },
      { parent: 1, name: 'c', oldIno: c, newIno: null, dir: true },
      { parent: 1, name: 'g', oldIno: null, newIno: inoAt(index, 'g'), dir: true },
      { parent: inoAt(index, 'a'), name: 'y', oldIno: y, newIno: inoAt(index, 'a/y'), dir: false },
    ]);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [4, 2]);
  });

  test('is refused its switch while a part is missing, and fails with that', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await using listing = await index.beginFull(1000);
    const root = await listing.shard('level', '');
    await root.add(pageOf({}, { prefixes: ['a/'] }));
    await assert.rejects(listing.finish(), { code: 'internal', key: 'a/' });
    assert.equal(index.snapshot().complete, false);
    assert.equal(index.isListed(ROOT_INO), true);
    assert.equal(index.isListed(inoAt(index, 'a')), false);
  });

  test('stops at its limit, and leaves what there was', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'a/x': {}, b: {} });
    const { cur } = index;
    await using listing = await index.beginFull(2);
    const shard = await listing.shard('subtree', '');
    const { stopped } = await shard.add(pageOf({ 'a/y': {}, 'a/z': {}, b: {}, c: {} }, { last: false }));
    assert.equal(stopped, 'list-limit');
    assert.equal((await listing.finish()).stopped, 'list-limit');
    assert.deepEqual([tree(index), index.cur, index.snapshot().complete], [['a/', 'a/x', 'b'], cur, true]);
    await listAll(index, { c: {} });
    assert.deepEqual(tree(index), ['c']);
  });

  test('disposed before its end leaves what there was, directories brought back included', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'd/e/x': {}, f: {} });
    const d = inoAt(index, 'd');
    await listAll(index, { f: {} });
    const nodes = index.totals().nodes;
    for (const end of ['dispose', 'crash'] as const) {
      {
        await using listing = await index.beginFull(1000);
        const shard = await listing.shard('subtree', '');
        await shard.add(pageOf({ 'd/e/x': {}, 'd/e/y': {}, g: {} }));
        if (end === 'crash') await fixture.reopen();
      }
      const { index: now } = fixture;
      assert.deepEqual(tree(now), ['f']);
      // The next listing begins when what the last one left is undone.
      await using next = await now.beginFull(10);
      await next[Symbol.asyncDispose]();
      assert.equal(now.totals().nodes, nodes);
    }
    await listAll(fixture.index, { 'd/x': {} });
    assert.deepEqual([tree(fixture.index), inoAt(fixture.index, 'd')], [['d/', 'd/x'], d]);
  });

  test('is the only one at a time', async () => {
    await using fixture = await IndexFixture.create();
    await using _listing = await fixture.index.beginFull(10);
    await assert.rejects(fixture.index.beginFull(10), { code: 'internal' });
  });

  test('begins shards only where one is missing', async () => {
    await using fixture = await IndexFixture.create();
    await using listing = await fixture.index.beginFull(10);
    await assert.rejects(listing.shard('subtree', 'a/'), { code: 'internal' });
    await listing.shard('subtree', '');
    await assert.rejects(listing.shard('level', ''), { code: 'internal' });
  });

  test('does not take back what a directory listed meanwhile has found', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'a/x': {}, 'a/y': {} });
    const a = inoAt(index, 'a');
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await listDirectory(index, a, { 'a/x': { etag: '"3"' }, 'a/z': {} });
    // An older answer: y is still there, z not yet, x is of a version in between.
    await shard.add(pageOf({ 'a/x': { etag: '"2"' }, 'a/y': {} }));
    await listing.finish();
    assert.deepEqual([tree(index), at(index, 'a/x')?.etag], [['a/', 'a/x', 'a/z'], '"3"']);
  });

  test('shows now what it has staged when the listing of a directory finds it', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'a/x': {}, 'b/x': {} });
    const [a, b] = [inoAt(index, 'a'), inoAt(index, 'b')];
    await listAll(index, { 'a/x': {} });
    await using listing = await index.beginFull(1000);
    const shard = await listing.shard('subtree', '');
    await shard.add(pageOf({ 'a/x': { etag: '"2"' }, 'b/x': {}, c: {} }));
    await listDirectory(index, a, { 'a/x': { etag: '"2"' } });
    await listDirectory(index, ROOT_INO, {}, ['a/', 'b/']);
    const x = inoAt(index, 'a/x');
    assert.deepEqual([tree(index), at(index, 'a/x')?.etag, inoAt(index, 'b')], [['a/', 'a/x', 'b/'], '"2"', b]);
    assert.equal(index.isListed(b), false);
    await listing.finish();
    assert.deepEqual([tree(index), inoAt(index, 'a/x')], [['a/', 'a/x', 'b/', 'b/x', 'c'], x]);
  });

  test('gives up what it has staged in a directory that the listing of another buries', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'a/b/x': {}, 'a/c/x': {}, d: {} });
    await listAll(index, { 'a/b/x': {}, d: {} });
    {
      await using listing = await index.beginFull(1000);
      const shard = await listing.shard('subtree', '');
      await shard.add(
        pageOf({ 'a/b/x': { etag: '"2"' }, 'a/b/y': {}, 'a/c/x': {}, 'a/e/f': {}, d: {} }, { last: false }),
      );
      await listDirectory(index, ROOT_INO, { d: {} });
      await shard.add(pageOf({ 'e/f': {} }));
      await listing.finish();
    }
    assert.deepEqual(tree(index), ['d', 'e/', 'e/f']);
    assert.deepEqual([index.snapshot().files, index.snapshot().dirs], [2, 1]);
  });

  test('tells no more names than its bound, and says that there were more', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, {});
    await using listing = await index.beginFull(1_000_000);
    const shard = await listing.shard('subtree', '');
    const count = 100_500;
    for (let from = 0; from < count; from += 1000) {
      const name = (number: number): string => `f${String(from + number).padStart(6, '0')}`;
      const keys: Keys = Object.fromEntries(Array.from({ length: 1000 }, (_, number) => [name(number), {}] as const));
      await shard.add(pageOf(keys, { last: from + 1000 >= count }));
    }
    const outcome = await listing.finish();
    assert.equal(outcome.overflow, true);
    assert.equal((await gather(outcome.changes)).length, 100_000);
  });
});

describe('superseded versions', () => {
  test('stay until they are purged, and purging tells which had blocks', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: {}, b: {}, 'd/c': {} });
    const [a, b, d, c] = [inoAt(index, 'a'), inoAt(index, 'b'), inoAt(index, 'd'), inoAt(index, 'd/c')];
    await index.commitBlocks([{ ino: a, idx: 0, hash: 1n }]);
    await listAll(index, { a: { etag: '"2"' }, b: {} });
    assert.equal(index.node(a)?.superseded, true);
    assert.equal(index.keyOf(a), 'a');
    assert.deepEqual(await index.purgeSuperseded([a, b, d]), [a]);
    assert.equal(index.node(a), null);
    assert.equal(index.node(b)?.superseded, false);
    assert.equal(index.node(d)?.superseded, true, 'a directory stays while a row is in it');
    assert.deepEqual(await index.purgeSuperseded([c]), []);
    assert.deepEqual(await index.purgeSuperseded([d]), []);
    assert.equal(index.node(d), null);
    assert.throws(() => index.keyOf(d), { code: 'not-found' });
    assert.equal(index.totals().blocks, 0);
  });

  test('of an earlier run are all purged on request, directories after what is in them', async () => {
    await using fixture = await IndexFixture.create();
    const keys = Object.fromEntries(Array.from({ length: 700 }, (_, number) => [`d/${number % 7}/e/${number}`, {}]));
    await listAll(fixture.index, keys);
    const cached = inoAt(fixture.index, 'd/0/e/0');
    await fixture.index.commitBlocks([{ ino: cached, idx: 0, hash: 1n }]);
    await listAll(fixture.index, { a: {} });
    const index = await fixture.reopen();
    await listAll(index, { b: {} });
    assert.deepEqual(await gather(index.purgeLeftovers()), [cached]);
    // The root, `b`, and `a`, which this run's kernel may know.
    assert.equal(index.totals().nodes, 3);
  });
});
