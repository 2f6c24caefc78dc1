/**
 * A file is decided when the directory of its name would have come.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys } from '../../../src/dataset/listing.ts';
import { isSameVersion, PendingFiles } from '../../../src/dataset/snapshot/index.ts';

function decide(names: readonly string[]): { settled: string[]; shadowed: string[]; deepest: number } {
  const settled: string[] = [];
  const shadowed: string[] = [];
  const verdict = {
    settle: (name: string) => void settled.push(name),
    shadow: (name: string) => void shadowed.push(name),
  };
  const pending = new PendingFiles<null>();
  let deepest = 0;
  for (const name of names) {
    pending.advance(name, verdict);
    if (!name.endsWith('/')) pending.push(name, null);
    deepest = Math.max(deepest, pending.size);
  }
  pending.drain(verdict);
  return { settled, shadowed, deepest };
}

test('a file is shadowed by its directory, with other names in between', () => {
  assert.deepEqual(decide(['a', 'a-', 'a.txt', 'a/', 'b']), {
    settled: ['a-', 'a.txt', 'b'],
    shadowed: ['a'],
    deepest: 2,
  });
});

test('a directory shadows no file of a longer or shorter name', () => {
  assert.deepEqual(decide(['a', 'ab', 'ab/', 'b/']).shadowed, ['ab']);
});

test('only prefixes of one another are undecided together', () => {
  assert.equal(decide(['a', 'a!', 'a!!', 'a!!!', 'b', 'c', 'd']).deepest, 4);
  assert.equal(decide(Array.from({ length: 100 }, (_, at) => `img-${at + 100}`)).deepest, 1);
});

test('of any names exactly those are shadowed whose directory is there', () => {
  const word = fc.string({
    unit: fc.constantFrom('a', '-', '.', '0', '\uFF01', '\u{1F600}'),
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(word, fc.boolean()).map(([text, directory]) => (directory ? `${text}/` : text))),
      (names) => {
        const { settled, shadowed } = decide([...names].sort(compareKeys));
        const files = names.filter((name) => !name.endsWith('/'));
        assert.deepEqual(shadowed.sort(), files.filter((name) => names.includes(`${name}/`)).sort());
        assert.deepEqual(settled.sort(), files.filter((name) => !names.includes(`${name}/`)).sort());
      },
    ),
  );
});

test('a version is its etag and size, or its size and time where there is no etag', () => {
  const version = { size: 5, mtimeMs: 100, etag: '"x"' };
  assert.ok(isSameVersion(version, { ...version, mtimeMs: 200 }));
  assert.ok(!isSameVersion(version, { ...version, etag: '"y"' }));
  assert.ok(!isSameVersion(version, { ...version, size: 6 }));
  assert.ok(!isSameVersion(version, { ...version, etag: '' }));
  const bare = { ...version, etag: '' };
  assert.ok(isSameVersion(bare, { ...bare }));
  assert.ok(!isSameVersion(bare, { ...bare, mtimeMs: 200 }));
});
