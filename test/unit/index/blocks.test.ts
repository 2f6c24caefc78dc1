/**
 * What the index says of cached blocks.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../src/base/manual-clock.ts';
import { hasBit } from '../../../src/cache/index/index.ts';
import { BLOCK, gather, IndexFixture, inoAt, listAll } from './fixture.ts';

const TERABYTE = 1024 ** 4;

function commitOf(ino: number, ...indexes: number[]): { ino: number; idx: number; hash: bigint }[] {
  return indexes.map((idx) => ({ ino, idx, hash: BigInt(idx) + 2n ** 63n }));
}

const NOT_PINNED = { pinnedBytes: 0, pinnedFiles: 0 };

describe('committed blocks', () => {
  test('are resident, counted by what they take on the disk, and have their hashes', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: { size: 10 * BLOCK + 1 }, b: { size: 5 } });
    const [a, b] = [inoAt(index, 'a'), inoAt(index, 'b')];
    assert.equal(index.object(a), null);
    assert.deepEqual(
      await index.commitBlocks([...commitOf(a, 0, 3, 10), { ino: b, idx: 0, hash: 2n ** 64n - 1n }]),
      [],
    );
    const object = index.object(a);
    assert.deepEqual([object?.blocks, object?.bytes, object?.state], [3, 3 * BLOCK, 0]);
    assert.deepEqual([...(object?.resident ?? [])], [0b0000_1001, 0b0000_0100]);
    assert.deepEqual(index.hashes(a, 0, 10), { idx: [0, 3, 10], hash: [2n ** 63n, 2n ** 63n + 3n, 2n ** 63n + 10n] });
    assert.deepEqual(index.hashes(a, 1, 1), { idx: [3], hash: [2n ** 63n + 3n] });
    assert.deepEqual(index.hashes(b, 0, 1).hash, [2n ** 64n - 1n]);
    assert.deepEqual(index.totals(), { bytes: 4 * BLOCK, files: 2, blocks: 4, ...NOT_PINNED, nodes: 3 });
  });

  test('may be committed again', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: { size: 3 * BLOCK } });
    const a = inoAt(index, 'a');
    await index.commitBlocks([...commitOf(a, 1), ...commitOf(a, 1)]);
    await index.commitBlocks([{ ino: a, idx: 1, hash: 9n }]);
    assert.deepEqual([index.object(a)?.blocks, index.totals().blocks, index.hashes(a, 0, 9).hash], [1, 1, [9n]]);
  });

  test('of no file are named, and the others of the batch recorded', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { 'd/a': {} });
    const [a, d] = [inoAt(index, 'd/a'), inoAt(index, 'd')];
    assert.deepEqual(
      [...(await index.commitBlocks([...commitOf(999, 0), ...commitOf(a, 0), ...commitOf(d, 0)]))].sort(),
      [d, 999].sort(),
    );
    assert.deepEqual(index.totals().blocks, 1);
  });

  test('beyond their object are refused, with the whole batch', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: { size: 3 * BLOCK }, empty: { size: 0 } });
    const a = inoAt(index, 'a');
    for (const bad of [3, -1, 0.5, Number.NaN, 2 ** 40]) {
      await assert.rejects(index.commitBlocks([...commitOf(a, 0), { ino: a, idx: bad, hash: 0n }]), {
        code: 'internal',
      });
    }
    await assert.rejects(index.commitBlocks(commitOf(inoAt(index, 'empty'), 0)), { code: 'internal' });
    assert.deepEqual([index.object(a), index.totals().blocks], [null, 0]);
  });

  test('make an object whole, and only then may it be marked so', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: { size: 9 * BLOCK } });
    const a = inoAt(index, 'a');
    await index.setState(a, 0);
    await assert.rejects(index.setState(a, 1), { code: 'internal' });
    await index.commitBlocks(commitOf(a, 0, 1, 2, 3, 4, 5, 6, 7));
    await assert.rejects(index.setState(a, 2), { code: 'internal' });
    await index.commitBlocks(commitOf(a, 8));
    await index.setState(a, 2);
    const whole = index.object(a);
    assert.deepEqual([whole?.state, [...(whole?.resident ?? [])]], [2, [0xff, 0x01]]);
    assert.deepEqual(await index.dropBlocks(a, [{ first: 4, count: 2 }]), { blocks: 7, bytes: 7 * BLOCK });
    assert.deepEqual([index.object(a)?.state, [...(index.object(a)?.resident ?? [])]], [0, [0xcf, 0x01]]);
  });

  test('of an object of 5 TiB are found without reading all of them', async () => {
    await using fixture = await IndexFixture.create({ blockSize: 1024 * 1024 });
    const { index } = fixture;
    await listAll(index, { big: { size: 5 * TERABYTE } });
    const big = inoAt(index, 'big');
    const blocks = 5 * 1024 * 1024;
    const some = [0, 8191, 8192, 16_383, 1_000_000, blocks - 1];
    await index.commitBlocks(commitOf(big, ...some));
    const resident = index.object(big)?.resident ?? new Uint8Array(0);
    assert.equal(resident.length, blocks / 8);
    for (const idx of some) assert.ok(hasBit(resident, idx), `block ${idx}`);
    assert.equal(
      resident.reduce((sum, byte) => sum + byte, 0),
      1 + 128 + 1 + 128 + 1 + 128,
    );
    await index.dropBlocks(big, [{ first: 8000, count: 10_000 }]);
    assert.equal(index.object(big)?.blocks, 3);
    assert.deepEqual(index.hashes(big, 0, 10).idx, [0, 1_000_000, blocks - 1]);
    await index.dropObjects([big]);
    assert.equal(index.object(big), null);
    await index.commitBlocks(commitOf(big, 5));
    assert.deepEqual(index.hashes(big, 0, 10).idx, [5]);
    assert.equal(
      index.object(big)?.resident.reduce((sum, byte) => sum + byte, 0),
      32,
    );
  });
});

describe('dropped blocks', () => {
  test('are gone from index and totals, by range, object and in large numbers', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    const many = 20_000;
    await listAll(index, { a: { size: many * BLOCK }, b: { size: BLOCK } });
    const [a, b] = [inoAt(index, 'a'), inoAt(index, 'b')];
    await index.commitBlocks(commitOf(a, ...Array.from({ length: many }, (_, idx) => idx)));
    await index.commitBlocks(commitOf(b, 0));
    await index.setState(a, 1);
    assert.deepEqual(await index.dropBlocks(a, [{ first: 1, count: 9000 }]), {
      blocks: many - 9000,
      bytes: (many - 9000) * BLOCK,
    });
    assert.deepEqual(await index.dropBlocks(a, [{ first: 1, count: 9000 }]), {
      blocks: many - 9000,
      bytes: (many - 9000) * BLOCK,
    });
    assert.deepEqual(await index.dropBlocks(a, [{ first: 19_999, count: 10 ** 9 }]), {
      blocks: many - 9001,
      bytes: (many - 9001) * BLOCK,
    });
    assert.deepEqual(await index.dropBlocks(a, [{ first: 50_000, count: 1 }]), {
      blocks: many - 9001,
      bytes: (many - 9001) * BLOCK,
    });
    assert.deepEqual(await index.dropBlocks(12_345, [{ first: 0, count: 1 }]), { blocks: 0, bytes: 0 });
    assert.deepEqual(index.totals(), {
      bytes: (many - 9000) * BLOCK,
      files: 2,
      blocks: many - 9000,
      ...NOT_PINNED,
      nodes: 3,
    });
    await index.dropObjects([a, 12_345]);
    assert.deepEqual(index.totals(), { bytes: BLOCK, files: 1, blocks: 1, ...NOT_PINNED, nodes: 3 });
    assert.deepEqual([index.object(a), index.hashes(a, 0, 10).idx], [null, []]);
  });
});

describe('eviction', () => {
  test('finds the longest unused first, and versions that the origin has lost after all others', async () => {
    const clock = new ManualClock();
    await using fixture = await IndexFixture.create({ clock });
    const { index } = fixture;
    await listAll(index, { a: {}, b: {}, c: {}, d: {} });
    const [a, b, c, d] = [inoAt(index, 'a'), inoAt(index, 'b'), inoAt(index, 'c'), inoAt(index, 'd')];
    for (const ino of [a, b, c, d]) {
      await index.commitBlocks(commitOf(ino, 0));
      await clock.advance(1000);
      clock.setWall(clock.wall() + 1000);
    }
    assert.deepEqual(
      index.coldest(10).map(({ ino }) => ino),
      [a, b, c, d],
    );
    const now = clock.wall();
    await index.touch([
      { ino: a, usedMs: now },
      { ino: d, usedMs: 5 },
      { ino: 4711, usedMs: now },
    ]);
    assert.deepEqual(
      index.coldest(2).map(({ ino }) => ino),
      [b, c],
    );
    assert.equal(index.object(a)?.usedMs, now);
    await listAll(index, { a: {}, b: { etag: '"2"' }, c: {} });
    assert.deepEqual(
      index.coldest(10).map(({ ino, superseded }) => [ino, superseded]),
      [
        [c, false],
        [a, false],
        [b, true],
        [d, true],
      ],
    );
    assert.deepEqual(
      index.coldest(3).map(({ ino }) => ino),
      [c, a, b],
    );
  });

  test('can go over all cached objects in pages', async () => {
    await using fixture = await IndexFixture.create();
    const { index } = fixture;
    await listAll(index, { a: {}, b: {}, c: {} });
    const inos = ['a', 'b', 'c'].map((path) => inoAt(index, path));
    for (const ino of inos) await index.commitBlocks(commitOf(ino, 0));
    assert.deepEqual(
      index.objects(0, 2).map(({ ino }) => ino),
      inos.slice(0, 2),
    );
    assert.deepEqual(
      index.objects(inos[1] ?? 0, 2).map(({ ino }) => ino),
      inos.slice(2),
    );
  });
});

test('cache files are told apart: orphaned, unindexed, holding more than is known, holding less', async () => {
  await using fixture = await IndexFixture.create();
  const { index } = fixture;
  await listAll(index, { a: { size: 4 * BLOCK }, b: {} });
  const [a, b] = [inoAt(index, 'a'), inoAt(index, 'b')];
  await index.commitBlocks(commitOf(a, 0, 2));
  const audit = async (allocated: number) =>
    await index.audit([
      { ino: a, allocated },
      { ino: b, allocated: BLOCK },
      { ino: 999, allocated: 0 },
    ]);
  assert.deepEqual(await audit(2 * BLOCK), { orphans: [999], unindexed: [b], excess: [], short: [] });
  assert.deepEqual((await audit(2 * BLOCK + 2 * 4096)).excess, [a]);
  // A block that ext4 took for the list of the file's extents is no excess.
  assert.deepEqual((await audit(2 * BLOCK + 4096)).excess, []);
  assert.deepEqual((await audit(BLOCK)).short, [a]);
});

describe('recent blocks', () => {
  test('are told after an unclean stop, with their hashes, until they are verified', async () => {
    const clock = new ManualClock();
    await using fixture = await IndexFixture.create({ clock });
    await listAll(fixture.index, { a: { size: 9 * BLOCK }, b: {} });
    const [a, b] = [inoAt(fixture.index, 'a'), inoAt(fixture.index, 'b')];
    await fixture.index.commitBlocks(commitOf(a, 0, 1));
    clock.setWall(clock.wall() + 90_000);
    await fixture.index.commitBlocks([...commitOf(a, 2, 3), ...commitOf(b, 0), ...commitOf(999, 0)]);
    await fixture.index.commitBlocks(commitOf(a, 2));
    await fixture.index.dropBlocks(a, [{ first: 3, count: 1 }]);
    assert.deepEqual([...fixture.index.recentBlocks()], [], 'those of this run are not for this run');

    let index = await fixture.reopen({ clock });
    const told = [
      { ino: a, idx: 2, hash: 2n ** 63n + 2n },
      { ino: b, idx: 0, hash: 2n ** 63n },
    ];
    assert.deepEqual([...index.recentBlocks()], told);
    await index.commitBlocks(commitOf(a, 5));
    clock.setWall(clock.wall() + 90_000);
    await index.commitBlocks(commitOf(a, 6));
    index = await fixture.reopen({ clock });
    assert.deepEqual(
      [...index.recentBlocks()].map(({ idx }) => idx).sort(),
      [0, 2, 6],
      'what nobody has verified is told again',
    );
    await index.forgetRecent();
    assert.deepEqual([...index.recentBlocks()], []);
  });
});

test('requests for an index that is closed are refused, and closing waits for none', async () => {
  await using fixture = await IndexFixture.create();
  const { index } = fixture;
  await listAll(index, { a: {} });
  const listing = await index.beginFull(10);
  const purging = gather(index.purgeLeftovers()).catch((error: unknown) =>
    assert.equal((error as { code?: string }).code, 'interrupted'),
  );
  await index[Symbol.asyncDispose]();
  await assert.rejects(index.commitBlocks([]), { code: 'interrupted' });
  await purging;
  await listing[Symbol.asyncDispose]();
  await index[Symbol.asyncDispose]();
});
