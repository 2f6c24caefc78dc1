/**
 * The transport over fuse-native and libfuse 2: what it keeps of what the native one promises, and what it does not, each as
 * chapter 8 of docs/SEMANTICS.md says it. A limit that is gone fails its test: then the chapter is to be shortened.
 */
import { strict as assert } from 'node:assert';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { fails, outcome } from '../posix/expect.ts';
import { Helper } from '../posix/helper.ts';
import { O, PAGE } from '../posix/linux.ts';
import { at } from '../posix/target.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { execute } from '../posix/execute.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { dropCaches } from '../support/files.ts';
import { abort, mountedAt } from '../support/fuse-connection.ts';
import { LoopingReader } from '../support/looping-reader.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { cleanEnvironment, DLFS } from '../support/mount.ts';
import { DlfsTarget } from '../support/mount-target.ts';
import { extremesHold, permissionsHold, tableHolds } from '../support/posix-mount.ts';
import { until } from '../support/process.ts';
import { Blocker } from '../support/signals.ts';
import { PATHS, Stalled } from '../support/stalled.ts';

/** How long a killed process may stay on a mount of the native transport, in milliseconds. */
const GONE_MS = 1000;
/** Readers that wait at once, and threads that libfuse keeps without a request: these are not made anew. */
const CROWD = 32;
const IDLE_THREADS = 10;
/** A refresh waits fifty times as long as the listing before took, and that took long on a machine under load. */
const SOON_MS = 120_000;

test('every row of the POSIX table holds over fuse-native', (t) => tableHolds(t, 'fuse-native'));

test('the rows about extremes hold over fuse-native', (t) => extremesHold(t, 'fuse-native'));

test('the rows about permissions hold over fuse-native', (t) =>
  permissionsHold(t, 'fuse-native', { uid: 12_345, gid: 54_321, fileMode: 0o540, dirMode: 0o550 }));

test('over fuse-native a killed process stays in a lookup, a listing and an O_DIRECT read until the origin answers', async (t) => {
  await using stalled = await Stalled.start('fuse-native');
  for (const call of ['lookup', 'readdir', 'direct'] as const) {
    await t.test(`in ${call}`, async () => {
      await using blocker = new Blocker(call, at(stalled.target, PATHS[call]));
      await stalled.held(call);
      await assert.rejects(blocker.killed('SIGKILL', GONE_MS), /gone from/, 'it stays');
      stalled.release(call);
      await blocker.killed('SIGKILL', GONE_MS * 20);
    });
  }
  for (const call of ['read', 'mmap'] as const) {
    await t.test(`not in ${call}, where it waits for a page`, async () => {
      await using blocker = new Blocker(call, at(stalled.target, PATHS[call]));
      await stalled.held(call);
      assert.ok((await blocker.killed('SIGKILL', GONE_MS)) < GONE_MS);
    });
  }
  await t.test('and the mount serves on', () => stalled.readsWhole('other/cold.bin'));
});

test('over fuse-native each request that waits takes a thread', async () => {
  await using stalled = await Stalled.start('fuse-native');
  const { target } = stalled;
  const threads = async (): Promise<number> => (await readdir(`/proc/${String(target.mount.pid)}/task`)).length;
  await stalled.readsWhole('other/warm.bin');
  const before = await threads();
  await using blockers = new AsyncDisposableStack();
  for (let i = 0; i < CROWD; i++) blockers.use(new Blocker('direct', at(target, PATHS.direct)));
  await until(async () => (await threads()) >= before + CROWD - IDLE_THREADS, SOON_MS, 'a thread for each');
  stalled.release('direct');
});

function file(path: string, version: number, size = 300_000): TreeFile {
  return {
    path,
    content: generated(seedOf(`${path}@${String(version)}`), size),
    mtimeMs: Date.UTC(2022, 1, 3 + version),
  };
}

test('over fuse-native a refresh takes effect with the next mount, and until then nothing changes', async () => {
  const files = ['a/kept', 'a/changed', 'a/removed', 'b/late'].map((path) => file(path, 0));
  await using target = await DlfsTarget.start(new Tree(files), {
    open: 'fuse-native',
    args: ['--refresh', '1s', '--block-size', '64KiB'],
  });
  const { helper, mount, origin } = target;
  const sees = async (path: string, version: number): Promise<void> => {
    const { content } = file(path, version);
    assert.deepEqual(await helper.call('digest', at(target, path)), [digestOf(content), content.size], path);
  };
  for (const path of ['a/kept', 'a/changed', 'a/removed']) await sees(path, 0);
  const ino = async (path: string): Promise<number> => (await helper.call('stat', at(target, path))).ino;
  const before = { kept: await ino('a/kept'), changed: await ino('a/changed') };
  await mount.logged(/listing is complete/, SOON_MS);

  origin.put(file('a/changed', 1));
  origin.put(file('a/new', 0));
  origin.put(file('b/late', 1));
  origin.remove('a/removed');
  await mount.logged(/the source has changed/, SOON_MS);
  await dropCaches();
  for (const path of ['a/kept', 'a/changed', 'a/removed']) await sees(path, 0);
  assert.deepEqual([await ino('a/kept'), await ino('a/changed')], [before.kept, before.changed]);
  assert.deepEqual((await helper.call('listdir', at(target, 'a'))).sort(), ['changed', 'kept', 'removed']);
  await fails(helper.call('stat', at(target, 'a/new')), 'ENOENT');
  // Its bytes are not in the cache, and the origin no longer has them.
  await fails(helper.call('digest', at(target, 'b/late')), 'ESTALE');
  assert.equal(mount.count(/the source has changed/), 1, 'said once');

  await mount.umount();
  await mount.startAgain();
  await sees('a/kept', 0);
  await sees('a/changed', 1);
  await sees('a/new', 0);
  await sees('b/late', 1);
  assert.deepEqual((await helper.call('listdir', at(target, 'a'))).sort(), ['changed', 'kept', 'new']);
  assert.equal(await ino('a/kept'), before.kept, 'an unchanged file keeps its inode number');
  assert.notEqual(await ino('a/changed'), before.changed);
});

test('over fuse-native a name that is no UTF-8 finds the file whose name has U+FFFD in its place', async () => {
  const tree = new Tree([file('a\ufffdb', 0), file('c', 0)]);
  await using target = await DlfsTarget.start(tree, { open: 'fuse-native' });
  const raw = (name: string): string => `${target.dir}/${name}`;
  await execute('python3', ['-c', 'import os,sys;os.stat(os.fsencode(sys.argv[1])+b"/a\\xffb")', target.dir]);
  await fails(target.helper.call('stat', raw('absent\ufffd')), 'ENOENT');
});

test('a mount over fuse-native ends as a mount does: by umount, by a signal, detached, and replaced when it is dead', async () => {
  await using target = await DlfsTarget.start(new Tree([file('a', 0)]), { open: 'fuse-native' });
  const { helper, mount } = target;
  const path = at(target, 'a');
  const readable = async (): Promise<void> => {
    assert.deepEqual(await helper.call('digest', path), [digestOf(file('a', 0).content), 300_000]);
  };
  await readable();
  await mount.terminate();
  await mount.startAgain();
  await readable();
  await mount.kill();
  assert.equal(await outcome(helper.call('open', path, O.O_RDONLY)), 'ENOTCONN');
  await mount.startAgain();
  await readable();
  await helper.with(path, O.O_RDONLY, async (fd) => {
    await assert.rejects(execute(DLFS, ['umount', target.dir], { env: cleanEnvironment() }), /in use/);
    await execute(DLFS, ['umount', '--lazy', target.dir], { env: cleanEnvironment() });
    assert.equal((await helper.call('pread', fd, PAGE, 0)).length, PAGE, 'what is open is served on');
  });
  await until(() => mount.log.includes('--- ended with 0'), SOON_MS, 'the process ends with its last reader');
});

test('a daemon over fuse-native shows what its manifests say, and what a refresh has found, by mounts in the place of others', async () => {
  await using origin = await ManyOrigin.start({ 'a/file': 300_000, 'b/file': 300_000 });
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'd.json': origin.manifest('d', { refresh: { interval: '1s' } }, 'a') },
    args: ['--transport', 'fuse-native'],
  });
  await using helper = new Helper();
  await using reader = await LoopingReader.start(daemon.dirOf('d'), 'file');
  const seen = (what: string, isSeen: () => Promise<boolean>): Promise<void> => until(isSeen, SOON_MS, what);
  const names = (): Promise<string[]> => helper.call('listdir', daemon.dirOf('d'));

  origin.put('a/new', 10);
  await seen('what a refresh has found', async () => (await names()).includes('new'));
  await daemon.write('d.json', origin.manifest('d', { refresh: { interval: '1s' }, mode: { file: '0440' } }, 'a'));
  const path = `${daemon.dirOf('d')}/file`;
  await seen('another mode', async () => ((await helper.call('stat', path)).mode & 0o777) === 0o440);
  await daemon.write('d.json', origin.manifest('d', {}, 'b'));
  const other = digestOf(origin.contentOf('b/file', 300_000));
  await seen('another source', async () => (await helper.call('digest', path))[0] === other);
  const { empty, errors, contents } = await reader.end();
  assert.deepEqual(
    [empty, errors, Object.keys(contents).length],
    [0, {}, 2],
    'one or the other is seen, never nothing',
  );

  await daemon.write('e.json', origin.manifest('e', { open: 'passthrough' }, 'b'));
  await daemon.logged(/passthrough is of the native transport/);
  await daemon.remove('e.json');
  await daemon.kill();
  await daemon.startAgain();
  assert.equal((await helper.call('digest', path))[0], other, 'a dead mount is replaced');
  await seen('one mount', async () => (await daemon.mounts()).get(daemon.dirOf('d'))?.length === 1);
  await daemon.terminate();
});

test('over fuse-native a mount whose connection is aborted is taken away', async () => {
  await using target = await DlfsTarget.start(new Tree([file('a', 0)]), { open: 'fuse-native' });
  assert.deepEqual(await target.helper.call('listdir', target.dir), ['a']);
  await abort((await mountedAt(target.dir))?.minor ?? 0);
  await target.mount.logged(/the dead mount is taken away/, SOON_MS);
  await until(() => target.mount.log.includes('--- ended with 0'), SOON_MS, 'the process ends');
});
