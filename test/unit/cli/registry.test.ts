import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readdir, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parseMountinfo, type KernelMount } from '../../../src/daemon/mountinfo.ts';
import { describeHolders, holdersOf } from '../../../src/daemon/registry/holders.ts';
import { checkMountPoint, quoted } from '../../../src/daemon/registry/mount-point.ts';
import { MountRegistry, registryFolder, type MountRecord } from '../../../src/daemon/registry/mount-registry.ts';
import { isRunning, ownIdentity, startTicksOf } from '../../../src/daemon/registry/process-identity.ts';
import { loadNative } from '../../../src/native/binding.ts';
import { TempDir } from '../../support/files.ts';
import { until } from '../../support/process.ts';

const native = loadNative();
const lock = (fd: number): number => native.lock(fd);

/** An impossible process: Linux gives out numbers below 2^22. */
const ENDED = { pid: 2 ** 22 + 1, startTicks: 1 };

function mount(dir: string, device = '0:77', type = 'fuse.dlfs'): KernelMount {
  return parseMountinfo(Buffer.from(`9 1 ${device} / ${dir} ro - ${type} s3://bucket ro\n`))[0]!;
}

function recordOf(dir: string, changes: Partial<MountRecord> = {}): MountRecord {
  const fixed = { dir, device: '0:77', source: 's3://bucket at x', cacheFolder: '/c', log: null, daemon: false };
  return { ...ownIdentity(), ...fixed, ...changes };
}

const unexpected = (error: unknown): void => {
  throw error;
};

describe('a process', () => {
  test('is known by its number and the time of its start', () => {
    const self = ownIdentity();
    assert.ok(self.startTicks > 0 && isRunning(self));
    assert.equal(isRunning({ ...self, startTicks: self.startTicks + 1 }), false);
    assert.equal(startTicksOf(ENDED.pid), null);
  });
});

describe('the record of a mount', () => {
  test('says that its process lives, with the right to read it for its owner only', async () => {
    await using temp = await TempDir.create('registry');
    const registry = new MountRegistry(temp.join('run'));
    using _record = registry.add(recordOf('/m'), unexpected);
    assert.equal(registry.liveness(mount('/m')).kind, 'live');
    assert.equal((await stat(temp.join('run'))).mode & 0o777, 0o700);
    const [name] = await readdir(temp.join('run'));
    assert.equal((await stat(temp.join('run', name ?? ''))).mode & 0o777, 0o600);
  });

  test('of a process that has ended proves the mount dead, and stays as long as the mount', async () => {
    await using temp = await TempDir.create('registry');
    const registry = new MountRegistry(temp.path);
    registry.add(recordOf('/m', ENDED), unexpected);
    assert.equal(registry.liveness(mount('/m')).kind, 'dead');
    registry.prune([mount('/m')]);
    assert.notEqual(registry.find('/m'), null);
    registry.prune([mount('/m', '0:78')]);
    assert.equal(registry.find('/m'), null);
  });

  test('of another mount at the same place proves nothing', async () => {
    await using temp = await TempDir.create('registry');
    const registry = new MountRegistry(temp.path);
    registry.add(recordOf('/m', { ...ENDED, device: '0:12' }), unexpected);
    assert.equal(registry.liveness(mount('/m', '0:999999')).kind, 'unknown');
  });

  test('is removed by its owner, but not when another has taken its place', async () => {
    await using temp = await TempDir.create('registry');
    const registry = new MountRegistry(temp.path);
    const first = registry.add(recordOf('/m', ENDED), unexpected);
    const second = registry.add(recordOf('/m'), unexpected);
    first[Symbol.dispose]();
    assert.equal(registry.find('/m')?.pid, process.pid);
    second[Symbol.dispose]();
    assert.deepEqual(await readdir(temp.path), []);
  });

  test('that is not of the right form counts as not there', async () => {
    await using temp = await TempDir.create('registry');
    const registry = new MountRegistry(temp.path);
    registry.add(recordOf('/m'), unexpected);
    const [name] = await readdir(temp.path);
    for (const text of ['', '{', '[]', 'null', '{"pid":"1"}', '{"pid":1,"startTicks":1,"dir":"m"}']) {
      await writeFile(temp.join(name ?? ''), text);
      assert.equal(registry.find('/m'), null, text);
    }
    registry.prune([]);
    assert.deepEqual(await readdir(temp.path), []);
  });

  test('that cannot be written is told, and no reason to fail', async () => {
    await using temp = await TempDir.create('registry');
    await writeFile(temp.join('file'), '');
    let told: unknown = null;
    new MountRegistry(temp.join('file')).add(recordOf('/m'), (error) => (told = error));
    assert.ok(told instanceof Error);
  });

  test('lies in /run for root, and in the user’s own runtime directory else', () => {
    assert.equal(registryFolder({ XDG_RUNTIME_DIR: '/x' }, 0), '/run/dlfs');
    assert.equal(registryFolder({ XDG_RUNTIME_DIR: '/x' }, 5), '/x/dlfs');
    assert.equal(registryFolder({}, 5), '/run/user/5/dlfs');
  });
});

describe('a claim of a mount point', () => {
  test('keeps others away until it is given back, and leaves nothing', async () => {
    await using temp = await TempDir.create('claim');
    const registry = new MountRegistry(temp.path);
    {
      using _claim = registry.claim('/m', lock);
      assert.throws(() => registry.claim('/m', lock), { code: 'mount-busy' });
      using _other = registry.claim('/n', lock);
    }
    using _again = registry.claim('/m', lock);
    assert.equal((await readdir(temp.path)).length, 1);
  });
});

describe('a mount point', () => {
  test('is an empty directory, found through links', async () => {
    await using temp = await TempDir.create('point');
    const registry = new MountRegistry(temp.join('run'));
    await mkdir(temp.join('dir'));
    await symlink('dir', temp.join('link'));
    const expected = { dir: `${await realpath(temp.path)}/dir`, dead: null };
    assert.deepEqual(checkMountPoint(temp.join('link'), [], registry), expected);
  });

  test('is refused when it is missing, a file, the root, or holds something; the error says what to do', async () => {
    await using temp = await TempDir.create('point');
    const registry = new MountRegistry(temp.join('run'));
    await writeFile(temp.join('file'), '');
    const refusal = (path: string): unknown => {
      try {
        return checkMountPoint(path, [], registry);
      } catch (error) {
        return error;
      }
    };
    assert.match(String(refusal(temp.join('no dir'))), /mkdir -p '.*\/no dir'$/);
    assert.match(String(refusal(temp.join('file'))), /is not a directory/);
    assert.match(String(refusal(temp.path)), /is not empty \(it holds "file"\)/);
    assert.match(String(refusal('/')), /root directory/);
  });

  test('of a foreign file system is refused by its name', async () => {
    await using temp = await TempDir.create('point');
    const dir = await realpath(temp.path);
    const registry = new MountRegistry(temp.join('run'));
    assert.throws(() => checkMountPoint(dir, [mount(dir, '0:9', 'nfs4')], registry), {
      code: 'mount-busy',
      message: /s3:\/\/bucket \(nfs4\)/,
    });
  });

  test('of ours is replaced when dead, refused when alive, and left to the user when nothing is known', async () => {
    await using temp = await TempDir.create('point');
    const dir = await realpath(temp.path);
    const registry = new MountRegistry(temp.join('run'));
    const ours = mount(dir, '0:999999');
    assert.throws(() => checkMountPoint(dir, [ours], registry), { code: 'mount-busy', message: /umount --lazy/ });
    registry.add(recordOf(dir, { ...ENDED, device: '0:999999' }), unexpected);
    assert.equal(checkMountPoint(dir, [ours], registry).dead, ours);
    registry.add(recordOf(dir, { device: '0:999999' }), unexpected);
    assert.throws(() => checkMountPoint(dir, [ours], registry), {
      code: 'mount-busy',
      message: new RegExp(`by process ${process.pid}; .*dlfs umount ${dir}$`),
    });
  });

  test('is quoted in commands that a message offers', () => {
    assert.equal(quoted('/mnt/a-b_c.d'), '/mnt/a-b_c.d');
    assert.equal(quoted("/mnt/it's here"), String.raw`'/mnt/it'\''s here'`);
  });
});

describe('who holds a directory', () => {
  test('is found by working directory and by open files, and is named', async () => {
    await using temp = await TempDir.create('holders');
    const dir = await realpath(temp.path);
    await writeFile(temp.join('file'), 'x');
    const input = await open(temp.join('file'));
    const inside = spawn('sleep', ['1000'], { cwd: dir, stdio: 'ignore' });
    const reader = spawn('sleep', ['1000'], { cwd: '/', stdio: [input.fd, 'ignore', 'ignore'] });
    try {
      await input.close();
      const found = async (): Promise<string[]> =>
        (await holdersOf(dir)).map(({ pid, what }) => `${pid} ${what}`).sort();
      const expected = [`${inside.pid!} working directory`, `${reader.pid!} open file ${dir}/file`].sort();
      await until(async () => (await found()).length === 2, 5000, 'both are seen');
      assert.deepEqual(await found(), expected);
      assert.deepEqual(await holdersOf(`${dir}/fil`), []);
    } finally {
      for (const child of [inside, reader]) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
  });

  test('is told in one sentence, however many there are', () => {
    const many = Array.from({ length: 12 }, (_, index) => ({ pid: index, name: 'cp', what: 'working directory' }));
    assert.equal(describeHolders(many.slice(0, 1)), 'cp[0] (working directory)');
    assert.match(describeHolders(many), /cp\[4\] \(working directory\) and 7 more$/);
  });
});
