import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { generate, LARGE_PARTS, shapeOf, shuffled } from '../../../demo/dataset.ts';
import { runEpoch } from '../../../demo/epoch.ts';
import { hitRate, since, table } from '../../../demo/report.ts';
import { TempDir } from '../../support/files.ts';

const epoch = { seconds: 123.456, files: 999_999, bytes: 999_999_000_000, sums: [] };
const origin = { gets: 123_456, lists: 12_345, bytes: 999_999_999_999 };

describe('the demo’s table', () => {
  test('fits 80 columns with large numbers, and keeps its columns apart', () => {
    const lines = table([
      { name: 'the local disk', epoch, origin: null },
      { name: 'cold epoch', epoch, origin },
    ]);
    assert.ok(lines.every((line) => line.length <= 80));
    assert.deepEqual(lines[3]?.trim().split(/\s+/).slice(2), [
      '123.46',
      's',
      '8100',
      '8100',
      '123456',
      '12345',
      '1000.00',
      'GB',
      '0.0',
      '%',
    ]);
  });

  test('counts what happened between two moments', () => {
    assert.deepEqual(since({ gets: 1, lists: 2, bytes: 3 }, { gets: 11, lists: 22, bytes: 33 }), {
      gets: 10,
      lists: 20,
      bytes: 30,
    });
    assert.equal(since({ gets: 1, lists: null, bytes: 3 }, { gets: 1, lists: null, bytes: 3 }).lists, null);
  });

  test('has a hit rate of 1 when nothing came from the origin, and of 0 when all did or more', () => {
    assert.deepEqual(
      [hitRate(0, 100), hitRate(100, 100), hitRate(101, 100), hitRate(25, 100), hitRate(0, 0)],
      [1, 0, 0, 0.75, 0],
    );
  });
});

describe('the demo’s dataset', () => {
  test('is what it says it is, and readers find the same bytes', async () => {
    await using temp = await TempDir.create('dataset');
    let written = 0;
    const shape = shapeOf(0.05);
    const made = await generate(temp.path, shape, (bytes) => (written = bytes));
    assert.equal(made.files, shape.folders * shape.filesInFolder + 1);
    assert.equal(written, made.bytes);
    assert.equal(made.parts.length, made.files - 1 + LARGE_PARTS);
    assert.equal((await stat(temp.join('archive.tar'))).size, shape.largeSize);
    assert.equal((await readdir(temp.join('images'))).length, shape.folders);
    const some = made.parts
      .map((part, index) => ({ part, sum: made.sums[index] }))
      .filter((_, index) => index % 17 === 0);
    for (const { part, sum } of some.filter(({ part: { offset } }) => offset === 0)) {
      if (part.length < 2 ** 20) assert.equal(crc32(await readFile(temp.join(part.path))), sum, part.path);
    }
    const parts = [...some.map(({ part }) => part), made.parts.at(-1)!];
    const signal = new AbortController().signal;
    let [files, bytes] = [0, 0];
    const result = await runEpoch({ root: temp.path, parts, onProgress: (...now) => ([files, bytes] = now), signal });
    assert.deepEqual(result.sums, [...some.map(({ sum }) => sum), made.sums.at(-1)]);
    assert.deepEqual([files, bytes], [result.files, result.bytes]);
  });

  test('is shuffled in the same way each time', () => {
    const items = Array.from({ length: 100 }, (_, index) => index);
    assert.deepEqual(shuffled(items), shuffled(items));
    assert.notDeepEqual(shuffled(items), items);
    assert.deepEqual(
      shuffled(items).toSorted((a, b) => a - b),
      items,
    );
  });
});

describe('an epoch of the demo', () => {
  test('fails with what a reader says, and leaves no reader', async () => {
    await using temp = await TempDir.create('epoch');
    const parts = [{ path: 'missing', offset: 0, length: 1 }];
    const signal = new AbortController().signal;
    await assert.rejects(runEpoch({ root: temp.path, parts, onProgress: () => undefined, signal }), /ENOENT.*missing/);
  });

  test('ends when it is stopped', async () => {
    const stopped = new AbortController();
    const parts = [{ path: 'zero', offset: 0, length: Number.MAX_SAFE_INTEGER }];
    const epochOfZeros = runEpoch({
      root: '/dev',
      parts,
      onProgress: () => {
        stopped.abort();
      },
      signal: stopped.signal,
    });
    await assert.rejects(epochOfZeros, /ended before it was done/);
  });
});
