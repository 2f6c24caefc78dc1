/**
 * One large object that nobody has read yet.
 */
import { BIG } from '../lab/datasets.ts';
import type { RowSpec } from '../measure/row.ts';
import type { Scenario } from '../measure/scenario.ts';
import { coldScenario, type ColdScenario } from './cold.ts';

const MOUNTS = ['rclone', 's3fs'] as const;

/** What one sequential reader does. */
const WHOLE = { kind: 'files', processes: 1, order: 'listed', folders: {} } as const;

/** The default `--memory` of a mount and what a daemon may have beside it, in MiB. */
const MEMORY_LIMIT = 512 + 350;

/** The row of the highest resident memory with the default `--memory`; also for scenarios of small files. */
export const memoryRow = (id: string, figure: string): RowSpec => ({
  ...{ id, figure, metric: 'peak MiB', unit: 'MiB', better: 'lower', against: [], take: 'worst' },
  target: { relation: '<=', value: MEMORY_LIMIT },
});

/** The row of the event loop's delay; also for scenarios of small files. */
export const loopRow = (id: string, figure: string): RowSpec => ({
  ...{ id, figure, metric: 'loop p99 ms', unit: 'ms', better: 'lower', against: [] },
  target: { relation: '<=', value: 20 },
});

const DESCRIBED: readonly ColdScenario[] = [
  {
    name: 'cold-link',
    title: 'cold: 2 GiB through a link of 1 Gbit/s',
    dataset: BIG,
    origin: { kind: 'link', rate: '1gbit' },
    open: 'auto',
    rounds: 5,
    lanes: ['dlfs', 'curl'],
    job: WHOLE,
    rows: [
      {
        ...{
          id: 'cold-link',
          figure: 'cold 2 GiB through a 1 Gbit/s link',
          metric: 'MB/s',
          unit: 'MB/s',
          better: 'higher',
        },
        against: ['curl'],
        target: { relation: '>=', value: 0.97 },
      },
    ],
    notes: ['origin in a network namespace behind tbf; curl reads the same object through the same link'],
  },
  {
    name: 'cold-big',
    title: 'cold: 2 GiB, origin on the same machine',
    dataset: BIG,
    origin: { kind: 'here' },
    open: 'auto',
    rounds: 5,
    lanes: ['dlfs', ...MOUNTS],
    job: WHOLE,
    rows: [
      {
        ...{ id: 'cold-big', figure: 'cold 2 GiB, no limit', metric: 'MB/s', unit: 'MB/s', better: 'higher' },
        against: MOUNTS,
        target: { relation: '>=', value: 1 },
      },
      {
        ...{
          id: 'cold-big-cpu',
          figure: 'cold 2 GiB: CPU of the daemon',
          metric: 'CPU s/GB',
          unit: 'CPU s/GB',
          better: 'lower',
        },
        against: MOUNTS,
        target: null,
      },
    ],
    notes: ['origin, daemon and reader share the processors; CPU is counted until the daemon rests'],
  },
  {
    name: 'cold-memory',
    title: 'cold: 2 GiB by 16 readers',
    dataset: BIG,
    origin: { kind: 'here' },
    open: 'auto',
    rounds: 3,
    lanes: ['dlfs'],
    job: { kind: 'parts', readers: 16 },
    rows: [
      memoryRow('cold-memory-peak', 'peak RSS, cold 2 GiB by 16 readers'),
      loopRow('cold-memory-loop', 'event-loop delay p99, cold 2 GiB by 16 readers'),
    ],
    notes: ['each reader reads its own sixteenth; the delay is counted from the start of the daemon'],
  },
  {
    name: 'cold-random',
    title: 'cold: 4 KiB at random offsets, origin 20 ms away',
    dataset: BIG,
    origin: { kind: 'away', latencyMs: 20 },
    open: 'auto',
    rounds: 5,
    lanes: ['dlfs', 'GET'],
    job: { kind: 'random', reads: 50 },
    rows: [
      {
        ...{
          id: 'cold-random',
          figure: 'cold 4 KiB at a random offset, origin 20 ms away',
          metric: 'us',
          unit: 'us',
          better: 'lower',
        },
        against: ['GET'],
        target: { relation: '<=', value: 1.25 },
      },
    ],
    notes: ['median of 50 reads a round, each in another megabyte; GET: ranges of 64 KiB over one open connection'],
  },
];

/** See the file's header. */
export const COLD_BIG: readonly Scenario[] = DESCRIBED.map(coldScenario);
