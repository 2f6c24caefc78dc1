/**
 * Opening an index: as it was left, set aside, migrated, and at what cost.
 */
import assert from 'node:assert/strict';
import Database from 'better-sqlite3';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { ROOT_INO } from '../../../src/cache/index/index.ts';
import { APPLICATION_ID, FOREVER, MIGRATIONS, type Migration } from '../../../src/cache/index/schema.ts';
import { openDatabase } from '../../../src/cache/index/worker/open-database.ts';
import { TempDir } from '../../support/files.ts';
import { at, BLOCK, gather, IndexFixture, inoAt, listAll, openIn, tree } from './fixture.ts';

const clock = new ManualClock();

/** Runs SQL on a closed index. */
function alter(file: string, sql: string): void {
  using stack = new DisposableStack();
  stack.adopt(new Database(file), (database) => database.close()).exec(sql);
}

describe('an index', () => {
  test('is created where there is none, with a root that is not listed', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    assert.deepEqual(index.opening, { kind: 'created', setAside: null, reason: null, clean: true, emptied: false });
    const root = index.node(ROOT_INO);
    assert.deepEqual([root?.dir, root?.name, root?.parent], [true, '', 0]);
    assert.equal(index.isListed(ROOT_INO), false);
    assert.equal(index.keyOf(ROOT_INO), '');
    assert.deepEqual(index.totals(), { bytes: 0, files: 0, blocks: 0, pinnedBytes: 0, pinnedFiles: 0, nodes: 1 });
  });

  test('shows after a restart what it showed before, under the same numbers', async () => {
    await using fixture = await IndexFixture.create();
    await listAll(fixture.index, { 'a/x': {}, 'a/y': {}, b: {} });
    const before = fixture.index.children(inoAt(fixture.index, 'a'), 0, 10);
    const snapshot = fixture.index.snapshot();
    await fixture.index.markClean();
    const index = await fixture.reopen();
    assert.deepEqual(index.opening, { kind: 'existing', setAside: null, reason: null, clean: true, emptied: false });
    assert.deepEqual(index.children(inoAt(index, 'a'), 0, 10), before);
    assert.deepEqual(index.snapshot(), snapshot);
    assert.equal(index.isListed(inoAt(index, 'a')), true);
  });

  test('knows that its last user did not end well, and gives no number twice then', async () => {
    await using fixture = await IndexFixture.create();
    await listAll(fixture.index, { a: {} });
    const a = inoAt(fixture.index, 'a');
    const index = await fixture.reopen();
    assert.equal(index.opening.clean, false);
    await listAll(index, { a: {}, b: {} });
    assert.ok(inoAt(index, 'b') > a + 1000, 'the numbers that a power cut may have taken back are skipped');
  });

  test('forgets all blocks where the block size is another, and nothing else', async () => {
    await using fixture = await IndexFixture.create();
    await listAll(fixture.index, { a: {} });
    const a = inoAt(fixture.index, 'a');
    await fixture.index.commitBlocks([{ ino: a, idx: 0, hash: 7n }]);
    const index = await fixture.reopen({ blockSize: 2 * BLOCK });
    assert.equal(index.opening.emptied, true);
    assert.deepEqual([index.object(a), inoAt(index, 'a'), index.totals().blocks], [null, a, 0]);
    await index.commitBlocks([{ ino: a, idx: 0, hash: 8n }]);
    assert.deepEqual(index.hashes(a, 0, 10).hash, [8n]);
    assert.deepEqual(
      index.coldest(1).map(({ ino }) => ino),
      [a],
    );
    const again = await fixture.reopen({ blockSize: 2 * BLOCK });
    assert.deepEqual([again.opening.emptied, again.totals().blocks], [false, 1]);
  });

  for (const blockSize of [0, 1000, 4095, 5000, 3 * 4096, 2 ** 27, Number.NaN]) {
    test(`is refused with blocks of ${blockSize} bytes`, async () => {
      await using folder = await TempDir.create('index');
      await assert.rejects(openIn(folder.path, { blockSize }), { code: 'invalid-argument' });
    });
  }

  test('that cannot be created is refused with the reason', async () => {
    await using folder = await TempDir.create('index');
    await assert.rejects(openIn(join(folder.path, 'missing')), { code: 'cache-unusable' });
  });
});

describe('an index that cannot be used', () => {
  const cases: readonly (readonly [string, RegExp, (file: string) => void])[] = [
    ['garbage', /not a database/, (file) => writeFileSync(file, 'garbage '.repeat(1000))],
    ['a short piece of garbage', /too short/, (file) => writeFileSync(file, 'x')],
    ['itself less a few bytes', /cut short/, (file) => truncateSync(file, statSync(file).size - 10)],
    ['half of itself', /damaged/, (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['a database of another program', /another program/, (file) => alter(file, 'PRAGMA application_id = 1')],
    ['of a newer version', /newer version/, (file) => alter(file, `PRAGMA user_version = ${MIGRATIONS.length + 1}`)],
    ['without a schema', /no schema/, (file) => alter(file, 'PRAGMA user_version = 0')],
    ['without its fixed rows', /fixed rows/, (file) => alter(file, 'DELETE FROM node')],
    ['without an index', /tables/, (file) => alter(file, 'DROP INDEX node_died')],
    ['without a table', /tables/, (file) => alter(file, 'DROP TABLE node')],
    ['found damaged in use', /damage/, (file) => writeFileSync(`${file}.suspect`, '')],
  ];
  for (const [title, reason, spoil] of cases) {
    test(`because it is ${title} is set aside, and a new one serves`, async () => {
      await using folder = await TempDir.create('index');
      const file = join(folder.path, 'index.db');
      {
        await using index = await openIn(folder.path);
        await listAll(index, { a: {}, 'b/c': {} });
      }
      spoil(file);
      await using index = await openIn(folder.path);
      assert.equal(index.opening.kind, 'rebuilt');
      assert.match(index.opening.reason ?? '', reason);
      assert.equal(index.opening.setAside, `${file}.bad-1`);
      assert.ok(existsSync(`${file}.bad-1`));
      assert.deepEqual(tree(index), []);
      await listAll(index, { a: {} });
      assert.deepEqual(tree(index), ['a']);
    });
  }

  test('is kept, but not more than two of them', async () => {
    await using folder = await TempDir.create('index');
    for (let time = 0; time < 4; time += 1) {
      writeFileSync(join(folder.path, 'index.db'), 'garbage '.repeat(1000));
      await using index = await openIn(folder.path);
      assert.equal(index.opening.setAside, join(folder.path, `index.db.bad-${time + 1}`));
    }
    assert.deepEqual(
      readdirSync(folder.path)
        .filter((name) => name.includes('bad'))
        .sort(),
      ['index.db.bad-3', 'index.db.bad-4'],
    );
  });

  test('because it turns out damaged while it is in use fails what meets the damage, and is set aside at the next start', async () => {
    await using folder = await TempDir.create('index');
    const file = join(folder.path, 'index.db');
    {
      await using index = await openIn(folder.path);
      await listAll(index, Object.fromEntries(Array.from({ length: 3000 }, (_, number) => [`file-${number}`, {}])));
    }
    // The root of the index by name: opening has no need of it, the first lookup has.
    using stack = new DisposableStack();
    const database = stack.adopt(new Database(file), (connection) => connection.close());
    const page =
      database.prepare<[], number>(`SELECT rootpage FROM sqlite_schema WHERE name = 'node_name'`).pluck().get() ?? 0;
    stack.dispose();
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, Buffer.alloc(4096, 0xff), 0, 4096, (page - 1) * 4096);
    closeSync(descriptor);
    {
      await using index = await openIn(folder.path);
      assert.equal(index.opening.kind, 'existing');
      assert.throws(() => index.lookup(ROOT_INO, 'file-1'), { code: 'corrupt' });
      assert.equal(index.node(ROOT_INO)?.dir, true, 'what is whole can still be read');
      await assert.rejects(listAll(index, { a: {} }), { code: 'corrupt' });
    }
    await using index = await openIn(folder.path);
    assert.equal(index.opening.kind, 'rebuilt');
    assert.match(index.opening.reason ?? '', /in use/);
  });

  test('leaves its numbers alone: those of a rebuilt index were never given before', async () => {
    await using folder = await TempDir.create('index');
    mkdirSync(join(folder.path, 'objects', '07'), { recursive: true });
    writeFileSync(join(folder.path, 'objects', '07', '7'), 'blocks of a file of the index before');
    writeFileSync(join(folder.path, 'index.db'), 'garbage '.repeat(1000));
    await using index = await openIn(folder.path);
    await listAll(index, { a: {} });
    assert.ok(inoAt(index, 'a') > 2 ** 40);
    assert.ok(Number.isSafeInteger(inoAt(index, 'a')));
    assert.deepEqual((await index.audit([{ ino: 7, allocated: 4096 }])).orphans, [7]);
  });
});

describe('a schema', () => {
  test('of an older version is led forward, step by step, once', async () => {
    await using fixture = await IndexFixture.create();
    await listAll(fixture.index, { a: {} });
    await fixture.index[Symbol.asyncDispose]();
    const { file } = fixture;
    const ran: number[] = [];
    const migrations = [
      ...MIGRATIONS,
      (database: Database.Database) => {
        if (!database.memory) ran.push(2);
        database.exec('ALTER TABLE node ADD COLUMN note TEXT');
      },
      (database: Database.Database) => {
        if (!database.memory) ran.push(3);
        database.exec(`UPDATE node SET note = 'new'`);
      },
    ];
    for (let time = 0; time < 2; time += 1) {
      using stack = new DisposableStack();
      const { database, opening } = openDatabase({ file, blockSize: BLOCK, clock, migrations });
      stack.adopt(database, (connection) => connection.close());
      assert.equal(opening.kind, 'existing');
      assert.deepEqual(ran, [2, 3]);
      assert.equal(database.pragma('user_version', { simple: true }), migrations.length);
      assert.deepEqual(database.prepare(`SELECT name, note FROM node WHERE ino > 1`).all(), [
        { name: 'a', note: 'new' },
      ]);
    }
  });

  test('of version 1 is led to the newest: what is cached, and what is pinned by version 2, is counted as it was', async () => {
    await using folder = await TempDir.create('index');
    const file = join(folder.path, 'index.db');
    const [first, second] = MIGRATIONS as [Migration, Migration];
    {
      using stack = new DisposableStack();
      const { database } = openDatabase({ file, blockSize: BLOCK, clock, migrations: [first] });
      stack.adopt(database, (connection) => connection.close());
      database.exec(`
        INSERT INTO node VALUES(2, 1, 'a', 10000, 0, 'x', 0, 1, ${FOREVER}), (3, 1, 'b', 4096, 0, 'y', 0, 1, ${FOREVER});
        INSERT INTO object VALUES(2, 10000, 3, 12288, 5, 0, x'07'), (3, 4096, 1, 4096, 6, 0, x'01');
        INSERT INTO block VALUES(2, 0, x'0000000000000001'), (2, 1, x'0000000000000002'), (2, 2, x'0000000000000003'),
          (3, 0, x'0000000000000004');
        UPDATE state SET next_ino = 4, nodes = 3, files = 2, bytes = 14096, cached_bytes = 16384, cached_files = 2,
          cached_blocks = 4, clean = 1`);
    }
    {
      using stack = new DisposableStack();
      const { database, opening } = openDatabase({ file, blockSize: BLOCK, clock, migrations: [first, second] });
      stack.adopt(database, (connection) => connection.close());
      assert.equal(opening.kind, 'existing');
      database.exec(`INSERT INTO pin VALUES('a', 1); UPDATE object SET pinned = 1 WHERE ino = 2`);
    }
    await using index = await openIn(folder.path);
    assert.equal(index.opening.kind, 'existing');
    assert.deepEqual(index.totals(), {
      ...{ bytes: 16_384, files: 2, blocks: 4, nodes: 3 },
      ...{ pinnedBytes: 12_288, pinnedFiles: 1 },
    });
    assert.deepEqual(
      index.coldest(9).map(({ ino }) => ino),
      [3],
    );
    assert.deepEqual(
      index.pins().map(({ glob }) => glob),
      ['a'],
    );
    assert.equal(index.scrubMark().passes, 0);
    await index.setPinned([2, 3], false);
    assert.deepEqual([index.totals().pinnedBytes, index.totals().pinnedFiles], [0, 0]);
  });

  test('step that fails leaves the version before', async () => {
    await using fixture = await IndexFixture.create();
    await fixture.index[Symbol.asyncDispose]();
    const broken = [
      ...MIGRATIONS,
      (database: Database.Database) => database.exec('CREATE TABLE half(x); SELECT * FROM nowhere'),
    ];
    assert.throws(() => openDatabase({ file: fixture.file, blockSize: BLOCK, clock, migrations: broken }));
    using stack = new DisposableStack();
    const { database, opening } = openDatabase({ file: fixture.file, blockSize: BLOCK, clock });
    stack.adopt(database, (connection) => connection.close());
    assert.equal(opening.kind, 'existing');
    assert.equal(database.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'half'`).pluck().get(), 0);
  });

  test('names itself in the file', async () => {
    await using fixture = await IndexFixture.create();
    await fixture.index[Symbol.asyncDispose]();
    using stack = new DisposableStack();
    const database = stack.adopt(new Database(fixture.file), (connection) => connection.close());
    assert.equal(database.pragma('application_id', { simple: true }), APPLICATION_ID);
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
  });
});

test('an index of a million files and a million blocks opens in under a second, and answers at once', async () => {
  await using fixture = await IndexFixture.create();
  await fixture.index[Symbol.asyncDispose]();
  const count = 1_000_000;
  alter(
    fixture.file,
    `PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
       INSERT INTO node SELECT 1 + i, 1, printf('d%06d/', i), 0, 0, '', 2, 1, ${FOREVER} FROM n;
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
       INSERT INTO node SELECT 2000 + i, 2 + i / 1000, printf('file-%08d', i), 4096, 0, printf('"%032x"', i), 0, 1, ${FOREVER} FROM n;
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
       INSERT INTO block SELECT 2000 + i, 0, x'0102030405060708' FROM n;
     WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
       INSERT INTO object(ino, size, blocks, bytes, used, state, bits) SELECT 2000 + i, 4096, 1, 4096, i, 1, x'01' FROM n;
     UPDATE state SET next_ino = ${count + 2000}, nodes = ${count + 1001}, files = ${count}, dirs = 1000, cached_files = ${count}, cached_blocks = ${count};
     COMMIT;`,
  );
  const start = performance.now();
  await using index = await openIn(fixture.folder.path);
  const opened = performance.now() - start;
  assert.equal(at(index, 'd000500/file-00499123')?.ino, 2000 + 499_123);
  assert.deepEqual(index.coldest(1), [{ ino: 2000, bytes: 4096, usedMs: 0, superseded: false }]);
  assert.equal(index.totals().blocks, count);
  assert.deepEqual(await gather(index.purgeLeftovers()), []);
  assert.ok(opened < 1000, `it took ${opened} ms`);
});
