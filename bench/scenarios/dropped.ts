/**
 * All data on the cache's disk, the page cache dropped (names stay): what reading from the cache costs.
 */
import { BIG, SMALL } from '../lab/datasets.ts';
import type { Scenario } from '../measure/scenario.ts';
import { warmScenario } from './warm.ts';

/** Processes and what they must reach of the local disk. */
const SMALL_TARGETS = [
  [1, 0.55],
  [4, 0.7],
  [16, 0.7],
] as const;

/** See the file's header. */
export const DROPPED: readonly Scenario[] = [
  warmScenario({
    name: 'dropped-big',
    title: 'page cache dropped: one file of 2 GiB',
    dataset: BIG,
    open: 'passthrough',
    pages: 'dropped',
    rounds: 5,
    rows: [
      {
        id: 'dropped-big-sequential',
        figure: 'page cache dropped: 2 GiB file, sequential 1 MiB',
        better: 'higher',
        target: { relation: '>=', value: 0.7 },
        job: { kind: 'fio', metric: 'MB/s', job: { rw: 'read', bs: '1m', jobs: 1 } },
      },
      {
        id: 'dropped-big-random',
        figure: 'page cache dropped: 2 GiB file, random 128 KiB x 4 jobs',
        better: 'higher',
        target: { relation: '>=', value: 0.7 },
        job: { kind: 'fio', metric: 'MB/s', job: { rw: 'randread', bs: '128k', jobs: 4, ioSize: '256m' } },
      },
      {
        id: 'dropped-big-4k',
        figure: 'page cache dropped: 4 KiB random, depth 1, median latency',
        better: 'lower',
        target: { relation: '<=', value: 1.25 },
        job: { kind: 'fio', metric: 'us', job: { rw: 'randread', bs: '4k', jobs: 1, ioSize: '16m' } },
      },
    ],
    notes: ['fio, psync, --invalidate=0; drop_caches=1 before each measurement'],
  }),
  warmScenario({
    name: 'dropped-small',
    title: 'page cache dropped: 10,000 files of 110 KB',
    dataset: SMALL,
    open: 'stateless',
    pages: 'dropped',
    rounds: 5,
    rows: SMALL_TARGETS.map(([processes, value]) => ({
      id: `dropped-small-${processes}`,
      figure: `page cache dropped: 10,000 x 110 KB, shuffled, ${processes} process${processes > 1 ? 'es' : ''}`,
      better: 'higher' as const,
      target: { relation: '>=' as const, value },
      job: { kind: 'files' as const, processes, passes: 1 },
    })),
    notes: ['drop_caches=1 before each measurement'],
  }),
];
