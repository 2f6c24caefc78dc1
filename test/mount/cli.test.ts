import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { logName } from '../../src/daemon/log-file/log-path.ts';
import { execute } from '../posix/execute.ts';
import { DLFS } from '../support/mount.ts';
import { isAlive, until } from '../support/process.ts';
import { CliWorld, kernelMounts, KEYS, mountsAt, namesIn, recordOf, registry, sleeperIn } from './cli-world.ts';

describe('dlfs mount in the background', () => {
  test('returns when the mount serves, saying where its log is, and umount ends it without a trace', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    const mounted = await world.mount(dir);
    const source = `s3://bucket at ${world.endpoint.url}`;
    assert.deepEqual(mounted, { code: 0, out: `${source} mounted at ${dir}; log: ${world.at('log')}\n`, err: '' });
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    const [{ minor } = { minor: -1 }] = await mountsAt(dir);
    assert.equal(await readFile(`/sys/class/bdi/0:${minor}/read_ahead_kb`, 'utf8'), '4096\n');
    const { pid, cacheFolder, log } = recordOf(dir);
    assert.equal(log, world.at('log'));
    assert.equal((await stat(world.at('log'))).mode & 0o777, 0o600);
    assert.match(await readFile(world.at('log'), 'utf8'), /"msg":"serving"/);

    const ended = await world.call(['umount', dir]);
    assert.deepEqual([ended.code, ended.err], [0, '']);
    assert.deepEqual(await mountsAt(dir), []);
    assert.equal(await isAlive(pid), false);
    assert.equal(registry.find(dir), null);
    assert.ok(!(await namesIn(cacheFolder)).includes('owner.json'));
  });

  test('shows no key among its arguments, its log or its records', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir, [...world.args, '--log-level', 'trace']);
    await world.read(`${dir}/a/x`);
    const { pid, cacheFolder } = recordOf(dir);
    const texts = [
      await readFile(`/proc/${pid}/cmdline`, 'utf8'),
      await readFile(world.at('log'), 'utf8'),
      JSON.stringify(recordOf(dir)),
    ];
    const written = (await readdir(cacheFolder, { withFileTypes: true })).filter((entry) => entry.isFile());
    assert.ok(written.some(({ name }) => name === 'index.db'));
    for (const { name } of written) texts.push(await readFile(`${cacheFolder}/${name}`, 'latin1'));
    for (const text of texts) assert.ok(!text.includes(KEYS.secretAccessKey));
    await world.call(['umount', dir]);
  });

  test('logs below /var/log/dlfs by default, to a file named after the mount point', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    const log = `/var/log/dlfs/${logName(dir)}`;
    try {
      const { out } = await world.mount(dir, world.args.slice(0, -2));
      assert.ok(out.endsWith(`; log: ${log}\n`), out);
      assert.equal((await stat('/var/log/dlfs')).mode & 0o777, 0o700);
      await world.call(['umount', dir]);
    } finally {
      await rm(log, { force: true });
    }
  });

  test('takes paths relative to where it is called, and links in them', async () => {
    await using world = await CliWorld.create();
    await world.dir('real/mnt');
    await symlink('real', world.at('link'));
    const args = world.args.with(world.args.indexOf('--cache-dir') + 1, 'cache');
    const mounted = await world.call(['mount', 's3://bucket', 'link/mnt', ...args], { cwd: world.path });
    assert.deepEqual([mounted.code, mounted.err], [0, '']);
    assert.equal((await mountsAt(world.at('real/mnt'))).length, 1);
    assert.equal(recordOf(world.at('real/mnt')).cacheFolder.startsWith(world.at('cache/')), true);
    const ended = await world.call(['umount', 'link/mnt'], { cwd: world.path });
    assert.deepEqual([ended.code, ended.err], [0, '']);
  });

  test('serves every local user, as the modes allow', async () => {
    await using world = await CliWorld.create();
    const nobody = { uid: 65534, gid: 65534, limitMs: 20_000 };
    const dir = world.at('mnt');
    await world.mount(dir);
    assert.equal((await execute('cat', [`${dir}/a/x`], nobody)).stdout.toString(), 'hello\n');
    await world.call(['umount', dir]);
    await world.mount(dir, [...world.args, '--file-mode', '0400', '--dir-mode', '0500', '--uid', '65534']);
    assert.equal((await execute('cat', [`${dir}/a/x`], nobody)).stdout.toString(), 'hello\n');
    await assert.rejects(execute('cat', [`${dir}/a/x`], { ...nobody, uid: 65533 }), /Permission denied/);
    await world.call(['umount', dir]);
  });

  test('is ended by its starter’s end, and leaves nothing', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const stalled = world.faults.inject({ kind: 'list' }, { type: 'stall', after: 'nothing' });
    const starter = spawn(DLFS, ['mount', 's3://bucket', dir, ...world.args], {
      env: world.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(starter, 'exit');
    await stalled.hit();
    starter.kill('SIGTERM');
    assert.deepEqual(await exited, [130, null]);
    assert.deepEqual(await mountsAt(dir), []);
    world.faults.clear();
    assert.equal((await world.mount(dir)).code, 0);
    await world.call(['umount', dir]);
  });
});

describe('a second mount', () => {
  test('of the same source names the first’s directory and offers --cache-dir, which helps', async () => {
    await using world = await CliWorld.create();
    await world.mount(world.at('one'));
    const second = await world.mount(world.at('two'));
    assert.equal(second.code, 6);
    assert.match(second.err, /^dlfs: [^\n]*\/one [^\n]*--cache-dir\n$/);
    const args = world.args.with(world.args.indexOf('--cache-dir') + 1, world.at('cache2'));
    assert.equal((await world.mount(world.at('two'), args)).code, 0);
    assert.equal(await world.read(world.at('two/a/x')), 'hello\n');
    for (const name of ['one', 'two']) assert.equal((await world.call(['umount', world.at(name)])).code, 0);
  });

  test('at the same directory is refused, and the first serves on', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir);
    const { code, err } = await world.mount(dir);
    assert.equal(code, 8);
    assert.match(
      err,
      new RegExp(`^dlfs: s3://bucket is mounted at ${dir} already, by process ${recordOf(dir).pid}; [^\\n]*\\n$`),
    );
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    assert.equal((await mountsAt(dir)).length, 1);
    await world.call(['umount', dir]);
  });

  test('at the same directory and the same moment is refused, too', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const other = world.args.with(world.args.indexOf('--cache-dir') + 1, world.at('cache2'));
    const results = await Promise.all([world.mount(dir), world.mount(dir, other)]);
    assert.deepEqual(results.map(({ code }) => code).sort(), [0, 8]);
    assert.equal((await mountsAt(dir)).length, 1);
    await world.call(['umount', dir]);
  });
});

describe('a mount that a crash left', () => {
  test('is replaced by the next mount there', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir);
    const { pid } = recordOf(dir);
    process.kill(pid, 'SIGKILL');
    await until(async () => !(await isAlive(pid)), 10_000, 'it is dead');
    assert.equal((await mountsAt(dir)).length, 1);
    assert.equal((await world.mount(dir)).code, 0);
    assert.equal((await mountsAt(dir)).length, 1);
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    assert.match(await readFile(world.at('log'), 'utf8'), /replacing a dead mount/);
    await world.call(['umount', dir]);
  });

  test('is taken away by umount', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir);
    const { pid } = recordOf(dir);
    process.kill(pid, 'SIGKILL');
    await until(async () => !(await isAlive(pid)), 10_000, 'it is dead');
    assert.equal((await world.call(['umount', dir])).code, 0);
    assert.deepEqual(await mountsAt(dir), []);
    assert.equal(registry.find(dir), null);
  });
});

describe('dlfs umount', () => {
  test('names who keeps the mount busy and offers --lazy, which ends it with its last user', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir);
    const { pid } = recordOf(dir);
    const user = await sleeperIn(`${dir}/a`);
    try {
      const refused = await world.call(['umount', dir]);
      assert.equal(refused.code, 8);
      assert.match(
        refused.err,
        new RegExp(`^dlfs: [^\\n]*sleep\\[${user.pid!}\\] \\(working directory\\)[^\\n]*--lazy [^\\n]*\\n$`),
      );
      assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
      const lazy = await world.call(['umount', '--lazy', dir]);
      assert.deepEqual([lazy.code, lazy.err], [0, '']);
      assert.match(lazy.out, new RegExp(`still used by sleep\\[${user.pid!}\\]`));
      assert.deepEqual(await mountsAt(dir), []);
      assert.equal(await isAlive(pid), true);
    } finally {
      user.kill('SIGKILL');
    }
    await until(async () => !(await isAlive(pid)), 10_000, 'it ends with its last user');
  });

  test('leaves alone what is not ours', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('tmpfs');
    await execute('mount', ['-t', 'tmpfs', 'none', dir]);
    try {
      const { code, err } = await world.call(['umount', dir]);
      assert.equal(code, 8);
      assert.match(err, /\(tmpfs\), not of dlfs/);
      assert.equal((await mountsAt(dir)).length, 1);
    } finally {
      await execute('umount', [dir]);
    }
  });

  test('is not needed: umount(8) ends the process, too', async () => {
    await using world = await CliWorld.create();
    const dir = world.at('mnt');
    await world.mount(dir);
    const { pid } = recordOf(dir);
    await execute('umount', [dir]);
    await until(async () => !(await isAlive(pid)), 20_000, 'the process has ended');
    assert.equal(registry.find(dir), null);
  });
});

describe('dlfs mount --foreground', () => {
  test('says that it serves, logs to standard error, and ends with 0 at SIGTERM', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const child = spawn(DLFS, ['mount', 's3://bucket', dir, '--foreground', ...world.args.slice(0, -2)], {
      env: world.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    await until(() => out !== '', 30_000, 'it serves');
    assert.equal(out, `dlfs: serving ${dir}\n`);
    assert.equal(recordOf(dir).pid, child.pid);
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    child.kill('SIGTERM');
    assert.deepEqual(await closed, [0, null]);
    assert.deepEqual(await mountsAt(dir), []);
    assert.equal(registry.find(dir), null);
    for (const line of err.trimEnd().split('\n'))
      assert.equal(typeof (JSON.parse(line) as { msg: unknown }).msg, 'string');
  });

  test('waits for who uses the mount, and at a second signal does not', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const child = spawn(DLFS, ['mount', 's3://bucket', dir, '--foreground', ...world.args], {
      env: world.env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    const user = await sleeperIn(`${dir}/a`);
    try {
      child.kill('SIGINT');
      const log = (): Promise<string> => readFile(world.at('log'), 'utf8');
      await until(async () => (await log()).includes(`in use by sleep[${user.pid!}]`), 10_000, 'it says who uses it');
      assert.equal(await isAlive(child.pid!), true);
      child.kill('SIGINT');
      assert.deepEqual(await exited, [0, null]);
      assert.deepEqual(await mountsAt(dir), []);
      assert.equal(registry.find(dir), null);
    } finally {
      user.kill('SIGKILL');
      await once(user, 'exit');
    }
  });
});

describe('caches', () => {
  test('of mounted and unmounted sources are listed; only the latter can be removed', async () => {
    await using world = await CliWorld.create();
    const cache = ['--cache-dir', world.at('cache')];
    const dir = world.at('mnt');
    await world.mount(dir);
    assert.equal((await world.read(`${dir}/big`)).length, 3_000_000);
    assert.match(
      (await world.call(['cache', 'ls', ...cache])).out,
      new RegExp(`now +${dir} +s3://bucket at ${world.endpoint.url}\n$`),
    );
    const refused = await world.call(['cache', 'rm', '--all', ...cache]);
    assert.equal(refused.code, 6);
    assert.match(refused.err, new RegExp(`^dlfs: [^\\n]*in use by the mount at ${dir}[^\\n]*\\n$`));
    await world.call(['umount', dir]);
    const [listed] = JSON.parse((await world.call(['cache', 'ls', '-o', 'json', ...cache])).out) as {
      bytes: number;
      files: number;
      pid: null;
    }[];
    assert.deepEqual(listed && [listed.files, listed.pid, listed.bytes >= 3_000_000], [1, null, true]);
    assert.equal((await world.call(['cache', 'rm', 's3://bucket', ...cache])).code, 0);
    assert.deepEqual(await namesIn(world.at('cache')), []);
  });
});

test('nothing of these tests is left in the registry', async () => {
  const dirs = new Set((await kernelMounts()).map(({ dir }) => dir));
  for (const name of await namesIn('/run/dlfs')) {
    if (!name.endsWith('.json')) continue;
    const { dir } = JSON.parse(await readFile(`/run/dlfs/${name}`, 'utf8')) as { dir: string };
    assert.ok(!dir.startsWith(process.env['TMPDIR'] ?? '/tmp') || dirs.has(dir), `a record of ${dir}`);
  }
});
