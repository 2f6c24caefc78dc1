import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fullName, nameClashes, nearest, parseName, wrongWithName } from '../../../../src/dataset/manifest/index.ts';

test('a name is one path component that nothing hides and nobody confuses', () => {
  for (const name of ['a', 'imagenet-2012', 'v1.2', '0', 'a.b-c.d']) assert.equal(wrongWithName(name), null, name);
  for (const name of [
    '',
    '.',
    '..',
    '.a',
    'a.',
    'a..b',
    '-a',
    'a-',
    'A',
    'a_b',
    'a b',
    'a/b',
    '/a',
    'a\n',
    'ä',
    'a\0',
    'x'.repeat(254),
  ]) {
    assert.notEqual(wrongWithName(name), null, JSON.stringify(name));
  }
});

test('whatever passes for a name stays below the root', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'Z', '.', '-', '/', '\\', '0', '\n', '_', ' '), maxLength: 8 }),
      (name) => {
        if (wrongWithName(name) !== null) return;
        assert.match(name, /^[a-z0-9][a-z0-9.-]*$/);
        assert.doesNotMatch(name, /\.\./);
      },
    ),
  );
});

test('a name on the command line comes with its namespace apart', () => {
  assert.equal(fullName(parseName('x', 'vision')), 'vision/x');
  assert.equal(fullName(parseName('x', null)), 'x');
  assert.throws(() => parseName('vision/x', null), /has no slash: the namespace is a field of its own \(-n/);
  assert.throws(() => parseName('x', 'a/b'), { code: 'invalid-argument' });
  assert.throws(
    () => parseName('\u001b[2J', null),
    (error: Error) => !error.message.includes('\u001b'),
  );
});

test('a dataset without namespace that is named like a namespace is found, whatever the order', () => {
  assert.deepEqual(nameClashes(['a', 'b', 'n/a', 'b/c', 'b/d']), [{ name: 'b', within: 'b/c' }]);
  assert.deepEqual(nameClashes(['b/c', 'b']), [{ name: 'b', within: 'b/c' }]);
  assert.deepEqual(nameClashes(['a', 'b/a', 'c/a']), []);
});

test('the nearest word is named where one is near', () => {
  const known = ['source', 'cache', 'refresh', 'ioTimeout'];
  assert.equal(nearest('chace', known), 'cache');
  assert.equal(nearest('iotimeout', known), 'ioTimeout');
  assert.equal(nearest('refersh', known), 'refresh');
  assert.equal(nearest('mode', known), null);
  assert.equal(nearest('x', []), null);
});
