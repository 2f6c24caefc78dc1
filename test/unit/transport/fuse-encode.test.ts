import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NodeRow } from '../../../src/cache/index/rows.ts';
import { loadFuseAddonFrom } from '../../../src/fs/transport/fuse-native/addon.ts';
import { mountOptions, statOf, statvfsOf } from '../../../src/fs/transport/fuse-native/encode.ts';
import { OpenFiles } from '../../../src/fs/transport/fuse-native/open-files.ts';

const OWN = { uid: 7, gid: 8, fileMode: 0o440, dirMode: 0o550 };
const FILE: NodeRow = {
  ...{ ino: 9, parent: 1, name: 'x', dir: false, size: 2 ** 32 * 3 + 5, mtimeMs: 1_700_000_000_123 },
  ...{ etag: '"e"', archived: false, superseded: false },
};
const wide = (low: number | undefined, high: number | undefined): number => (low ?? 0) + (high ?? 0) * 2 ** 32;

describe('the forms of fuse-native', () => {
  test('a file has its mode, owner, size, blocks and times', () => {
    const stat = statOf(FILE, OWN);
    assert.deepEqual([...stat.subarray(0, 3)], [0o100440, 7, 8]);
    assert.equal(wide(stat[3], stat[4]), FILE.size);
    assert.equal(wide(stat[10], stat[11]), Math.ceil(FILE.size / 512));
    for (const place of [12, 14, 16]) assert.equal(wide(stat[place], stat[place + 1]), FILE.mtimeMs);
    assert.equal(statOf({ ...FILE, dir: true }, OWN)[0], 0o040550);
    assert.ok(statOf(null, OWN).every((value) => value === 0));
  });

  test('numbers are told as far as the addon has room for them', () => {
    assert.equal(statOf({ ...FILE, ino: 2 ** 32 + 9 }, OWN)[7], 9);
    const early = statOf({ ...FILE, mtimeMs: -1000 }, OWN);
    assert.equal(wide(early[14], early[15]), 0);
    const totals = statvfsOf({ blockSize: 4096, blocks: 2 ** 40, files: 2 ** 40 });
    assert.equal((totals[0] ?? 0) * (totals[2] ?? 0), 4096 * 2 ** 40);
    assert.equal(totals[5], 2 ** 32 - 1);
  });

  test('a source reaches the options as a name, whatever is in it', () => {
    const options = mountOptions({ source: 's3://b/a,suid\\x/' });
    assert.match(options, /^-oro,nosuid,nodev,/);
    assert.ok(options.endsWith(',fsname=s3://b/a\\,suid\\\\x/'), options);
    assert.ok(Buffer.byteLength(mountOptions({ source: 'é,'.repeat(5000) })) < 1024);
  });

  test('a number of an open file names it until it is released', () => {
    const files = new OpenFiles();
    const [first, second] = [files.open(5), files.open(5)];
    assert.notEqual(first, second);
    files.release(first);
    assert.deepEqual([files.ino(first), files.ino(second), files.size], [null, 5, 1]);
  });

  test('a package without a binary for this platform, or with one that does not load, says so in one line', () => {
    const none = { preload: () => '' };
    const refusal = { code: 'unsupported', message: /no binary for .*--transport native$/ };
    assert.throws(() => loadFuseAddonFrom('/nonexistent', none), refusal);
  });
});
