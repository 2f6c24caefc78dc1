/**
 * Which keys have a path, and which directories a key makes exist.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { faultOfName, isPathTooLong, splitKey } from '../../../src/dataset/snapshot/index.ts';

const LONG = 'n'.repeat(256);

describe('a name', () => {
  for (const [name, fault] of [
    ['', 'empty-component'],
    ['.', 'dot-component'],
    ['..', 'dot-component'],
    ['a\0b', 'nul'],
    ['\ud800x', 'lone-surrogate'],
    ['x\udc00', 'lone-surrogate'],
    [LONG, 'name-too-long'],
    ['ü'.repeat(128), 'name-too-long'],
    ['ü'.repeat(127), null],
    ['n'.repeat(255), null],
    ['...', null],
    [' ', null],
    ['a\nb', null],
    ['\u{1F600}', null],
    ['\\', null],
  ] as const) {
    test(`${JSON.stringify(name).slice(0, 24)} of ${Buffer.byteLength(name)} bytes: ${fault ?? 'can be named'}`, () => {
      assert.equal(faultOfName(name), fault);
    });
  }
});

describe('a key', () => {
  for (const [key, directories, name, fault] of [
    ['a', [], 'a', null],
    ['a/b/c', ['a', 'b'], 'c', null],
    ['a/b/', ['a', 'b'], null, null],
    ['', [], null, null],
    ['/', [], null, 'empty-component'],
    ['/a', [], null, 'empty-component'],
    ['a//b', ['a'], null, 'empty-component'],
    ['a//', ['a'], null, 'empty-component'],
    ['a/../b', ['a'], null, 'dot-component'],
    ['a/.', ['a'], null, 'dot-component'],
    ['../../etc/passwd', [], null, 'dot-component'],
    [`a/${LONG}/b`, ['a'], null, 'name-too-long'],
    [`a/${LONG}`, ['a'], null, 'name-too-long'],
    ['a/b\0/c', ['a'], null, 'nul'],
  ] as const) {
    test(`${JSON.stringify(key).slice(0, 24)} has ${fault === null ? `the name ${JSON.stringify(name)}` : `the fault ${fault}`} below ${JSON.stringify(directories)}`, () => {
      assert.deepEqual(splitKey(key), { directories, name, fault });
    });
  }

  test('whose path is as long as a path may be can be named, one byte more cannot', () => {
    const parts = Array.from({ length: 16 }, () => 'n'.repeat(255));
    const longest = parts.join('/'); // 16 names and 15 slashes: 4095 bytes
    assert.equal(longest.length, 4095);
    assert.equal(splitKey(longest).fault, null);
    const longer = [...parts.slice(0, -1), 'd', 'n'.repeat(254)].join('/');
    assert.deepEqual(splitKey(longer), {
      directories: [...parts.slice(0, -1), 'd'],
      name: null,
      fault: 'path-too-long',
    });
  });

  test('below a directory counts that directory too', () => {
    assert.equal(splitKey('ab', 4093).fault, null);
    assert.equal(splitKey('ab', 4094).fault, 'path-too-long');
    assert.equal(isPathTooLong(4093, 'é'), false);
    assert.equal(isPathTooLong(4094, 'é'), true);
  });
});
