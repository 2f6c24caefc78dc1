/**
 * Everything in the page cache: what the file system itself costs.
 */
import { BIG, SMALL } from '../lab/datasets.ts';
import type { Scenario } from '../measure/scenario.ts';
import { warmScenario } from './warm.ts';

/** See the file's header. */
export const HOT: readonly Scenario[] = [
  warmScenario({
    name: 'hot-big',
    title: 'page cache hot: one file of 2 GiB',
    dataset: BIG,
    open: 'passthrough',
    pages: 'hot',
    rounds: 7,
    rows: [
      {
        id: 'hot-big-sequential',
        figure: 'page cache hot: 2 GiB file, sequential 1 MiB',
        better: 'higher',
        target: { relation: '>=', value: 0.85 },
        job: { kind: 'fio', metric: 'MB/s', job: { rw: 'read', bs: '1m', jobs: 1, loops: 4 } },
      },
      {
        id: 'hot-big-random',
        figure: 'page cache hot: 2 GiB file, random 128 KiB x 4 jobs',
        better: 'higher',
        target: { relation: '>=', value: 0.85 },
        job: { kind: 'fio', metric: 'MB/s', job: { rw: 'randread', bs: '128k', jobs: 4, ioSize: '4g' } },
      },
    ],
    notes: ['fio, psync, --invalidate=0; the file is read once before each measurement'],
  }),
  warmScenario({
    name: 'hot-small',
    title: 'page cache hot: 10,000 files of 110 KB',
    dataset: SMALL,
    open: 'stateless',
    pages: 'hot',
    rounds: 7,
    rows: [1, 4].map((processes) => ({
      id: `hot-small-${processes}`,
      figure: `page cache hot: open+read+close of 10,000 x 110 KB, shuffled, ${processes} process${processes > 1 ? 'es' : ''}`,
      better: 'higher' as const,
      target: { relation: '>=' as const, value: 0.85 },
      job: { kind: 'files' as const, processes, passes: 4 },
    })),
    notes: ['four passes a measurement, after one that is not counted'],
  }),
];
