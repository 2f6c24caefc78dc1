/**
 * What surrounds a mount must not reach into it: the caller's file mode mask, and somebody who ends its connection.
 */
import assert from 'node:assert/strict';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { abort } from '../support/fuse-connection.ts';
import { DLFS } from '../support/mount.ts';
import { isAlive, until } from '../support/process.ts';
import { CliWorld, call, mountsAt, recordOf, registry } from './cli-world.ts';

describe('the caller’s umask', () => {
  for (const mask of ['000', '022', '777']) {
    test(`of ${mask} changes no mode of what a mount makes: folders are 0700 and files 0600`, async () => {
      await using world = await CliWorld.create();
      const dir = await world.dir('mnt');
      // The cache directory is made, too.
      const args = world.args.with(world.args.indexOf('--cache-dir') + 1, world.at('new', 'cache'));
      const command = ['-c', `umask ${mask}; exec "$@"`, 'sh', DLFS, 'mount', 's3://bucket', dir, ...args];
      const { code, err } = await call('sh', command, { env: world.env });
      assert.deepEqual([code, err], [0, '']);
      assert.equal((await world.read(`${dir}/big`)).length, 3_000_000);
      const { cacheFolder, pid } = recordOf(dir);
      const cached = async (): Promise<string[]> =>
        (await readdir(join(cacheFolder, 'objects'), { recursive: true })).filter((name) => name.includes('/'));
      await until(async () => (await cached()).length > 0, 10_000, 'a block is on the disk');
      assert.match(await readFile(`/proc/${pid}/status`, 'utf8'), /^Umask:\t0077$/m);
      const wrong = (await modesBelow(world.at('new'))).filter(({ is, should }) => is !== should);
      assert.deepEqual(wrong, []);
      assert.equal((await lstat(world.at('log'))).mode & 0o777, 0o600);
      await world.call(['umount', dir]);
    });
  }
});

describe('a connection that is aborted', () => {
  test('leaves no dead mount: the process says so in its log, takes the mount away, and ends', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir);
    const { pid } = recordOf(dir);
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    const [mount] = await mountsAt(dir);
    await abort(mount!.minor);
    await until(async () => !(await isAlive(pid)), 20_000, 'the process has ended');
    assert.deepEqual(await mountsAt(dir), []);
    assert.equal(registry.find(dir), null);
    const said = (await readFile(world.at('log'), 'utf8')).split('\n').filter((line) => line.includes('aborted'));
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0]!, new RegExp(`"level":"error".*"dir":"${dir}"`));
    // What was cached is whole, and the place is free.
    assert.equal((await world.mount(dir)).code, 0);
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    await world.call(['umount', dir]);
  });
});

interface Mode {
  readonly path: string;
  readonly is: string;
  readonly should: string;
}

/** What the modes of a folder and all below it are, and should be. Files that vanish meanwhile are left out. */
async function modesBelow(folder: string): Promise<Mode[]> {
  const names = ['', ...(await readdir(folder, { recursive: true }))];
  const found = await Promise.all(
    names.map(async (name) => {
      const status = await lstat(join(folder, name)).catch(() => null);
      if (status === null) return [];
      const should = status.isDirectory() ? '700' : '600';
      return [{ path: join(folder, name), is: (status.mode & 0o777).toString(8), should }];
    }),
  );
  return found.flat();
}
