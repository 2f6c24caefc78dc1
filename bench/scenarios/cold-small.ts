/**
 * Many small files that nobody has read yet.
 */
import { SMALL } from '../lab/datasets.ts';
import type { Scenario } from '../measure/scenario.ts';
import { loopRow, memoryRow } from './cold-big.ts';
import { coldScenario, type ColdScenario } from './cold.ts';

const MOUNTS = ['rclone', 's3fs'] as const;

const DESCRIBED: readonly ColdScenario[] = [
  {
    name: 'cold-small',
    title: 'cold: 10,000 files of 110 KB, shuffled, 16 processes',
    dataset: SMALL,
    origin: { kind: 'here' },
    open: 'auto',
    rounds: 5,
    lanes: ['dlfs', ...MOUNTS],
    job: { kind: 'files', processes: 16, order: 'shuffled', folders: { dlfs: 100, rclone: 20, s3fs: 20 } },
    rows: [
      {
        ...{
          id: 'cold-small',
          figure: 'cold 10,000 x 110 KB, shuffled, 16 processes',
          metric: 'files/s',
          unit: 'files/s',
        },
        ...{ better: 'higher', against: MOUNTS },
        target: { relation: '>=', value: 3 },
      },
      {
        ...{
          id: 'cold-small-cpu',
          figure: 'cold 10,000 x 110 KB, 16 processes: CPU of the daemon',
          metric: 'CPU ms/file',
          unit: 'CPU ms/file',
        },
        ...{ better: 'lower', against: [] },
        target: { relation: '<=', value: 0.8 },
      },
      memoryRow('cold-small-peak', 'peak RSS, cold 10,000 x 110 KB by 16 readers'),
      loopRow('cold-small-loop', 'event-loop delay p99, cold 10,000 x 110 KB by 16 readers'),
    ],
    notes: ['the peers read 2,000 of the files (20 folders of 100): their rate does not depend on the number'],
  },
  {
    name: 'cold-walk',
    title: 'cold: small files in directory order, 1 process, origin 10 ms away',
    dataset: SMALL,
    origin: { kind: 'away', latencyMs: 10 },
    open: 'auto',
    rounds: 5,
    lanes: ['dlfs', ...MOUNTS],
    job: { kind: 'files', processes: 1, order: 'listed', folders: { dlfs: 40, rclone: 4, s3fs: 4 } },
    rows: [
      {
        ...{
          id: 'cold-walk',
          figure: 'cold, in directory order, 1 process, origin 10 ms away',
          metric: 'files/s',
          unit: 'files/s',
        },
        ...{ better: 'higher', against: MOUNTS },
        target: { relation: '>=', value: 10 },
      },
    ],
    notes: ['dlfs reads 4,000 files (40 folders of 100), the peers 400: their rate does not depend on the number'],
  },
];

/** See the file's header. */
export const COLD_SMALL: readonly Scenario[] = DESCRIBED.map(coldScenario);
