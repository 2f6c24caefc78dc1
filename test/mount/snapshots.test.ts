/**
 * What a mount shows of a bucket: directory by directory, all of it in time, the same behind a restart, and what has
 * changed when it is told to look.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { BytesContent, storedObject, type InjectedFault, type RequestInfo } from '../../demo/endpoint/index.ts';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { fails, outcome } from '../posix/expect.ts';
import { O } from '../posix/linux.ts';
import { at } from '../posix/target.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';

/**
 * How long what happens in the background may take: a refresh waits fifty times as long as the listing before took, and
 * that took long on a machine under load.
 */
const SOON_MS = 120_000;

function file(path: string, size = 1000, version = 0): TreeFile {
  return { path, content: generated(seedOf(`${path}@${version}`), size), mtimeMs: Date.UTC(2022, 1, 3 + version) };
}

function forest(): Tree {
  const files: TreeFile[] = [];
  for (const a of ['x', 'y', 'z'])
    for (const b of ['p', 'q']) for (let i = 0; i < 5; i++) files.push(file(`${a}/${b}/${i}`));
  return new Tree(files);
}

/** The prefixes that were listed, each once. */
function listed(target: DlfsTarget): Set<string> {
  return new Set(target.origin.requests.filter(({ kind }) => kind === 'list').map(({ prefix }) => prefix ?? ''));
}

async function seesAll(target: DlfsTarget): Promise<void> {
  const found = await target.helper.call('manifest', target.dir);
  const paths = [...target.tree.dirs.keys(), ...target.tree.files.keys()].filter((path) => path !== '');
  assert.deepEqual(found.map(([path]) => path).sort(), paths.sort());
}

test('a directory is listed when somebody looks into it, and none beside it, where the listing of all is out of reach', async () => {
  await using target = await DlfsTarget.start(forest(), {
    open: 'stateless',
    args: ['--list-limit', '1', '--refresh', 'never'],
  });
  assert.deepEqual((await target.helper.call('listdir', at(target, 'y/q'))).sort(), ['0', '1', '2', '3', '4']);
  for (const prefix of listed(target)) assert.ok(['data/', 'data/y/', 'data/y/q/'].includes(prefix), prefix);
  await target.mount.logged(/list-limit/);
  await seesAll(target);
});

test('a directory of a dataset beyond --list-limit shows what has changed, too', async () => {
  await using target = await DlfsTarget.start(forest(), {
    open: 'stateless',
    args: ['--list-limit', '1', '--refresh', '1s'],
  });
  const { helper, origin } = target;
  const seen = async (): Promise<string[]> => (await helper.call('listdir', at(target, 'y/q'))).sort();
  assert.deepEqual(await seen(), ['0', '1', '2', '3', '4']);
  await target.mount.logged(/list-limit/);
  const { ino } = await helper.call('stat', at(target, 'y/q/1'));
  const changed = file('y/q/0', 2000, 1);
  origin.put(changed);
  origin.put(file('y/q/new'));
  origin.remove('y/q/2');
  origin.put(file('y/other/file'));
  const shown = async (): Promise<boolean> => (await seen()).join() === '0,1,3,4,new';
  await until(shown, SOON_MS, 'the renewal shows what has changed');
  assert.deepEqual(await helper.call('digest', at(target, 'y/q/0')), [digestOf(changed.content), 2000]);
  assert.equal((await helper.call('stat', at(target, 'y/q/1'))).ino, ino, 'an unchanged file keeps its inode number');
  await until(
    async () => (await helper.call('listdir', at(target, 'y'))).sort().join() === 'other,p,q',
    SOON_MS,
    'so does the directory above',
  );
  // What nobody has looked into is not asked for.
  for (const prefix of listed(target)) assert.ok(!prefix.startsWith('data/x/'), prefix);
  assert.equal(target.mount.count(/list-limit/), 1, 'the limit is told of once');
});

test('behind a restart the whole tree is there without a listing, under the same inode numbers', async () => {
  await using target = await DlfsTarget.start(forest(), { open: 'stateless', args: ['--refresh', 'never'] });
  const paths = [...target.tree.files.keys(), ...target.tree.dirs.keys()].map((path) => at(target, path));
  const inos = async (): Promise<number[]> => (await target.helper.call('stats', paths)).map(({ ino }) => ino);
  await seesAll(target);
  const before = await inos();
  await target.mount.umount();
  target.origin.reset();
  await target.mount.startAgain();
  await seesAll(target);
  assert.deepEqual(await inos(), before);
  // One request may ask whether the keys are still good.
  assert.ok(target.origin.counters().list.requests <= 1, `${target.origin.counters().list.requests} listings`);
});

test('the listing of all is completed in the background: what nobody has looked into is there behind a restart', async () => {
  await using target = await DlfsTarget.start(forest(), { open: 'stateless', args: ['--refresh', 'never'] });
  await target.mount.logged(/listing is complete/, SOON_MS);
  await target.mount.umount();
  target.origin.reset();
  await target.mount.startAgain();
  target.origin.faults.inject({ kind: 'list' }, { type: 'error', status: 403, code: 'AccessDenied' });
  await seesAll(target);
});

test('a directory that somebody looks into while the listing of all is at it is asked for once', async () => {
  const tree = new Tree(Array.from({ length: 2500 }, (_, number) => file(`wide/${number}`, 10)));
  const reached = Promise.withResolvers<InjectedFault>();
  await using target = await DlfsTarget.start(tree, {
    open: 'stateless',
    args: ['--refresh', 'never'],
    before: ({ faults }) => {
      const wide = { kind: 'list', when: ({ prefix }: RequestInfo) => prefix === 'data/wide/' } as const;
      reached.resolve(faults.inject(wide, { type: 'stall', after: 'nothing' }));
    },
  });
  const stalled = await reached.promise;
  await stalled.hit();
  const names = target.helper.call('listdir', at(target, 'wide'));
  stalled.release();
  assert.equal((await names).length, 2500);
  await target.mount.logged(/listing is complete/, SOON_MS);
  const pages = target.origin.requests.filter(({ kind, prefix }) => kind === 'list' && prefix === 'data/wide/');
  assert.equal(pages.length, 3);
});

for (const open of OPEN_MODES) {
  test(`a refresh shows new, changed and vanished files, and leaves the others as they are, ${open}`, async () => {
    const tree = forest();
    await using target = await DlfsTarget.start(tree, { open, args: ['--refresh', '1s'] });
    const { helper, origin } = target;
    const ino = async (path: string): Promise<number> => (await helper.call('stat', at(target, path))).ino;
    await seesAll(target);
    const before = { kept: await ino('x/p/1'), changed: await ino('x/p/2'), dir: await ino('x/p') };
    // A name that is not there is remembered as such, until it is.
    await fails(helper.call('stat', at(target, 'x/p/new')), 'ENOENT');
    await fails(helper.call('stat', at(target, 'new-dir/file')), 'ENOENT');

    const changed = file('x/p/2', 2000, 1);
    origin.put(file('x/p/new'));
    origin.put(file('new-dir/file'));
    origin.put(changed);
    origin.remove('x/p/3');
    for (let i = 0; i < 5; i++) origin.remove(`z/q/${i}`);
    const shown = async (): Promise<boolean> =>
      (await outcome(helper.call('stat', at(target, 'z/q')))) === 'ENOENT' &&
      (await outcome(helper.call('stat', at(target, 'x/p/new')))) === 'OK' &&
      (await outcome(helper.call('stat', at(target, 'new-dir/file')))) === 'OK';
    await until(shown, SOON_MS, 'the refresh shows what has changed');

    assert.deepEqual((await helper.call('listdir', at(target, 'x/p'))).sort(), ['0', '1', '2', '4', 'new']);
    assert.deepEqual((await helper.call('listdir', target.dir)).sort(), ['new-dir', 'x', 'y', 'z']);
    await fails(helper.call('stat', at(target, 'x/p/3')), 'ENOENT');
    assert.deepEqual(await helper.call('digest', at(target, 'x/p/2')), [digestOf(changed.content), 2000]);
    assert.equal(await ino('x/p/1'), before.kept, 'an unchanged file keeps its inode number');
    assert.equal(await ino('x/p'), before.dir, 'a directory keeps its inode number');
    assert.notEqual(await ino('x/p/2'), before.changed, 'another version has another inode number');
  });

  test(`an open file keeps its version through a refresh, and reopening gives the new one, ${open}`, async () => {
    const old = file('dir/object', 3_000_000);
    const now = file('dir/object', 3_000_000, 1);
    await using target = await DlfsTarget.start(new Tree([old]), { open, args: ['--refresh', '1s'] });
    const { helper, origin } = target;
    await helper.call('digest', at(target, old.path)); // all of it is cached
    await helper.with(at(target, old.path), O.O_RDONLY, async (fd) => {
      const { ino } = await helper.call('fstat', fd);
      origin.put(now);
      const shown = async (): Promise<boolean> => (await helper.call('stat', at(target, old.path))).ino !== ino;
      await until(shown, SOON_MS, 'the name shows the new version');
      for (const offset of [0, 1_000_000, 2_900_000]) {
        assert.deepEqual(await helper.call('pread', fd, 50_000, offset), old.content.read(offset, 50_000));
      }
      assert.equal((await helper.call('fstat', fd)).ino, ino);
    });
    assert.deepEqual(await helper.call('digest', at(target, old.path)), [digestOf(now.content), now.content.size]);
  });
}

test('keys that POSIX cannot name are left out and told of, and the rest is there', async () => {
  const prefix = 'data/';
  const empty = new BytesContent('');
  const odd = ['x//b', '/', '..', 'x/../y', 'x/./y', 'n\0l', 'y'.repeat(256), `${'é'.repeat(128)}/z`, 'x/p'];
  const others = odd.map((key) => storedObject(prefix + key, empty));
  others.push(storedObject(Buffer.concat([Buffer.from(`${prefix}latin-`), Buffer.from([0xe9])]), empty));
  await using target = await DlfsTarget.start(forest(), { open: 'stateless', origin: { others } });
  await seesAll(target);
  await target.mount.logged(/skipped|left out|cannot be named/i, SOON_MS);
});

test('nothing outside of the prefix is shown or asked for', async () => {
  const others = [storedObject('database/secret', new BytesContent('x')), storedObject('data', new BytesContent('y'))];
  await using target = await DlfsTarget.start(forest(), { open: 'stateless', origin: { others } });
  await seesAll(target);
  for (const prefix of listed(target)) assert.ok(prefix.startsWith('data/'), prefix);
});
