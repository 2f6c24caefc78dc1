import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { NodeRow } from '../../../src/cache/index/rows.ts';
import { loadFuseAddon } from '../../../src/fs/transport/fuse-native/addon.ts';
import { mountOptions, statOf, statvfsOf } from '../../../src/fs/transport/fuse-native/encode.ts';
import { TempDir } from '../../support/files.ts';
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

  test('a package that is missing, of another version or without a binary says so in one line, with the way out', async () => {
    await using temp = await TempDir.create('fuse-native');
    const none = { preload: () => 'it is none' };
    const refuses = (message: RegExp): void => {
      assert.throws(() => loadFuseAddon(none, temp.join('module.js')), { code: 'unsupported', message });
    };
    refuses(/^the optional package fuse-native is not installed: npm install fuse-native@2.* --transport native$/);
    const install = async (version: string): Promise<void> => {
      await mkdir(temp.join('node_modules/fuse-native'), { recursive: true });
      await writeFile(temp.join('node_modules/fuse-native/package.json'), JSON.stringify({ version }));
    };
    await install('3.0.0');
    refuses(/^fuse-native 3\.0\.0 is installed, and only 2\.2\.6 is known to work: npm install /);
    await install('2.2.6');
    refuses(/^the package fuse-native has no binary for linux-x64; or use --transport native$/);
    await mkdir(temp.join('node_modules/fuse-native/prebuilds/linux-x64'), { recursive: true });
    await writeFile(temp.join('node_modules/fuse-native/prebuilds/linux-x64/node.napi.node'), '');
    refuses(/^libfuse 2 does not load: it is none; or use --transport native$/);
  });
});
