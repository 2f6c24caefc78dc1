/**
 * kill -9 of the serving process in the middle of cold reads, again and again: what a reader gets from the next process is
 * right, and what lies in the cache folder is what its index says.
 *
 * DLFS_SEED repeats a run; the moments of the kills follow from it, and from how fast the machine is.
 */
import { strict as assert } from 'node:assert';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { Helper } from '../posix/helper.ts';
import { at } from '../posix/target.ts';
import { Tree, type TreeFile } from '../posix/tree.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { dropCaches } from '../support/files.ts';
import { DlfsTarget, OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';

const KIB = 1024;
const BLOCK = 64 * KIB;
const SOON_MS = 30_000;

/** Kills in each mode. */
const KILLS = Number(process.env['DLFS_KILLS'] ?? 6);

const SEED = Number(process.env['DLFS_SEED'] ?? Date.now() % 1_000_000);

/** Uniform in [0, 1), from a seed: mulberry32. */
function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function file(path: string, size: number): TreeFile {
  return { path, content: generated(seedOf(path), size), mtimeMs: Date.UTC(2022, 1, 3) };
}

/** Large, small, of a block's size and next to it. */
const FILES = [
  file('big', 12_345_678),
  ...[0, 1, BLOCK - 1, BLOCK, BLOCK + 1].map((size) => file(`edge/${size}`, size)),
  ...Array.from({ length: 60 }, (_, i) => file(`small/${String(i).padStart(2, '0')}`, 30_000 + i)),
];

for (const open of OPEN_MODES) {
  test(`behind kill -9 at any moment of a cold read, all bytes are right, no file is orphaned, and the count is true, ${open}, seed ${SEED}`, async () => {
    const next = random(SEED);
    await using target = await DlfsTarget.start(new Tree(FILES), {
      open,
      args: ['--block-size', '64KiB', '--cache-floor', '1MiB', '--cache-size', '10MiB', '--refresh', 'never'],
    });
    const { mount, origin } = target;
    const cache = await CacheFiles.in(join(dirname(target.dir), 'cache'));
    origin.faults.inject({ kind: 'get' }, { type: 'delay', ms: 10 });
    for (let kill = 0; kill < KILLS; kill++) {
      const goal = next() < 0.5 ? Math.floor(next() * 150) : null;
      const pause = next() * 1500;
      {
        // Readers of their own, which the kill leaves with errors.
        await using one = new Helper();
        await using two = new Helper();
        const reads = [readsOn(one, target, FILES), readsOn(two, target, FILES.toReversed())];
        if (goal === null) await delay(pause);
        else {
          const start = cache.blockCount();
          const passed = (): boolean => cache.blockCount() >= Math.min(start + goal, 150);
          await until(passed, pause, 'so many blocks').catch(() => undefined);
        }
        await mount.kill();
        await Promise.all(reads);
      }
      // What the index names was on the disk when the process died.
      assert.deepEqual(await cache.wrongBlocks(BLOCK), [], `kill ${kill}`);
      await mount.startAgain();
    }
    await dropCaches();
    for (const { path, content } of FILES) {
      const found = await target.helper.call('digest', at(target, path)).catch((error: unknown) => {
        throw mount.explain(error);
      });
      assert.deepEqual(found, [digestOf(content), content.size], path);
    }
    await foldersAgree(cache);
    assert.equal((await cache.stats()).cache.lostBlocks, 0, 'a kill loses no block that was committed');
    await mount.umount();
    await foldersAgree(cache, false);
    assert.deepEqual(await cache.wrongBlocks(BLOCK), []);
  });
}

/** Reads until there is nothing more or the process behind the mount is gone. */
async function readsOn(helper: Helper, target: DlfsTarget, files: readonly TreeFile[]): Promise<void> {
  try {
    for (const { path } of files) await helper.call('digest', at(target, path));
  } catch (error) {
    const { code } = error as { code?: string };
    if (!['ENOTCONN', 'ECONNABORTED', 'EIO', 'ENODEV'].includes(code ?? '')) throw error;
  }
}

/** Each cache file is known to the index, and index, statistics and disk agree about what they take. */
async function foldersAgree(cache: CacheFiles, serving = true): Promise<void> {
  let seen = '';
  const agree = async (): Promise<boolean> => {
    const counted = serving ? (await cache.freshStats()).cache : null;
    const known = new Map(cache.objects().map((object) => [object.ino, object]));
    const files = await cache.files();
    const orphans = files.filter(({ ino }) => !known.has(ino)).map(({ path }) => path);
    const allocated = files.reduce((sum, one) => sum + one.allocated, 0);
    const indexed = [...known.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    const slack = 4 * KIB * Math.max(1, files.length);
    seen = JSON.stringify({ orphans, allocated, indexed, counted, files: files.length, known: known.size });
    return (
      orphans.length === 0 &&
      Math.abs(allocated - indexed) <= slack &&
      (counted === null || Math.abs(allocated - counted.bytes) <= slack)
    );
  };
  await until(agree, SOON_MS, 'index, statistics and disk agree').catch((error: unknown) => {
    throw new Error(seen, { cause: error });
  });
}
