/**
 * What recording blocks costs, and what it does to lookups beside it.
 *
 * Usage: node bench/spikes/index/commits.ts [BLOCKS] [BLOCKS_PER_BATCH]
 * Prints CPU time a block and the share of one core that 2,000 blocks a second take, for small files and for a large one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../src/base/clock.ts';
import { CacheIndex, ROOT_INO } from '../../../src/cache/index/index.ts';

const blocks = Number(process.argv[2] ?? 40_000);
const perBatch = Number(process.argv[3] ?? 50);
const rate = 2000;
const folder = mkdtempSync(join(tmpdir(), 'dlfs-index-'));

const round = (value: number): number => Math.round(value * 100) / 100;

async function measure(
  label: string,
  index: CacheIndex,
  blockAt: (step: number) => { ino: number; idx: number },
): Promise<void> {
  const name = (step: number): string => `file-${String((step * 7919) % blocks).padStart(8, '0')}`;
  const directory = index.lookup(ROOT_INO, 'small')?.ino ?? 0;
  const before = process.cpuUsage();
  const main = process.threadCpuUsage();
  let looking = 0;
  let lookups = 0;
  let slowest = 0;
  for (let from = 0; from < blocks; from += perBatch) {
    const batch = Array.from({ length: perBatch }, (_, offset) => ({
      ...blockAt(from + offset),
      hash: BigInt(from + offset) << 40n,
    }));
    const sent = performance.now();
    await index.commitBlocks(batch);
    slowest = Math.max(slowest, performance.now() - sent);
    const looked = performance.now();
    for (let step = 0; step < 50; step += 1) if (index.lookup(directory, name(from + step)) !== null) lookups += 1;
    looking += (performance.now() - looked) * 1000;
  }
  const all = process.cpuUsage(before);
  const mine = process.threadCpuUsage(main);
  const total = all.user + all.system - looking;
  const values = {
    cpu_us_a_block: round(total / blocks),
    of_it_main: round((mine.user + mine.system - looking) / blocks),
    percent_of_a_core_at_2000: round(((total / blocks) * rate) / 1e4),
    lookup_wall_us_beside: round(looking / lookups),
    slowest_commit_ms: round(slowest),
  };
  console.log(
    label.padEnd(24),
    Object.entries(values)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  );
}

try {
  await using index = await CacheIndex.open({
    file: join(folder, 'index.db'),
    blockSize: 1024 * 1024,
    prefix: '',
    clock: new SystemClock(),
  });
  await using listing = await index.beginFull(10_000_000);
  const shard = await listing.shard('subtree', '');
  for (let from = 0; from < blocks; from += 1000) {
    const objects = Array.from({ length: 1000 }, (_, offset) => ({
      key: `small/file-${String(from + offset).padStart(8, '0')}`,
      size: 110_000,
      mtimeMs: 0,
      etag: `"${(from + offset).toString(16).padStart(32, '0')}"`,
      archived: false,
    }));
    if (from === 0)
      objects.unshift({ key: 'large', size: 5 * 1024 ** 4, mtimeMs: 0, etag: '"large"', archived: false });
    await shard.add({ objects, prefixes: [], undecodable: 0, last: from + 1000 >= blocks });
  }
  await listing.finish();
  const large = index.lookup(ROOT_INO, 'large')?.ino ?? 0;
  const first = index.children(index.lookup(ROOT_INO, 'small')?.ino ?? 0, 0, 1)[0]?.ino ?? 0;
  await measure(`small files, batch ${perBatch}`, index, (step) => ({ ino: first + step, idx: 0 }));
  await measure(`one large, batch ${perBatch}`, index, (step) => ({ ino: large, idx: step }));
  await measure('the same once more', index, (step) => ({ ino: large, idx: step }));
  const sent = performance.now();
  index.object(large);
  console.log('map of 5 TiB'.padEnd(24), `wall_ms=${round(performance.now() - sent)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
