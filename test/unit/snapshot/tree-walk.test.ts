/**
 * From pages of keys to steps through directories.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compareKeys, type ListedObject, type ListPage } from '../../../src/dataset/listing.ts';
import { LevelWalk, SubtreeWalk, type TreeWalk, type WalkStep } from '../../../src/dataset/snapshot/index.ts';

function object(key: string, size = 1): ListedObject {
  return { key, size, mtimeMs: 0, etag: '"e"', archived: false };
}

function page(keys: readonly (string | ListedObject)[], prefixes: readonly string[] = []): ListPage {
  const objects = keys.map((key) => (typeof key === 'string' ? object(key) : key));
  return { objects, prefixes, undecodable: 0, last: false };
}

function told(step: WalkStep): string {
  if (step.kind === 'leave') return '<';
  if (step.kind === 'skip') return `!${step.reason}`;
  return { enter: '>', directory: '=', file: '' }[step.kind] + step.name;
}

function walk(tree: TreeWalk, ...pages: ListPage[]): string[] {
  const steps = pages.flatMap((one) => [...tree.steps(one)]);
  return [...steps, ...tree.end()].map(told);
}

describe('a flat listing', () => {
  test('goes down into directories and up again', () => {
    const steps = walk(new SubtreeWalk('', 0), page(['a', 'b/c/d', 'b/c/e', 'b/f', 'g/h']));
    assert.deepEqual(steps, ['a', '>b/', '>c/', 'd', 'e', '<', 'f', '<', '>g/', 'h', '<']);
  });

  test('goes on over pages, also in the middle of a directory', () => {
    const steps = walk(new SubtreeWalk('p/', 0), page(['p/a/1']), page(['p/a/2', 'p/b/1']), page([]));
    assert.deepEqual(steps, ['>a/', '1', '2', '<', '>b/', '1', '<']);
  });

  test('knows directories of one prefix apart', () => {
    assert.deepEqual(walk(new SubtreeWalk('', 0), page(['a/x', 'ab/x'])), ['>a/', 'x', '<', '>ab/', 'x', '<']);
  });

  test('takes a marker as the directory it names', () => {
    assert.deepEqual(walk(new SubtreeWalk('p/', 0), page([object('p/', 0), object('p/a/b/', 0), 'p/a/b/c'])), [
      '>a/',
      '>b/',
      'c',
      '<',
      '<',
    ]);
  });

  test('skips the data of a marker', () => {
    const steps = walk(new SubtreeWalk('p/', 0), page([object('p/', 7), object('p/a/', 5)]));
    assert.deepEqual(steps, ['!directory-marker-with-data', '>a/', '!directory-marker-with-data', '<']);
  });

  test('skips keys without a path, yet shows the directories before the fault', () => {
    const steps = walk(new SubtreeWalk('', 0), page(['/x', 'a/../x', 'a//x', 'a/b/./c', 'a/c\0']));
    assert.deepEqual(steps.slice(0, 2), ['!empty-component', '>a/']);
    assert.deepEqual(walk(new SubtreeWalk('', 0), page(['a//x', 'a/b/./c', 'a/c\0'])), [
      '>a/',
      '!empty-component',
      '>b/',
      '!dot-component',
      '<',
      '!nul',
      '<',
    ]);
  });

  test('takes a key that comes twice in a row once', () => {
    assert.deepEqual(walk(new SubtreeWalk('', 0), page(['a']), page(['a', 'b'])), ['a', 'b']);
  });

  for (const [title, bad] of [
    ['keys out of order', page(['b', 'a'])],
    ['a key outside its prefix', page(['q/a'])],
    ['common prefixes', page([], ['p/a/'])],
  ] as const) {
    test(`is refused with ${title}`, () => {
      const prefix = title.startsWith('keys') ? '' : 'p/';
      assert.throws(() => walk(new SubtreeWalk(prefix, 0), bad), { code: 'protocol' });
    });
  }

  test('is refused where a page goes back behind the one before', () => {
    assert.throws(() => walk(new SubtreeWalk('', 0), page(['b']), page(['a'])), { code: 'protocol' });
  });
});

describe('a delimited listing', () => {
  test('merges objects and prefixes in key order', () => {
    assert.deepEqual(walk(new LevelWalk('p/', 0), page(['p/a', 'p/a-', 'p/b'], ['p/a/', 'p/c/'])), [
      'a',
      'a-',
      '=a/',
      'b',
      '=c/',
    ]);
  });

  test('takes the marker of its own directory for nothing', () => {
    assert.deepEqual(walk(new LevelWalk('p/', 0), page([object('p/', 0), 'p/a'])), ['a']);
    assert.deepEqual(walk(new LevelWalk('p/', 0), page([object('p/', 1)])), ['!directory-marker-with-data']);
  });

  test('skips prefixes that are no names', () => {
    assert.deepEqual(walk(new LevelWalk('', 0), page(['\ud800'], ['../', './', '/'])), [
      '!dot-component',
      '!dot-component',
      '!empty-component',
      '!lone-surrogate',
    ]);
  });

  for (const [title, bad] of [
    ['a key below a directory', page(['p/a/b'])],
    ['a prefix without its slash', page([], ['p/a'])],
    ['a prefix two levels down', page([], ['p/a/b/'])],
    ['prefixes out of order', page([], ['p/b/', 'p/a/'])],
    ['a prefix outside its own', page([], ['q/'])],
  ] as const) {
    test(`is refused with ${title}`, () => {
      assert.throws(() => walk(new LevelWalk('p/', 0), bad), { code: 'protocol' });
    });
  }
});

describe('both ways to list', () => {
  const name = fc.constantFrom('a', 'a-', 'a.b', 'b', '', '.', '\u{1F600}', '\uFF01', 'x\0');
  const keys = fc.uniqueArray(
    fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
    { maxLength: 30 },
  );

  /** The tree by one delimited listing a directory. */
  function byLevels(all: readonly string[], prefix: string, into: Set<string>): void {
    const below = all.filter((key) => key.startsWith(prefix));
    const prefixes = [
      ...new Set(
        below
          .filter((key) => key.includes('/', prefix.length))
          .map((key) => key.slice(0, key.indexOf('/', prefix.length) + 1)),
      ),
    ];
    const objects = below.filter((key) => !key.includes('/', prefix.length));
    const walked = new LevelWalk(prefix, Buffer.byteLength(prefix));
    for (const step of walked.steps(page(objects.sort(compareKeys), prefixes.sort(compareKeys)))) {
      if (step.kind === 'file') into.add(prefix + step.name);
      if (step.kind !== 'directory') continue;
      into.add(prefix + step.name);
      byLevels(all, prefix + step.name, into);
    }
  }

  test('show the same files and directories', () => {
    fc.assert(
      fc.property(keys, fc.integer({ min: 1, max: 5 }), (all, size) => {
        const sorted = all.filter((key) => key !== '').sort(compareKeys);
        const flat = new Set<string>();
        const open: string[] = [];
        const tree = new SubtreeWalk('', 0);
        const take = (step: WalkStep): void => {
          if (step.kind === 'enter') {
            open.push(step.name);
            assert.ok(!flat.has(open.join('')), 'a directory is entered once');
            flat.add(open.join(''));
          } else if (step.kind === 'leave') {
            open.pop();
          } else if (step.kind === 'file') {
            flat.add(open.join('') + step.name);
          }
        };
        for (let from = 0; from < sorted.length; from += size)
          for (const step of tree.steps(page(sorted.slice(from, from + size)))) take(step);
        for (const step of tree.end()) take(step);
        assert.deepEqual(open, []);
        const levels = new Set<string>();
        byLevels(sorted, '', levels);
        assert.deepEqual([...flat].sort(), [...levels].sort());
      }),
    );
  });
});
