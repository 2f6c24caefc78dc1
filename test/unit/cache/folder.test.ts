import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CacheFolder, ownerOf } from '../../../src/cache/folder/cache-folder.ts';
import { checkCacheDisk } from '../../../src/cache/folder/disk-check.ts';
import { fingerprint, identityOf, type SourceIdentity } from '../../../src/cache/folder/fingerprint.ts';
import { parseSourceOptions } from '../../../src/dataset/source-options.ts';
import { loadNative } from '../../../src/native/binding.ts';
import { execute } from '../../posix/execute.ts';
import { Ext4Image } from '../../support/ext4.ts';
import { TempDir } from '../../support/files.ts';

const SOURCE: SourceIdentity = { kind: 's3', endpoint: 'http://localhost:9000', bucket: 'bucket', prefix: 'a/' };
const OWNER = { pid: process.pid, dir: '/mnt/a', log: null } as const;

const native = loadNative();

describe('the name of a cache folder', () => {
  test('is 16 hexadecimal digits that stay the same over releases', async () => {
    assert.equal(await fingerprint(SOURCE), await fingerprint({ ...SOURCE }));
    assert.match(await fingerprint(SOURCE), /^[0-9a-f]{16}$/);
    const aws = { kind: 's3', endpoint: null, bucket: 'b', prefix: '' } as const;
    const text = '{"kind":"s3","endpoint":null,"bucket":"b","prefix":""}';
    assert.equal(await fingerprint(aws), native.xxh64(Buffer.from(text)).toString(16).padStart(16, '0'));
  });

  test('follows endpoint, bucket and prefix', async () => {
    const others: SourceIdentity[] = [
      SOURCE,
      { ...SOURCE, endpoint: null },
      { ...SOURCE, endpoint: 'http://localhost:9001' },
      { ...SOURCE, bucket: 'bucket2' },
      { ...SOURCE, prefix: '' },
      { ...SOURCE, prefix: 'a/b/' },
      { ...SOURCE, bucket: 'bucke', prefix: 't/a/' },
    ];
    const names = new Set(await Promise.all(others.map((one) => fingerprint(one))));
    assert.equal(names.size, others.length);
  });

  test('does not follow region, keys or the way to write the source', async () => {
    const identity = (source: string, more: object = {}): SourceIdentity =>
      identityOf(parseSourceOptions({ source, endpoint: 'http://localhost:9000', ...more }));
    assert.deepEqual(identity('s3://bucket/a'), identity('s3://bucket/a/'));
    assert.deepEqual(identity('s3://bucket/a', { region: 'eu-west-1', profile: 'x' }), identity('s3://bucket/a'));
  });
});

describe('a cache folder', () => {
  test('can be had although a process of this number died while it tried the disk', async () => {
    await using temp = await TempDir.create('folder');
    const root = temp.join('caches');
    await mkdir(root);
    await writeFile(join(root, `.trial-${process.pid}`), '');
    await using folder = await CacheFolder.open(root, SOURCE, OWNER, native);
    assert.ok(folder.path.startsWith(root));
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.startsWith('.trial')),
      [`.trial-${process.pid}`],
    );
  });

  test('is made for its user alone, says what it holds, and who serves from it while it is open', async () => {
    await using temp = await TempDir.create('folder');
    const root = temp.join('caches');
    let path: string;
    {
      await using folder = await CacheFolder.open(root, SOURCE, OWNER, native);
      path = folder.path;
      assert.equal(path, join(root, await fingerprint(SOURCE)));
      assert.equal((await stat(path)).mode & 0o777, 0o700);
      assert.equal((await stat(folder.objects)).mode & 0o777, 0o700);
      for (const name of (await readdir(path)).filter((one) => one !== 'objects')) {
        assert.equal((await stat(join(path, name))).mode & 0o777, 0o600, name);
      }
      assert.deepEqual(JSON.parse(await readFile(join(path, 'source.json'), 'utf8')), SOURCE);
      assert.deepEqual(await ownerOf(path), OWNER);
    }
    assert.equal(await ownerOf(path), null);
    assert.deepEqual((await readdir(path)).sort(), ['lock', 'objects', 'source.json']);
  });

  test('is refused to a second user by name of the first, and free again when that one ends', async () => {
    await using temp = await TempDir.create('folder');
    const first = await CacheFolder.open(temp.path, SOURCE, OWNER, native);
    const second = CacheFolder.open(temp.path, SOURCE, { ...OWNER, dir: '/mnt/b' }, native);
    await assert.rejects(second, (error: { code?: string; message?: string }) => {
      assert.equal(error.code, 'cache-busy');
      assert.match(error.message ?? '', /s3:\/\/bucket\/a\/.*\/mnt\/a.*--cache-dir/);
      return true;
    });
    assert.deepEqual(await ownerOf(first.path), OWNER, 'the refused one has changed nothing');
    await using other = await CacheFolder.open(temp.path, { ...SOURCE, bucket: 'other' }, OWNER, native);
    assert.notEqual(other.path, first.path);
    await first[Symbol.asyncDispose]();
    await using again = await CacheFolder.open(temp.path, SOURCE, OWNER, native);
    assert.equal(again.path, first.path);
  });

  test('gets its modes back where somebody has opened it to others', async () => {
    await using temp = await TempDir.create('folder');
    const path = join(temp.path, await fingerprint(SOURCE));
    await mkdir(path, { mode: 0o777 });
    await using folder = await CacheFolder.open(temp.path, SOURCE, OWNER, native);
    assert.equal((await stat(folder.path)).mode & 0o777, 0o700);
  });

  test('whose owner file is garbage has no known owner', async () => {
    await using temp = await TempDir.create('folder');
    for (const text of ['', '{', '[]', '{"pid":"1","dir":"/x"}', '{"pid":1}', 'null']) {
      await writeFile(temp.join('owner.json'), text);
      assert.equal(await ownerOf(temp.path), null, text);
    }
    await writeFile(temp.join('owner.json'), '{"pid":1,"dir":"/x","log":7}');
    assert.deepEqual(await ownerOf(temp.path), { pid: 1, dir: '/x', log: null });
  });
});

describe('the disk of a cache', () => {
  async function refusal(directory: string): Promise<string> {
    try {
      await checkCacheDisk(directory);
      return 'accepted';
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      assert.ok(message.includes(directory) && !message.includes('\n'), message);
      return code;
    }
  }

  test('is accepted where it can be written to, and left as it was but for the directory', async () => {
    await using temp = await TempDir.create('disk');
    assert.equal(await refusal(temp.join('a', 'b')), 'accepted');
    assert.deepEqual(await readdir(temp.join('a', 'b')), []);
  });

  test('is refused where it is memory, an overlay, read-only or full, or no directory', async () => {
    await using disk = await Ext4Image.create({ bytes: 8 * 1024 * 1024 });
    const mounts = [`${disk.dir}/tmpfs`, `${disk.dir}/overlay`];
    for (const dir of [...mounts, `${disk.dir}/low`, `${disk.dir}/up`, `${disk.dir}/work`]) await mkdir(dir);
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', mounts[0] ?? '']);
    try {
      assert.equal(await refusal(`${mounts[0] ?? ''}/cache`), 'cache-unusable');
    } finally {
      await execute('umount', [mounts[0] ?? '']);
    }
    const layers = `lowerdir=${disk.dir}/low,upperdir=${disk.dir}/up,workdir=${disk.dir}/work`;
    await execute('mount', ['-t', 'overlay', '-o', layers, 'none', mounts[1] ?? '']);
    try {
      assert.equal(await refusal(`${mounts[1] ?? ''}/cache`), 'cache-unusable');
    } finally {
      await execute('umount', [mounts[1] ?? '']);
    }
    await writeFile(`${disk.dir}/file`, '');
    assert.equal(await refusal(`${disk.dir}/file`), 'cache-unusable');
    assert.equal(await refusal(`${disk.dir}/file/below`), 'cache-unusable');
    await mkdir(`${disk.dir}/cache`);
    await disk.fillTo(0);
    assert.equal(await refusal(`${disk.dir}/cache`), 'disk-full');
    await rm(`${disk.dir}/ballast`);
    await execute('mount', ['-o', 'remount,ro', disk.dir]);
    assert.equal(await refusal(`${disk.dir}/cache`), 'cache-unusable');
  });
});
