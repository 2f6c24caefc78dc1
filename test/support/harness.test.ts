/**
 * The harness itself: it must see an EINTR, an unkillable process and a hung mount where there is one, or its tests of a
 * mount prove nothing.
 */
import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { open, readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execute } from '../posix/execute.ts';
import { Ext4Image } from './ext4.ts';
import { TempDir } from './files.ts';
import { abortAndDetach, mountedAt } from './fuse-connection.ts';
import { DlfsMount } from './mount.ts';
import { parseMountinfo } from './mount-table.ts';
import { LimitedLink } from './netns.ts';
import { cpuSecondsOf, descriptorsOf, isAlive, memoryOf, until } from './process.ts';
import { Blocker } from './signals.ts';

const MIB = 1024 * 1024;

async function fifo(temp: TempDir): Promise<string> {
  const path = temp.join('fifo');
  await execute('mkfifo', [path]);
  return path;
}

test('a signal caught in a blocked read shows as EINTR where the file gives one', async () => {
  await using temp = await TempDir.create('signals');
  const path = await fifo(temp);
  const writer = await open(path, 'r+');
  try {
    await using blocker = new Blocker('pipe', path, 3);
    const { result, errno, signals } = await blocker.returned();
    assert.deepEqual([result, errno], [-1, 'EINTR']);
    assert.ok(signals > 0);
  } finally {
    await writer.close();
  }
});

test('a process that sleeps in a call is seen to do so, and is gone within a second of SIGKILL', async () => {
  await using temp = await TempDir.create('signals');
  const path = await fifo(temp);
  const writer = await open(path, 'r+');
  try {
    await using blocker = new Blocker('pipe', path);
    await blocker.blocked();
    assert.ok((await blocker.killed('SIGKILL', 1000)) < 1000);
  } finally {
    await writer.close();
  }
});

test('each blocking call returns what is there when nothing stalls', async () => {
  await using temp = await TempDir.create('signals');
  const path = temp.join('file');
  await writeFile(path, Buffer.alloc(300_000, 'x'));
  for (const call of ['read', 'direct', 'mmap'] as const) {
    await using blocker = new Blocker(call, path, 1);
    const { result, errno } = await blocker.returned();
    assert.deepEqual([result, errno], [256 * 1024, null], call);
  }
  await using lookup = new Blocker('lookup', path);
  assert.equal((await lookup.returned()).result, 1);
  await using absent = new Blocker('lookup', temp.join('absent'));
  assert.equal((await absent.returned()).errno, 'ENOENT');
  await using directory = new Blocker('readdir', temp.path);
  assert.ok((await directory.returned()).result > 0);
});

/** A mount that hangs, made by a program that is called as bin/dlfs is. */
async function stuckMount(dir: string): Promise<DlfsMount> {
  const program = fileURLToPath(new URL('stuck_fuse.py', import.meta.url));
  return await DlfsMount.start({ source: 's3://stuck', dir, args: [], env: {}, program });
}

test('a hung FUSE mount shows as a process that no signal ends, and is aborted and taken away', async () => {
  await using temp = await TempDir.create('stuck');
  await using mount = await stuckMount(temp.path);
  assert.equal((await mountedAt(temp.path))?.type, 'fuse.stuck');
  await using blocker = new Blocker('lookup', temp.join('name'));
  await blocker.blocked();
  // A request that nobody has read is taken back by a fatal signal: only behind the read does its process hang.
  await mount.logged(/^stuck with request 1$/);
  await assert.rejects(blocker.killed('SIGKILL', 1000), /gone from lookup/);
  assert.equal(await abortAndDetach(temp.path), true);
  assert.equal(await mountedAt(temp.path), null);
  await until(async () => !(await isAlive(blocker.pid)), 5000, 'the abort lets the process go');
  await mount.kill();
});

test('a mount that its process leaves behind is taken away, and is a failure', async () => {
  await using temp = await TempDir.create('stuck');
  const mount = await stuckMount(temp.path);
  const { pid } = mount;
  await assert.rejects(
    async () => await mount[Symbol.asyncDispose](),
    /did not end by itself: its mount was still there/,
  );
  assert.equal(await mountedAt(temp.path), null);
  assert.equal(await isAlive(pid), false);
});

test('a mount that was killed on purpose may leave what it likes: all of it is taken away', async () => {
  await using temp = await TempDir.create('stuck');
  {
    await using mount = await stuckMount(temp.path);
    await mount.kill();
    assert.equal((await mountedAt(temp.path))?.type, 'fuse.stuck');
  }
  assert.equal(await mountedAt(temp.path), null);
});

test('a mount that does not come to serve is an error with its log', async () => {
  await using temp = await TempDir.create('stuck');
  const spec = { source: 's3://x', dir: temp.path, args: ['--no-such-option'], env: {}, program: '/bin/ls' };
  await assert.rejects(DlfsMount.start(spec), /ended with 2 before it served[^]*--- log of s3:\/\/x[^]*\/bin\/ls/);
});

test('a mount whose directory has a space and a line break is found in the table of mounts', () => {
  const line = '36 35 98:7 / /mnt/a\\040b\\012c ro,nosuid shared:1 - fuse.dlfs s3://b\\134x rw,allow_other\n';
  assert.deepEqual(parseMountinfo(Buffer.from(line)), [
    {
      minor: 7,
      dir: '/mnt/a b\nc',
      options: ['ro', 'nosuid'],
      type: 'fuse.dlfs',
      source: 's3://b\\x',
      superOptions: ['rw', 'allow_other'],
    },
  ]);
});

test('an ext4 image has its own free space, can be filled to a byte count, and leaves no loop device', async () => {
  let dir: string;
  {
    await using disk = await Ext4Image.create({ bytes: 64 * MIB });
    ({ dir } = disk);
    assert.ok((await disk.free()) > 48 * MIB);
    await disk.fillTo(5 * MIB);
    const free = await disk.free();
    assert.ok(free <= 5 * MIB && free > 4 * MIB, String(free));
    await assert.rejects(writeFile(`${dir}/too-much`, Buffer.alloc(6 * MIB)), { code: 'ENOSPC' });
  }
  assert.equal(await mountedAt(dir), null);
  await assert.rejects(stat(dir), { code: 'ENOENT' });
  for (const device of (await readdir('/sys/block')).filter((name) => name.startsWith('loop'))) {
    const backing = await execute('cat', [`/sys/block/${device}/loop/backing_file`]).catch(() => null);
    assert.ok(!backing?.stdout.toString().startsWith(dir.replace(/\/disk$/, '')), device);
  }
});

test('the meters tell memory, CPU time and descriptors of a process', async () => {
  const { rss, peak } = await memoryOf(process.pid);
  assert.ok(rss > 10 * MIB && peak >= rss);
  const before = await cpuSecondsOf(process.pid);
  let x = 1;
  for (const end = performance.now() + 100; performance.now() < end;) x = Math.imul(x, 31);
  const used = (await cpuSecondsOf(process.pid)) - before;
  assert.ok(used >= 0.02 && used < 5, `${String(used)} ${String(x)}`);
  assert.ok((await descriptorsOf(process.pid)) > 3);
  assert.equal(await isAlive(2 ** 22 - 1), false);
});

test('a limited link carries its rate and no more', async () => {
  await using link = await LimitedLink.create({ rate: '80mbit' });
  // The receiver is here, the sender in the namespace: the bucket is at the sender's end.
  const near = link.address.replace(/\d+$/, (last) => String(Number(last) - 1));
  let bytes = 0;
  let start = 0;
  const server = createServer((socket) => {
    socket.on('data', (piece) => {
      start ||= performance.now();
      bytes += piece.length;
    });
  });
  server.listen(0, near);
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const sender = `import socket,sys
s=socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(bytes(6_000_000))
s.close()`;
  await execute(...link.command('python3', ['-c', sender, near, String(address.port)]));
  await until(() => bytes === 6_000_000, 10_000, 'all has arrived');
  const rate = (bytes * 8) / ((performance.now() - start) / 1000) / 1e6;
  server.close();
  assert.ok(rate > 8 && rate < 110, `${rate.toFixed(0)} Mbit/s where 80 is the limit`);
});
