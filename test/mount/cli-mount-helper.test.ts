import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { DLFS } from '../support/mount.ts';
import { call, CliWorld, type Result } from './cli-world.ts';

/**
 * Runs a script where `mount -t dlfs` finds its helper: in a mount namespace of its own, with a link in /sbin. All that it
 * mounts is gone with the namespace, and the machine's /sbin stays as it is.
 */
async function installed(world: CliWorld, script: string): Promise<Result> {
  for (const name of ['upper', 'work']) await world.dir(name);
  const lines = [
    'set -e',
    'sbin=$(readlink -f /sbin)',
    `mount -t overlay overlay -o "lowerdir=$sbin,upperdir=${world.at('upper')},workdir=${world.at('work')}" "$sbin"`,
    `ln -s ${DLFS.replace(/dlfs$/, 'mount.dlfs')} "$sbin/mount.dlfs"`,
    script,
  ];
  return await call('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', lines.join('\n')], {
    env: world.env,
  });
}

/** The world's options as one `-o`. */
function optionsOf(world: CliWorld, ...more: string[]): string {
  const { url, region } = world.endpoint;
  return [
    `endpoint=${url}`,
    `region=${region}`,
    `cache_dir=${world.at('cache')}`,
    `log_file=${world.at('log')}`,
    ...more,
  ].join(',');
}

describe('mount -t dlfs', () => {
  test('mounts, with the names of the long options', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const { code, out, err } = await installed(
      world,
      `mount -t dlfs -o ${optionsOf(world, 'cache-size=64MiB', 'file_mode=0400')} s3://bucket ${dir}
       cat ${dir}/a/x; stat -c %a ${dir}/a/x; findmnt -n -o FSTYPE,SOURCE ${dir}; umount ${dir}`,
    );
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^hello\n400\nfuse.dlfs +s3:\/\/bucket\n$/);
  });

  test('takes a line of fstab, with all that such lines say', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const fstab = `s3://bucket ${dir} dlfs ${optionsOf(world, '_netdev,nofail,user,x-systemd.automount,ro')} 0 0\n`;
    await writeFile(world.at('fstab'), fstab);
    const { code, out, err } = await installed(
      world,
      `mount --fstab ${world.at('fstab')} ${dir}; cat ${dir}/a/x; findmnt -n -o OPTIONS ${dir}; umount ${dir}`,
    );
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^hello\n/);
    // "user" implies noexec, which is kept.
    for (const option of ['ro', 'nosuid', 'nodev', 'noexec']) assert.match(out, new RegExp(`[\n,]${option},`));
  });

  test('refuses an unknown option by name, and mounts nothing', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const { code, err } = await installed(
      world,
      `mount -t dlfs -o ${optionsOf(world, 'cach_size=1')} s3://bucket ${dir}`,
    );
    assert.notEqual(code, 0);
    assert.match(err, /mount\.dlfs: -o cach_size is not an option of dlfs/);
  });

  test('fails as mount(8) does when the mount fails', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const { code, err } = await installed(world, `mount -t dlfs -o ${optionsOf(world)} s3://other ${dir}`);
    assert.equal(code, 32);
    assert.match(err, /mount\.dlfs: .*other/);
  });
});
