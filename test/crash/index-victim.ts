/**
 * The process that index-crash.test.ts kills: lists everything over and over, each time in another version, and commits blocks
 * meanwhile. It says a line to its standard output for what has been acknowledged to it.
 *
 * Usage: node index-victim.ts FOLDER ROUND
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '../../src/base/clock.ts';
import { CacheIndex } from '../../src/cache/index/index.ts';
import type { ListPage } from '../../src/dataset/listing.ts';

const [folder = '', round = '0'] = process.argv.slice(2);
const index = await CacheIndex.open({
  file: join(folder, 'index.db'),
  blockSize: 4096,
  prefix: '',
  clock: new SystemClock(),
});

/** Ten directories of two hundred files; two of the directories come and go with the versions. */
function* pages(version: number): Generator<ListPage> {
  const directories = Array.from({ length: 10 }, (_, number) => number).filter(
    (number) => number < 8 || (number + version) % 2 === 0,
  );
  for (const directory of directories) {
    const objects = Array.from({ length: 200 }, (_, file) => ({
      key: `d${directory}/file-${String(file).padStart(4, '0')}`,
      size: 40_960,
      mtimeMs: version,
      etag: `"${round}.${version}"`,
      archived: false,
    }));
    yield { objects, prefixes: [], undecodable: 0, last: directory === directories.at(-1) };
  }
}

/** Synchronously: the line is out before anything else happens. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function list(): Promise<never> {
  for (let version = 0; ; version += 1) {
    await using listing = await index.beginFull(1_000_000);
    const shard = await listing.shard('subtree', '');
    for (const page of pages(version)) await shard.add(page);
    await listing.finish();
    say('listed', index.cur, `"${round}.${version}"`);
  }
}

async function commit(): Promise<never> {
  for (let step = 0; ; step += 1) {
    const directory = index.lookup(1, `d${step % 10}`);
    const files = directory === null ? [] : index.children(directory.ino, 0, 1000);
    const file = files[(step * 31) % Math.max(1, files.length)];
    if (file === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    const idx = step % 10;
    const refused = await index.commitBlocks([{ ino: file.ino, idx, hash: BigInt(step) }]);
    if (refused.length === 0) say('committed', file.ino, idx);
    if (step % 7 === 6) {
      say('dropping', file.ino);
      await index.dropObjects([file.ino]);
      await index.commitBlocks([{ ino: file.ino, idx, hash: BigInt(step) }]);
    }
  }
}

await Promise.all([list(), commit()]);
