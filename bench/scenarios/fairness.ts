/**
 * Many datasets on one node: what one of them does to the reads of others, and what idle ones cost.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIG, BIG_KEY } from '../lab/datasets.ts';
import type { Lab } from '../lab/lab.ts';
import { READ_DATASETS, STALLED_FILES } from '../lab/node-data.ts';
import { BenchNode, nameOf } from '../lab/node.ts';
import { originBehindLink } from '../lab/origin.ts';
import { curlTo } from '../lab/plain-get.ts';
import type { Lane, Scenario } from '../measure/scenario.ts';

const DATASETS = 200;
const IDLE_DATASETS = 500;
/** Readers: each of a dataset of its own, a read of 4 KiB every 10 ms, which leaves the machine mostly idle. */
const READERS = READ_DATASETS - 1;
const PACE = { block: 4096, periodUs: 10_000, seconds: 10 };
const LINK = { rate: '200mbit', burst: '256kb' };
/** What is pulled while others read: twelve seconds of the link. */
const PULLED = 300 * 1024 * 1024;
/** From one round's range to the next: behind a range its readahead may have fetched some more. */
const STRIDE = 364 * 1024 * 1024;
/** Milliseconds until what idles has come to rest: page caches are given back after 30 s. */
const REST = 45_000;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Files that are read, one of each dataset. */
const readFiles = (node: BenchNode): string[] =>
  Array.from({ length: READERS }, (_, n) => node.files(n + 1, 1)[0] ?? '');

/** Reads everything that is to be resident. */
async function warm(lab: Lab, node: BenchNode): Promise<void> {
  const files = readFiles(node);
  await lab.reader.files({ dir: '/', files, bytes: READERS * 32 * 1024 * 1024, processes: 4, seed: 0 });
  // Its names are known; its bytes are not.
  await lab.programs.run('find', [node.daemon.dirOf(nameOf(0)), '-size', '+0', '-printf', ''], { quiet: true });
}

async function latencies(lab: Lab, node: BenchNode, seed: number): Promise<Record<string, number>> {
  const { p50us, p99us, p999us, reads } = await lab.reader.paced({ files: readFiles(node), ...PACE, seed });
  return { 'us p50': p50us, 'us p99': p99us, 'us p99.9': p999us, reads };
}

const STALL: Scenario = {
  name: 'fairness-stall',
  title: `${DATASETS} datasets on one node, the origin of one stalls`,
  rounds: 5,
  lanes: ['dlfs', 'idle'],
  steps: ['fairness-stall'],
  rows: [
    {
      id: 'fairness-stall-p99',
      figure: `p99 of resident 4 KiB reads of ${READERS} datasets while another one's origin stalls, against idle`,
      metric: 'us p99',
      unit: 'µs',
      better: 'lower',
      against: ['idle'],
      target: { relation: '<=', value: 1.5 },
    },
  ],
  notes: [
    `${READERS} threads, each a direct read of 4 KiB at random every 10 ms for 10 s`,
    `${STALLED_FILES} readers wait for the dataset that stalls`,
  ],
  prepare: async (lab, wanted, stack) => {
    const node = stack.use(await BenchNode.start(lab, DATASETS));
    await warm(lab, node);
    const lanes: Lane[] = [
      { name: 'idle', openMode: () => null, measure: (_, round) => latencies(lab, node, round + 1) },
      {
        name: 'dlfs',
        openMode: () => 'stateless',
        measure: async (_, round) => {
          // What an earlier round had asked for came when the stall was over.
          await node.evict(0);
          await using _stalled = await node.stall();
          const stuck = lab.reader.stuck(node.files(0, STALLED_FILES), PACE.seconds + 2);
          await delay(1000);
          const measured = await latencies(lab, node, round + 1);
          const answered = await stuck;
          if (answered > 0) throw new Error(`${answered} reads of the dataset that stalls were answered`);
          return measured;
        },
      },
    ];
    return lanes.filter(({ name }) => wanted.includes(name));
  },
};

const SCAN: Scenario = {
  name: 'fairness-scan',
  title: `${DATASETS} datasets on one node, one is scanned through a link of 200 Mbit/s`,
  rounds: 5,
  lanes: ['dlfs', 'curl'],
  steps: ['fairness-scan'],
  rows: [
    {
      id: 'fairness-scan-p99',
      figure: `p99 of resident 4 KiB reads of ${READERS} datasets while another is scanned, against curl pulling as much`,
      metric: 'us p99',
      unit: 'µs',
      better: 'lower',
      against: ['curl'],
      target: { relation: '<=', value: 1.5 },
    },
  ],
  notes: [
    'the scanned bytes go to the cache; those of curl to a file on the same disk',
    `${READERS} threads, each a direct read of 4 KiB at random every 10 ms for 10 s`,
  ],
  prepare: async (lab, wanted, stack) => {
    await lab.provide(BIG);
    await lab.warmOrigin(BIG);
    const link = stack.use(await originBehindLink(LINK));
    const scan = { name: 'scan', bucket: BIG.bucket, endpoint: link.endpoint };
    const node = stack.use(await BenchNode.start(lab, DATASETS, [scan]));
    await warm(lab, node);
    const scanned = join(node.daemon.dirOf('scan'), BIG_KEY);
    await lab.programs.run('head', ['-c', '1', scanned], { quiet: true });
    const target = join(await lab.emptyCache(), 'pulled');
    const lanes: Lane[] = [
      {
        name: 'dlfs',
        openMode: () => 'stateless',
        measure: async (_, round) => {
          const range = [`if=${scanned}`, 'of=/dev/null', 'bs=1M', 'iflag=fullblock'];
          const count = PULLED / 1024 / 1024;
          const scanning = lab.programs.run(
            'dd',
            [...range, `skip=${(round * STRIDE) / 1024 / 1024}`, `count=${count}`],
            {
              quiet: true,
            },
          );
          await delay(1000);
          const measured = await latencies(lab, node, round + 1);
          const { seconds } = await scanning;
          return { ...measured, 'MB/s': PULLED / seconds / 1e6 };
        },
      },
      {
        name: 'curl',
        openMode: () => null,
        measure: async (_, round) => {
          const offset = round * STRIDE;
          const pull = curlTo(lab.programs, link.endpoint, BIG.bucket, BIG_KEY, { target, offset, bytes: PULLED });
          await delay(1000);
          const measured = await latencies(lab, node, round + 1);
          const seconds = await pull;
          writeFileSync(target, '');
          return { ...measured, 'MB/s': PULLED / seconds / 1e6 };
        },
      },
    ];
    return lanes.filter(({ name }) => wanted.includes(name));
  },
};

const IDLE: Scenario = {
  name: 'node-idle',
  title: `${IDLE_DATASETS} idle datasets on one node`,
  rounds: 1,
  lanes: ['dlfs'],
  steps: ['node-idle'],
  rows: (
    [
      ['rss', 'MiB', 'memory'],
      ['descriptors', '', 'descriptors'],
      ['threads', '', 'threads'],
      ['threads of 10 datasets', '', 'threads'],
      ['cpu', '%', 'processor time'],
      ['restart', 'ms', `time from the start of the process until 100 datasets serve, behind a crash:`],
    ] as const
  ).map(([metric, unit, figure]) => ({
    id: `node-idle-${metric.replaceAll(' ', '-')}`,
    figure:
      metric === 'restart'
        ? figure.replace(/:$/, '')
        : `${figure} of a daemon with ${metric === 'threads of 10 datasets' ? 10 : IDLE_DATASETS} idle datasets`,
    metric,
    unit,
    better: 'lower' as const,
    against: [],
    target: metric === 'restart' ? { relation: '<' as const, value: 2000 } : null,
  })),
  notes: [`all were listed and one file of each was read; looked at ${REST / 1000} s later`],
  prepare: async (lab) => [
    {
      name: 'dlfs',
      openMode: () => 'stateless',
      measure: async () => {
        const few = await footprintOf(lab, 10);
        const restart = await restartOf(lab, 100);
        const many = await footprintOf(lab, IDLE_DATASETS);
        return { ...many, 'threads of 10 datasets': few['threads'] ?? 0, restart };
      },
    },
  ],
};

async function footprintOf(lab: Lab, datasets: number): Promise<Record<string, number>> {
  await using node = await BenchNode.start(lab, datasets);
  for (let n = 0; n < datasets; n++) {
    await lab.programs.run('cat', node.files(n, 1), { quiet: true });
  }
  await delay(REST);
  const before = node.cpuSeconds();
  await delay(10_000);
  const cpu = (node.cpuSeconds() - before) * 10;
  const { rss, descriptors, threads } = node.footprint();
  return { rss, descriptors, threads, cpu };
}

async function restartOf(lab: Lab, datasets: number): Promise<number> {
  await using node = await BenchNode.start(lab, datasets);
  for (let n = 0; n < datasets; n++) await lab.programs.run('cat', node.files(n, 1), { quiet: true });
  await node.daemon.logged(/listing is complete/);
  await delay(5000);
  await node.daemon.kill();
  return await node.daemon.startAgain();
}

/** See the file's header. */
export const FAIRNESS: readonly Scenario[] = [STALL, SCAN, IDLE];
