/**
 * fio over one file, and what it found.
 *
 * Invariants:
 * 1. `--invalidate=0`: fio itself drops nothing; on a FUSE mount it would drop the mount's pages and not the cache file's.
 * 2. The same offsets in every run: fio's random generator is seeded the same way each time.
 */
import { z } from 'zod';
import type { Programs } from './program.ts';

const RESULT = z.object({
  jobs: z
    .array(
      z.object({
        error: z.number(),
        read: z.object({
          bw_bytes: z.number(),
          io_bytes: z.number(),
          clat_ns: z.object({ percentile: z.record(z.string(), z.number()).optional() }),
        }),
      }),
    )
    .length(1),
});

/** What fio is to do; names as fio has them. */
export interface FioJob {
  readonly rw: 'read' | 'randread';
  /** As fio writes sizes: `1m`, `128k`. */
  readonly bs: string;
  readonly jobs: number;
  /** What each job reads in all; the whole file by default. */
  readonly ioSize?: string;
  readonly loops?: number;
  /** Each job reads a part of this size of its own, one behind the other; by default all read the whole file. */
  readonly part?: string;
}

/** What it found. */
export interface FioResult {
  /** 10^6 bytes a second. */
  readonly megabytesPerSecond: number;
  /** Median latency of one read, in microseconds. */
  readonly medianMicros: number;
}

/** Runs one job over an existing file, with plain blocking reads. */
export async function fio(programs: Programs, file: string, job: FioJob): Promise<FioResult> {
  const { rw, bs, jobs, ioSize, loops = 1, part } = job;
  const args = [
    ...['--name=bench', `--filename=${file}`, '--readonly', `--rw=${rw}`, `--bs=${bs}`, `--numjobs=${jobs}`],
    ...[
      `--loops=${loops}`,
      '--ioengine=psync',
      '--direct=0',
      '--invalidate=0',
      '--fadvise_hint=0',
      '--group_reporting',
    ],
    ...(ioSize === undefined ? [] : [`--io_size=${ioSize}`]),
    ...(part === undefined ? [] : [`--size=${part}`, `--offset_increment=${part}`]),
    ...['--output-format=json', '--percentile_list=50'],
  ];
  const { stdout } = await programs.run('fio', args);
  // fio may print a note before its JSON.
  const [result] = RESULT.parse(JSON.parse(stdout.slice(stdout.indexOf('{')))).jobs;
  if (result?.error !== 0) throw new Error(`fio over ${file}: error ${result?.error ?? '?'}`);
  const [micros = NaN] = Object.values(result.read.clat_ns.percentile ?? {}).map((nanos) => nanos / 1000);
  return { megabytesPerSecond: result.read.bw_bytes / 1e6, medianMicros: micros };
}
