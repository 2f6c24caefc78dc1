/**
 * A node's daemon follows its manifests: what is added, changed and removed, and what those see who read meanwhile.
 */
import { strict as assert } from 'node:assert';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { digestOf } from '../posix/content.ts';
import { fails } from '../posix/expect.ts';
import { Helper } from '../posix/helper.ts';
import { O } from '../posix/linux.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { LoopingReader } from '../support/looping-reader.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { until } from '../support/process.ts';

/** What the issue gives a change to take effect. */
const CHANGE_MS = 2000;
/** On a machine that does other things, too. */
const PATIENCE_MS = 20_000;

const SIZE = 300_000;
const FILES = { 'a/file': SIZE, 'b/file': SIZE, 'b/other': 10, 'c/file': SIZE };

/** First bytes of a key's content, as the looping reader tells them. */
const head = (origin: ManyOrigin, key: string): string => origin.contentOf(key, SIZE).read(0, 16).toString('hex');

test('every manifest becomes a directory, and what is added, changed and removed takes effect without a restart', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'a.json': origin.manifest('a'), 'b.json': origin.manifest('team/b') },
  });
  await using helper = new Helper();
  const digest = async (dataset: string, file: string): Promise<string> =>
    (await helper.call('digest', `${daemon.dirOf(dataset)}/${file}`))[0];
  assert.equal(await digest('a', 'file'), digestOf(origin.contentOf('a/file', SIZE)));
  assert.equal(await digest('team/b', 'file').catch(() => 'none'), 'none', 'its prefix is empty: team/b/');

  await daemon.write('b.json', origin.manifest('team/b', {}, 'b'));
  await daemon.write('c.json', origin.manifest('c'));
  const begun = performance.now();
  await until(async () => (await helper.call('listdir', daemon.root)).includes('c'), PATIENCE_MS, 'c is there');
  assert.equal(await digest('c', 'file'), digestOf(origin.contentOf('c/file', SIZE)));
  const took = performance.now() - begun;
  await until(
    async () => (await digest('team/b', 'file').catch(() => '')) === digestOf(origin.contentOf('b/file', SIZE)),
    PATIENCE_MS,
    'b has its new source',
  );
  await daemon.write('a.json', origin.manifest('a', { mode: { file: '0400', uid: 1234 } }));
  await until(
    async () => (await helper.call('stat', `${daemon.dirOf('a')}/file`)).uid === 1234,
    PATIENCE_MS,
    'a has its new owner',
  );
  await daemon.remove('c.json');
  await until(async () => !(await helper.call('listdir', daemon.root)).includes('c'), PATIENCE_MS, 'c is gone');
  assert.ok(took < CHANGE_MS * 3, `an added dataset was read after ${Math.round(took)} ms`);
  assert.equal(
    await digest('a', 'file'),
    digestOf(origin.contentOf('a/file', SIZE)),
    'what nobody changed is as it was',
  );
  await daemon.terminate();
  assert.deepEqual(await readdir(daemon.root), [], 'the directories that it made are gone with it');
});

test('a reader that loops over the path sees the old source or the new one, never nothing', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'd.json': origin.manifest('d', {}, 'a') },
  });
  await using reader = await LoopingReader.start(daemon.dirOf('d'), 'file');
  const contents = new Set([head(origin, 'a/file')]);
  await using helper = new Helper();
  const seen = async (key: string): Promise<void> => {
    await until(
      async () =>
        (await helper.call('digest', `${daemon.dirOf('d')}/file`))[0] === digestOf(origin.contentOf(key, SIZE)),
      PATIENCE_MS,
      `${key} is seen`,
    );
    contents.add(head(origin, key));
  };
  for (const prefix of ['b', 'c', 'a']) {
    await daemon.write('d.json', origin.manifest('d', {}, prefix));
    await seen(`${prefix}/file`);
    // Other modes, another way of opening: another mount of the same source.
    for (const mode of ['0440', '0400']) {
      await daemon.write('d.json', origin.manifest('d', { mode: { file: mode }, open: 'passthrough' }, prefix));
      await until(
        async () =>
          ((await helper.call('stat', `${daemon.dirOf('d')}/file`)).mode & 0o777) === Number.parseInt(mode, 8),
        PATIENCE_MS,
        `its mode is ${mode}`,
      );
    }
  }
  const { rounds, empty, errors, contents: found } = await reader.end();
  assert.ok(rounds > 20, `${rounds} rounds`);
  assert.equal(empty, 0, 'the directory is never empty');
  assert.deepEqual(errors, {});
  for (const content of Object.keys(found)) assert.ok(contents.has(content), content);
  assert.ok(Object.keys(found).length >= 3, `${Object.keys(found).length} sources were seen`);
});

test('who has a file of the old source open reads it on, and its cache goes with the last of them', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'd.json': origin.manifest('d', {}, 'a') },
  });
  await using helper = new Helper();
  const path = `${daemon.dirOf('d')}/file`;
  const folders = async (): Promise<string[]> =>
    (await readdir(daemon.cache)).filter((name) => /^[0-9a-f]{16}$/.test(name));
  const fd = await helper.call('open', path, O.O_RDONLY);
  assert.equal((await helper.call('pread', fd, 16, 0)).toString('hex'), head(origin, 'a/file'));
  const [first] = await folders();
  await daemon.write('d.json', origin.manifest('d', {}, 'b'));
  await until(async () => (await folders()).length === 2, PATIENCE_MS, 'the new source has a cache of its own');
  await until(
    async () => (await helper.call('digest', path))[0] === digestOf(origin.contentOf('b/file', SIZE)),
    PATIENCE_MS,
    'the path leads to the new source',
  );
  const old = await helper.call('pread', fd, SIZE, 0);
  assert.ok(old.equals(origin.contentOf('a/file', SIZE).read(0, SIZE)), 'the open file is what it was');
  assert.ok((await folders()).includes(first ?? ''));
  await helper.call('close', fd);
  await until(async () => !(await folders()).includes(first ?? ''), PATIENCE_MS, 'the old cache is gone');
  assert.equal((await folders()).length, 1);
});

test('a manifest that is removed while its files are open takes the directory away, and the files read on', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'a.json': origin.manifest('a'), 'b.json': origin.manifest('b') },
  });
  await using helper = new Helper();
  const fd = await helper.call('open', `${daemon.dirOf('a')}/file`, O.O_RDONLY);
  await daemon.remove('a.json');
  await until(async () => !(await helper.call('listdir', daemon.root)).includes('a'), PATIENCE_MS, 'a is gone');
  const bytes = await helper.call('pread', fd, SIZE, 0);
  assert.ok(bytes.equals(origin.contentOf('a/file', SIZE).read(0, SIZE)));
  // It comes back while they are still open: the same cache, the same mount's successor.
  await daemon.write('a.json', origin.manifest('a'));
  await until(async () => (await helper.call('listdir', daemon.root)).includes('a'), PATIENCE_MS, 'a is back');
  const again = await helper.call('digest', `${daemon.dirOf('a')}/file`);
  assert.equal(again[0], digestOf(origin.contentOf('a/file', SIZE)));
  await helper.call('close', fd);
  assert.equal((await helper.call('digest', `${daemon.dirOf('b')}/other`))[1], 10);
});

test('a manifest that is wrong, and directories that are taken, concern their datasets alone', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: { 'a.json': origin.manifest('a') } });
  await using helper = new Helper();
  await helper.call('mkdir', daemon.dirOf('b'));
  await helper.call('mkdir', `${daemon.dirOf('b')}/full`);
  await daemon.write('b.json', origin.manifest('b'));
  await daemon.write('twice.json', origin.manifest('a', {}, 'c'));
  await daemon.write('broken.json', { apiVersion: 'dlfs.io/v1alpha1', kind: 'Dataset', metadata: { name: 'c' } });
  await daemon.write('escaping.json', { ...origin.manifest('x'), metadata: { name: '../x' } });
  await daemon.logged(/"dataset":"b".*is not empty|is not empty.*"dataset":"b"/);
  await daemon.logged(/twice\.json.*described by .*a\.json/);
  await daemon.logged(/broken\.json/);
  await daemon.logged(/escaping\.json/);
  assert.deepEqual(await helper.call('listdir', daemon.dirOf('b')), ['full']);
  assert.deepEqual([...(await daemon.mounts()).keys()], [daemon.dirOf('a')]);
  assert.equal(
    (await helper.call('digest', `${daemon.dirOf('a')}/file`))[0],
    digestOf(origin.contentOf('a/file', SIZE)),
  );
  // Once it is empty, the next try takes it.
  await helper.call('rmdir', `${daemon.dirOf('b')}/full`);
  await until(async () => (await daemon.mounts()).has(daemon.dirOf('b')), PATIENCE_MS, 'b is mounted');
  assert.equal((await helper.call('digest', `${daemon.dirOf('b')}/other`))[1], 10);
});

test('a second daemon on one cache directory is refused, and so is a root that lies in the cache', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: {} });
  const second = DlfsDaemon.start({ env: origin.env, manifests: {}, args: ['--cache-dir', daemon.cache] });
  await assert.rejects(second, /another daemon serves from .* \(process \d+\)/);
  const within = DlfsDaemon.start({
    env: origin.env,
    manifests: {},
    args: ['--root', `${daemon.cache}/root`, '--cache-dir', daemon.cache],
  });
  await assert.rejects(within, /lie within each other/);
});

test('a mount that somebody unmounts is made again', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: { 'a.json': origin.manifest('a') } });
  await using helper = new Helper();
  await helper.call('umount2', daemon.dirOf('a'), 0);
  await daemon.logged(/"dataset":"a".*the mount was ended from outside: it is made again/);
  await until(async () => (await daemon.mounts()).has(daemon.dirOf('a')), PATIENCE_MS, 'it is mounted again');
  assert.equal((await helper.call('digest', `${daemon.dirOf('a')}/file`))[1], SIZE);
  await fails(helper.call('stat', `${daemon.dirOf('a')}/nothing`), 'ENOENT');
});
