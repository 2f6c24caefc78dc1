import assert from 'node:assert/strict';
import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parseMountinfo, type KernelMount } from '../../../src/daemon/mountinfo.ts';
import { resolvePath } from '../../../src/daemon/registry/resolve-path.ts';
import { TempDir } from '../../support/files.ts';

/** A table with one mount; the path need not exist, which proves that nothing asks for it. */
function mountedAt(dir: string, type = 'fuse.dlfs'): KernelMount[] {
  return parseMountinfo(Buffer.from(`9 1 0:77 / ${dir.replaceAll(' ', String.raw`\040`)} ro - ${type} s3://b ro\n`));
}

describe('a path', () => {
  test('is freed of symbolic links, relative and absolute ones, and of dots', async () => {
    await using temp = await TempDir.create('resolve');
    const base = await realpath(temp.path);
    await mkdir(`${base}/a/b`, { recursive: true });
    await symlink('../a', `${base}/a/up`);
    await symlink(`${base}/a/up/b`, `${base}/link`);
    await symlink('a/../link', `${base}/twice`);
    for (const path of ['link', 'twice', 'a/up/../a/up/b', 'a/./b/', 'link/../b', 'twice/.']) {
      assert.equal(resolvePath(`${base}/${path}`, []).path, `${base}/a/b`, path);
    }
  });

  test('that does not exist says how much of it does', async () => {
    await using temp = await TempDir.create('resolve');
    const base = await realpath(temp.path);
    await symlink('nowhere/x', `${base}/dangling`);
    assert.deepEqual(resolvePath(`${base}/x/y`, []), {
      path: `${base}/x/y`,
      kind: 'missing',
      existing: base,
      mount: null,
    });
    assert.deepEqual(resolvePath(`${base}/dangling`, []), {
      path: `${base}/nowhere/x`,
      kind: 'missing',
      existing: base,
      mount: null,
    });
  });

  test('of a file is no directory, and nothing lies below it', async () => {
    await using temp = await TempDir.create('resolve');
    await writeFile(temp.join('file'), '');
    assert.equal(resolvePath(temp.join('file'), []).kind, 'other');
    assert.throws(() => resolvePath(temp.join('file', 'x'), []), { code: 'invalid-argument' });
  });

  test('that is a mount point is found without asking the file system for it', async () => {
    await using temp = await TempDir.create('resolve');
    const dir = `${await realpath(temp.path)}/not really there`;
    const { kind, mount } = resolvePath(`${temp.path}/./not really there`, mountedAt(dir));
    assert.equal(kind, 'directory');
    assert.equal(mount?.source, 's3://b');
  });

  test('below a mount of ours is refused without asking that mount', async () => {
    await using temp = await TempDir.create('resolve');
    const dir = `${await realpath(temp.path)}/dead`;
    assert.throws(() => resolvePath(`${dir}/x`, mountedAt(dir)), { code: 'mount-busy', message: /s3:\/\/b at .*dead/ });
    assert.equal(resolvePath(`${dir}/..`, mountedAt(dir)).path, await realpath(temp.path));
  });

  test('with a circle of links, an empty name or a NUL is refused', async () => {
    await using temp = await TempDir.create('resolve');
    await symlink('loop', temp.join('loop'));
    assert.throws(() => resolvePath(temp.join('loop'), []), { code: 'invalid-argument' });
    assert.throws(() => resolvePath('', []), { code: 'invalid-argument' });
    assert.throws(() => resolvePath('/a\0b', []), { code: 'invalid-argument' });
    assert.throws(() => resolvePath(`/${'x'.repeat(300)}`, []), { code: 'invalid-argument' });
  });
});
