/**
 * Globs over paths: what they mean, what they spare a walk, what is refused.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { minimatch } from 'minimatch';
import { GlobSet, MAX_ALTERNATIVES, MAX_GLOBS, takesAll } from '../../../src/dataset/glob/glob-set.ts';

/** Which of the paths a glob means. */
function meant(glob: string, paths: readonly string[]): string[] {
  const set = GlobSet.compile([glob]);
  return paths.filter((path) => set.covers(path));
}

const PATHS = ['a.txt', 'b.jpg', 'train/a.jpg', 'train/n01/x.jpg', 'train/n01/y.png', 'train/n02/x.jpg', 'val/x.jpg'];

describe('a glob', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['a.txt', ['a.txt']],
    ['/a.txt', ['a.txt']],
    ['./train/a.jpg', ['train/a.jpg']],
    ['*.jpg', ['b.jpg']],
    ['**/*.jpg', ['b.jpg', 'train/a.jpg', 'train/n01/x.jpg', 'train/n02/x.jpg', 'val/x.jpg']],
    ['train/*.jpg', ['train/a.jpg']],
    ['train/*/x.jpg', ['train/n01/x.jpg', 'train/n02/x.jpg']],
    ['train/**/x.*', ['train/n01/x.jpg', 'train/n02/x.jpg']],
    ['{train,val}/{a,x}.jpg', ['train/a.jpg', 'val/x.jpg']],
    ['train/n{01..01}/?.{jpg,png}', ['train/n01/x.jpg', 'train/n01/y.png']],
    ['train', PATHS.filter((path) => path.startsWith('train/'))],
    ['train/', PATHS.filter((path) => path.startsWith('train/'))],
    ['train/n0[2-9]', ['train/n02/x.jpg']],
    ['a.txt/', []],
    ['**', PATHS],
    ['/', PATHS],
    ['train/**', PATHS.filter((path) => path.startsWith('train/'))],
    ['nothing/**', []],
  ];
  for (const [glob, expected] of cases) {
    test(`${glob} means ${expected.length} of the paths`, () => {
      assert.deepEqual(meant(glob, PATHS), expected);
    });
  }

  test('of a numeric range with padding names shards, and costs one alternative however long it is', () => {
    const shards = ['s-000000.tar', 's-000127.tar', 's-000128.tar', 's-127.tar'];
    assert.deepEqual(meant('s-{000000..000127}.tar', shards), shards.slice(0, 2));
    assert.deepEqual(meant('s-{0..99999999}.tar', ['s-77.tar', 's-x.tar']), ['s-77.tar']);
  });

  test('does not spare names that begin with a dot: a bucket has no hidden files', () => {
    assert.deepEqual(meant('*', ['.a', 'b']), ['.a', 'b']);
    assert.deepEqual(meant('**/*.txt', ['.d/.e/x.txt']), ['.d/.e/x.txt']);
  });

  test('means a name that reads as a pattern or as an option of one, too', () => {
    const paths = ['file[1].txt', 'file1.txt', '#x', '!x', '{a,b', 'a*b'];
    assert.deepEqual(meant('file[1].txt', paths), ['file[1].txt', 'file1.txt']);
    assert.deepEqual(meant('#x', paths), ['#x']);
    assert.deepEqual(meant('!x', paths), ['!x']);
    assert.deepEqual(meant('{a,b', paths), ['{a,b']);
    assert.deepEqual(meant('a\\*b', paths), ['a*b']);
  });

  for (const [glob, why] of [
    ['', /empty/],
    ['a\0b', /NUL/],
    ['../a', /"\.\."/],
    ['a/../b', /"\.\."/],
    ['{a,..}/b', /"\.\."/],
    ['x'.repeat(5000), /characters/],
    ['{a,b}'.repeat(11), new RegExp(`more than ${MAX_ALTERNATIVES} alternatives`)],
  ] as const) {
    test(`${JSON.stringify(glob.slice(0, 20))} is refused`, () => {
      assert.throws(() => GlobSet.compile([glob]), { code: 'invalid-argument', message: why });
    });
  }

  test('made to backtrack does not: matching stays linear', () => {
    const set = GlobSet.compile([`${'*a'.repeat(50)}b`]);
    const begun = performance.now();
    assert.equal(set.covers('a'.repeat(255)), false);
    assert.ok(performance.now() - begun < 1000);
  });
});

describe('a set of globs', () => {
  test('without any means everything', () => {
    assert.equal(GlobSet.compile([]).covers('any/thing'), true);
  });

  test('of too many is refused', () => {
    assert.throws(() => GlobSet.compile(Array.from({ length: MAX_GLOBS + 1 }, String)), { code: 'invalid-argument' });
  });

  test('says which of its globs mean a file', () => {
    const set = GlobSet.compile(['a', '*.txt', 'a/*.txt', '**/b.txt']);
    const place = set.below(set.root, 'a');
    assert.ok(place !== null);
    assert.deepEqual([...set.claims(place, 'b.txt')].sort(), [0, 2, 3]);
    assert.deepEqual([...set.claims(place, 'c.jpg')], [0]);
    assert.equal(takesAll(place), true);
  });

  test('tells the only names that lead on, and null where any may', () => {
    const set = GlobSet.compile(['a/b/*.txt', 'a/c', 'd.txt']);
    assert.deepEqual(set.names(set.root)?.sort(), ['a', 'd.txt']);
    const a = set.below(set.root, 'a');
    assert.ok(a !== null);
    assert.deepEqual(set.names(a)?.sort(), ['b', 'c']);
    const b = set.below(a, 'b');
    assert.ok(b !== null);
    assert.equal(set.names(b), null);
    assert.equal(set.below(set.root, 'e'), null, 'nothing below can match');
    assert.equal(set.below(a, 'x'), null);
  });

  test('agrees with minimatch on whole paths, a directory being taken with what is below it', () => {
    const component = fc.constantFrom('a', 'b', 'ab', '.h', 'x.txt');
    const piece = fc.constantFrom('a', '*', '**', '?', '[ab]*', '{a,b}', '*.txt', 'a*');
    const path = fc.array(component, { minLength: 1, maxLength: 4 });
    const glob = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join('/'));
    const options = { dot: true, nonegate: true, nocomment: true, platform: 'linux' } as const;
    fc.assert(
      fc.property(glob, path, (pattern, components) => {
        const expected = components.some((_, at) => {
          const prefix = components.slice(0, at + 1).join('/');
          return minimatch(prefix, pattern, options);
        });
        assert.equal(GlobSet.compile([pattern]).covers(components.join('/')), expected);
      }),
      { numRuns: 2000 },
    );
  });
});
