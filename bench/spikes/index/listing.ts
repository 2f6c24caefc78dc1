/**
 * What a full listing, a refresh without changes and lookups beside them cost.
 *
 * Usage: node bench/spikes/index/listing.ts [KEYS] [KEYS_PER_DIRECTORY]
 * Prints one line a measurement. CPU is the process's, so the worker's share is that less what the main thread used to feed it.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { SystemClock } from '../../../src/base/clock.ts';
import { CacheIndex, ROOT_INO } from '../../../src/cache/index/index.ts';
import type { ListPage } from '../../../src/dataset/listing.ts';

const keys = Number(process.argv[2] ?? 1_000_000);
const perDirectory = Number(process.argv[3] ?? 1000);
const folder = mkdtempSync(join(tmpdir(), 'dlfs-index-'));
const file = join(folder, 'index.db');
const options = { file, blockSize: 1024 * 1024, prefix: 'data/', clock: new SystemClock() };

function* pages(changed: (index: number) => boolean = () => false): Generator<ListPage> {
  for (let from = 0; from < keys; from += 1000) {
    const objects = Array.from({ length: Math.min(1000, keys - from) }, (_, offset) => {
      const index = from + offset;
      const directory = String(Math.floor(index / perDirectory)).padStart(6, '0');
      const etag = `"${(changed(index) ? index + 1e9 : index).toString(16).padStart(32, '0')}"`;
      return {
        key: `data/train/n${directory}/img-${String(index).padStart(8, '0')}.jpeg`,
        size: 110_000 + (index % 977),
        mtimeMs: 1.7e12,
        etag,
        archived: false,
      };
    });
    yield { objects, prefixes: [], undecodable: 0, last: from + 1000 >= keys };
  }
}

async function list(index: CacheIndex, label: string, changed?: (index: number) => boolean): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const before = process.cpuUsage();
  const main = process.threadCpuUsage();
  const start = performance.now();
  delay.enable();
  await using listing = await index.beginFull(10_000_000);
  const shard = await listing.shard('subtree', '');
  let lookups = 0;
  let looking = 0;
  const waits: number[] = [];
  const state = { listed: false };
  // Somebody commits blocks all the while; on the first listing there is no file yet to commit to.
  const commits = (async () => {
    const train = index.lookup(ROOT_INO, 'train')?.ino ?? 0;
    const file = index.children(index.children(train, 0, 1)[0]?.ino ?? 0, 0, 1)[0]?.ino ?? 0;
    while (!state.listed) {
      const sent = performance.now();
      await index.commitBlocks(file === 0 ? [] : [{ ino: file, idx: 0, hash: 1n }]);
      waits.push(performance.now() - sent);
      await sleep(2);
    }
  })();
  for (const page of pages(changed)) {
    const adding = shard.add(page);
    const from = performance.now();
    for (let step = 0; step < 20; step += 1) index.lookup(ROOT_INO, `no-${step}`);
    looking += performance.now() - from;
    lookups += 20;
    await adding;
  }
  const outcome = await listing.finish();
  state.listed = true;
  await commits;
  waits.sort((left, right) => left - right);
  let told = 0;
  for await (const batch of outcome.changes) told += batch.length;
  delay.disable();
  const cpu = process.cpuUsage(before);
  const mine = process.threadCpuUsage(main);
  const total = (cpu.user + cpu.system) / 1e6;
  const feeding = (mine.user + mine.system) / 1e6;
  print(label, {
    wall_s: round((performance.now() - start) / 1000),
    cpu_s_worker: round(total - feeding),
    cpu_s_main: round(feeding),
    added: outcome.added,
    changed: outcome.changed,
    told,
    lookup_us_beside: round((looking / lookups) * 1000),
    commit_p50_ms: round(waits[Math.floor(waits.length / 2)] ?? 0),
    commit_p99_ms: round(waits[Math.floor(waits.length * 0.99)] ?? 0),
    commit_max_ms: round(waits.at(-1) ?? 0),
    main_delay_p99_ms: round(delay.percentile(99) / 1e6),
    rss_mib: round(process.memoryUsage.rss() / 2 ** 20),
  });
}

/** A listing that is given up after some changes: what taking them back costs. */
async function giveUp(index: CacheIndex): Promise<void> {
  const listing = await index.beginFull(10_000_000);
  const shard = await listing.shard('subtree', '');
  let fed = 0;
  for (const page of pages((at) => at % 10 === 0)) {
    await shard.add({ ...page, last: false });
    fed += page.objects.length;
    if (fed >= keys / 10) break;
  }
  const start = performance.now();
  await listing[Symbol.asyncDispose]();
  print('taken back', { ms: round(performance.now() - start), changes: Math.ceil(fed / 10) });
}

function print(label: string, values: Record<string, number | string>): void {
  console.log(
    label.padEnd(24),
    Object.entries(values)
      .map(([name, value]) => `${name}=${value}`)
      .join(' '),
  );
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

try {
  {
    await using index = await CacheIndex.open(options);
    await list(index, 'first full listing');
    await list(index, 'refresh, no change');
    await list(index, 'refresh, 1 % changed', (at) => at % 100 === 0);
    await giveUp(index);
    await index.markClean();
  }
  const start = performance.now();
  await using index = await CacheIndex.open(options);
  print('open', { ms: round(performance.now() - start), nodes: index.totals().nodes, kind: index.opening.kind });
  print('database', { mib: round(statSync(file).size / 2 ** 20), bytes_a_key: round(statSync(file).size / keys) });

  const train = index.lookup(ROOT_INO, 'train')?.ino ?? 0;
  const directories = index.children(train, 0, 10_000);
  const samples = Array.from({ length: 100_000 }, (_, step) => {
    const directory = (step * 7919) % directories.length;
    const at = directory * perDirectory + ((step * 31) % perDirectory);
    return [directories[directory]?.ino ?? 0, `img-${String(at).padStart(8, '0')}.jpeg`] as const;
  });
  const measure = (label: string, times: number, work: (step: number) => void): void => {
    const before = process.threadCpuUsage();
    const from = performance.now();
    for (let step = 0; step < times; step += 1) work(step);
    const wall = ((performance.now() - from) * 1000) / times;
    const { user, system } = process.threadCpuUsage(before);
    print(label, { cpu_us: round((user + system) / times), wall_us: round(wall) });
  };
  const sample = (step: number) => samples[step % samples.length] ?? ([0, ''] as const);
  const directory = (step: number) => directories[step % directories.length]?.ino ?? 0;
  measure('lookup, random', samples.length, (step) => index.lookup(sample(step)[0], sample(step)[1]));
  measure('lookup, one directory', samples.length, (step) =>
    index.lookup(directory(0), `img-${String(step % perDirectory).padStart(8, '0')}.jpeg`),
  );
  measure('lookup, negative', samples.length, (step) => index.lookup(sample(step)[0], 'nothing'));
  const inos = samples.slice(0, 20_000).map(([parent, name]) => index.lookup(parent, name)?.ino ?? 0);
  measure('keyOf, random', inos.length, (step) => index.keyOf(inos[step] ?? 0));
  measure('children(…, 1000)', 200, (step) => index.children(directory(step * 37), 0, 1000));
  measure('isListed', 20_000, (step) => index.isListed(directory(step)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
