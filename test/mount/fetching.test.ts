/**
 * What readers get while the origin behaves badly, and what they cost it while it behaves well.
 */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import {
  endlessHeaders,
  garbageStatusLine,
  internalError,
  notS3,
  slowDown,
  type Fault,
} from '../../demo/endpoint/index.ts';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { fails, sameBytes } from '../posix/expect.ts';
import { O } from '../posix/linux.ts';
import { at } from '../posix/target.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { dropCaches } from '../support/files.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';

const MIB = 1024 * 1024;

/** How long what happens in the background may take, on a machine under load. */
const SOON_MS = 20_000;

function file(path: string, size: number, version = 0): TreeFile {
  return { path, content: generated(seedOf(`${path}@${version}`), size), mtimeMs: Date.UTC(2022, 1, 3 + version) };
}

/** A read of whole pages that the kernel passes on as it is, without readahead of its own. */
async function readDirect(target: DlfsTarget, path: string, offset: number, length: number): Promise<Buffer> {
  return await target.helper.with(at(target, path), O.O_RDONLY | O.O_DIRECT, (fd) =>
    target.helper.call('pread_direct', fd, length, offset, 0),
  );
}

async function readsWhole(target: DlfsTarget, { path, content }: TreeFile): Promise<void> {
  assert.deepEqual(await target.helper.call('digest', at(target, path)), [digestOf(content), content.size], path);
}

/** How often a range of a file was asked for, by ranges that overlap it. */
function bytesServed(target: DlfsTarget): number {
  return target.origin.counters().get.bodyBytes;
}

for (const open of OPEN_MODES) {
  test(`many readers of one cold file cost the origin its bytes once, the second pass and a restart nothing, ${open}`, async () => {
    const big = file('big.bin', 24 * MIB);
    await using target = await DlfsTarget.start(new Tree([big]), { open });
    // Slow enough that all readers are waiting when the first bytes come.
    const slow = target.origin.faults.inject({ kind: 'get' }, { type: 'delay', ms: 100 });
    const ranges = Array.from({ length: 16 }, () => [0, big.content.size] as const);
    const digests = await target.helper.call('digest_parallel', at(target, big.path), ranges, 16, false);
    for (const [digest] of digests) assert.equal(digest, digestOf(big.content));
    assert.ok(bytesServed(target) <= big.content.size * 1.01, `${bytesServed(target)} bytes`);
    slow.remove();

    target.origin.reset();
    await dropCaches();
    await readsWhole(target, big);
    assert.equal(target.origin.counters().get.requests, 0, 'the second pass');
    await target.mount.umount();
    await target.mount.startAgain();
    await dropCaches();
    await readsWhole(target, big);
    assert.equal(target.origin.counters().get.requests, 0, 'behind a restart');
  });

  test(`a reader is answered as soon as its own bytes are there, though the rest of the run stalls, ${open}`, async () => {
    const big = file('big.bin', 8 * MIB);
    await using target = await DlfsTarget.start(new Tree([big]), { open });
    target.origin.faults.inject({ kind: 'get' }, { type: 'stall', after: 300_000 });
    sameBytes(await readDirect(target, big.path, 0, 65_536), big.content.read(0, 65_536), 'the first bytes');
  });

  test(`an object in an archive class is listed, and reading it answers ENODATA with one line in the log, ${open}`, async () => {
    const tree = new Tree([file('cold.bin', 100_000), file('warm.bin', 100_000)]);
    const attributes = (path: string) => (path === 'cold.bin' ? ({ storageClass: 'GLACIER' } as const) : {});
    await using target = await DlfsTarget.start(tree, { open, origin: { attributes } });
    assert.equal((await target.helper.call('stat', at(target, 'cold.bin'))).size, 100_000);
    await fails(target.helper.call('digest', at(target, 'cold.bin')), 'ENODATA');
    await target.mount.logged(/cold\.bin/);
    assert.equal(target.mount.count(/cold\.bin/), 1);
    await readsWhole(target, tree.file('warm.bin'));
  });

  for (const fate of ['vanished', 'changed'] as const) {
    test(`an object that has ${fate} at the origin: cached blocks stay readable, others answer ESTALE, and its directory is refreshed at once, ${open}`, async () => {
      const old = file('dir/object.bin', 32 * MIB);
      const now = file('dir/object.bin', 20 * MIB, 1);
      await using target = await DlfsTarget.start(new Tree([old, file('dir/other', 10)]), {
        open,
        args: ['--refresh', '1h'],
      });
      const { helper, origin, mount } = target;
      const cached = [9 * MIB, 65_536] as const;
      const away = [28 * MIB, 65_536] as const;
      await helper.with(at(target, old.path), O.O_RDONLY | O.O_DIRECT, async (fd) => {
        sameBytes(await helper.call('pread_direct', fd, cached[1], cached[0], 0), old.content.read(...cached), 'cold');
        if (fate === 'vanished') origin.remove(old.path);
        else origin.put(now);
        await fails(helper.call('pread_direct', fd, away[1], away[0], 0), 'ESTALE');
        await dropCaches();
        sameBytes(
          await helper.call('pread_direct', fd, cached[1], cached[0], 0),
          old.content.read(...cached),
          'cached',
        );
        await mount.logged(/dir\/object\.bin/);
        assert.equal(mount.count(/dir\/object\.bin/), 1, 'one line');
      });
      if (fate === 'vanished') {
        const gone = async (): Promise<boolean> =>
          !(await helper.call('listdir', at(target, 'dir'))).includes('object.bin');
        await until(gone, SOON_MS, 'the name is gone');
        await fails(helper.call('stat', at(target, old.path)), 'ENOENT');
      } else {
        const changed = async (): Promise<boolean> =>
          (await helper.call('stat', at(target, old.path))).size === now.content.size;
        await until(changed, SOON_MS, 'the new version is shown');
        await readsWhole(target, now);
      }
      assert.equal((await helper.call('stat', at(target, 'dir/other'))).size, 10);
    });
  }
}

/** What an origin does once or twice in its life, and a reader must not notice. */
const PASSING: Readonly<Record<string, Fault>> = {
  'asks to slow down': slowDown(),
  'fails inside': internalError(),
  'closes the connection in the body': { type: 'cut', afterBytes: 100_000 },
  'resets the connection in the body': { type: 'cut', afterBytes: 100_000, how: 'reset' },
  'closes the connection before the body': { type: 'cut', afterBytes: 0 },
  'answers with another range': { type: 'headers', set: { 'content-range': 'bytes 7-1000006/3000000' } },
  'answers with no range': { type: 'headers', set: { 'content-range': null } },
  'announces a longer body': { type: 'length', announce: 2 ** 30 },
  'answers with something that is not HTTP': garbageStatusLine(),
  'answers with a web page': notS3(),
  'sends headers without end': endlessHeaders(),
};

test('what the origin does wrong for a moment does not reach the reader', async (t) => {
  // Each in a directory of its own, so that none is fetched ahead of its turn.
  const files = Object.keys(PASSING).map((what) => file(`${what}/object.bin`, 3_000_000));
  await using target = await DlfsTarget.start(new Tree(files), { open: 'stateless' });
  for (const [i, [what, fault]] of Object.entries(PASSING).entries()) {
    await t.test(`an origin that ${what}`, async () => {
      const { path } = files[i]!;
      const key = target.origin.key(path);
      const injected = target.origin.faults.inject({ kind: 'get', key, nth: { from: 1, to: 2 } }, fault);
      try {
        await readsWhole(target, files[i]!);
      } catch (error) {
        throw target.mount.explain(error);
      }
      assert.ok(injected.hits > 0, 'the fault has happened');
      injected.remove();
    });
  }
});

test('an origin that refuses the key answers EACCES, one that is silent about an object EIO, and what is cached stays readable', async () => {
  const [warm, refused, broken] = [file('warm.bin', 2 * MIB), file('refused.bin', MIB), file('broken.bin', MIB)];
  await using target = await DlfsTarget.start(new Tree([warm, refused, broken]), {
    open: 'stateless',
    args: ['--io-timeout', '3s'],
  });
  const { helper, origin } = target;
  await readsWhole(target, warm);
  origin.faults.inject(
    { kind: 'get', key: origin.key(refused.path) },
    { type: 'error', status: 403, code: 'AccessDenied' },
  );
  origin.faults.inject({ kind: 'get', key: origin.key(broken.path) }, internalError());
  await fails(helper.call('digest', at(target, refused.path)), 'EACCES');
  await fails(helper.call('digest', at(target, broken.path)), 'EIO');
  await dropCaches();
  await readsWhole(target, warm);
  origin.faults.clear();
  await readsWhole(target, broken);
});

test('a body of another version than the listed one never reaches a reader', async () => {
  const listed = file('object.bin', 3 * MIB);
  await using target = await DlfsTarget.start(new Tree([listed]), { open: 'stateless' });
  // An origin that ignores If-Match and serves what it now has.
  target.origin.faults.inject({ kind: 'get' }, { type: 'etag', etag: '"another"', ignoreConditions: true });
  await fails(target.helper.call('digest', at(target, listed.path)), 'ESTALE', 'EIO');
});

for (const [how, fault] of [
  ['honours If-Unmodified-Since', null],
  // What it now has comes under its own Last-Modified.
  ['ignores conditions', { type: 'etag', etag: '""', ignoreConditions: true }],
] as const) {
  test(`an origin without etags that ${how}: versions never mix, and the new one is shown`, async () => {
    const listed = file('dir/object.bin', 32 * MIB);
    const now = file('dir/object.bin', 32 * MIB, 1);
    const bare = { listed: { etag: '' } };
    await using target = await DlfsTarget.start(new Tree([listed]), {
      open: 'stateless',
      args: ['--refresh', '1h'],
      origin: { attributes: () => bare },
    });
    const { helper, origin } = target;
    await helper.with(at(target, listed.path), O.O_RDONLY | O.O_DIRECT, async (fd) => {
      const { ino } = await helper.call('fstat', fd);
      const [early, late] = [[MIB, 65_536] as const, [28 * MIB, 65_536] as const];
      sameBytes(await helper.call('pread_direct', fd, early[1], early[0], 0), listed.content.read(...early), 'before');
      origin.put(now, bare);
      if (fault !== null) origin.faults.inject({ kind: 'get' }, fault);
      await fails(helper.call('pread_direct', fd, late[1], late[0], 0), 'ESTALE');
      sameBytes(await helper.call('pread_direct', fd, early[1], early[0], 0), listed.content.read(...early), 'cached');
      const shown = async (): Promise<boolean> => (await helper.call('stat', at(target, now.path))).ino !== ino;
      await until(shown, SOON_MS, 'the new version is shown');
    });
    await readsWhole(target, now);
  });
}

test('files of a directory in which one reader walks are fetched ahead of it', async () => {
  const files = Array.from({ length: 200 }, (_, i) => file(`walk/${String(i).padStart(4, '0')}.jpg`, 110_000));
  await using target = await DlfsTarget.start(new Tree(files), { open: 'stateless' });
  const { helper, origin } = target;
  origin.faults.inject({ kind: 'get' }, { type: 'delay', ms: 10 });
  await helper.call('listdir', at(target, 'walk'));
  const walked = 20;
  for (const { path, content } of files.slice(0, walked)) {
    assert.deepEqual(await helper.call('digest', at(target, path)), [digestOf(content), content.size]);
  }
  const ahead = (): number =>
    origin.requests.filter(({ kind, key }) => kind === 'get' && key > origin.key(files[walked - 1]!.path)).length;
  await until(() => ahead() > 0, SOON_MS, 'files were asked for that nobody has opened');
  for (const { path, content } of files.slice(walked)) {
    assert.deepEqual(await helper.call('digest', at(target, path)), [digestOf(content), content.size]);
  }
  assert.ok(bytesServed(target) <= files.length * 110_000 * 1.01, 'each was fetched once');
});
