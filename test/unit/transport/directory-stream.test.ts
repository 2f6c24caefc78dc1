import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EntryRow } from '../../../src/cache/index/rows.ts';
import { inoBefore, packEntries, type PackedEntries } from '../../../src/fs/transport/native/directory-stream.ts';

function row(ino: number, name: string, dir = false): EntryRow {
  return { ino, name, dir: dir ? 1 : 0, size: ino * 10, mtimeMs: ino * 1000 };
}

interface Entry {
  readonly name: string;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly dir: boolean;
  readonly cookie: number;
}

function unpack({ meta, names }: PackedEntries): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  for (let i = 0; i < meta.length; i += 6) {
    const [ino = 0, size = 0, mtimeMs = 0, dir = 0, cookie = 0, length = 0] = meta.subarray(i, i + 6);
    const name = Buffer.from(names.subarray(at, at + length)).toString();
    entries.push({ name, ino, size, mtimeMs, dir: dir === 1, cookie });
    at += length;
  }
  assert.equal(at, names.length, 'every byte of the names belongs to an entry');
  return entries;
}

const SELF = { ino: 5, parent: 1 };

describe('a directory as a stream', () => {
  test('starts with the dot entries and goes on with the rows', () => {
    const entries = unpack(packEntries(0, SELF, [row(9, 'a'), row(12, 'sub', true)]));
    assert.deepEqual(
      entries.map(({ name, ino, dir, cookie }) => [name, ino, dir, cookie]),
      [
        ['.', 5, true, 1],
        ['..', 1, true, 2],
        ['a', 9, false, 11],
        ['sub', 12, true, 14],
      ],
    );
    assert.deepEqual([entries[2]?.size, entries[2]?.mtimeMs], [90, 9000]);
  });

  test('goes on behind any cookie: an entry never comes twice, and none is left out', () => {
    const rows = [2, 3, 70, 1_000_000, 2 ** 52].map((ino) => row(ino, `n${ino}`));
    const all = unpack(packEntries(0, SELF, rows));
    for (const [i, { cookie }] of all.entries()) {
      const rest = rows.filter(({ ino }) => ino > inoBefore(cookie));
      assert.deepEqual(unpack(packEntries(cookie, SELF, rest)), all.slice(i + 1));
    }
    const cookies = all.map(({ cookie }) => cookie);
    assert.deepEqual(
      cookies,
      cookies.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(cookies).size, cookies.length);
  });

  test('has the root as its own parent', () => {
    const [, up] = unpack(packEntries(0, { ino: 1, parent: 0 }, []));
    assert.deepEqual([up?.name, up?.ino], ['..', 1]);
  });

  test('counts names in bytes', () => {
    const names = ['ä', '漢字', '😀', '\u{FEFF}x', 'line\nbreak'];
    const rows = names.map((name, i) => row(10 + i, name));
    assert.deepEqual(
      unpack(packEntries(2, SELF, rows)).map(({ name }) => name),
      names,
    );
  });

  test('is empty behind its last entry', () => {
    const { meta, names } = packEntries(14, SELF, []);
    assert.deepEqual([meta.length, names.length], [0, 0]);
  });
});
