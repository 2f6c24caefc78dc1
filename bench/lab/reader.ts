/**
 * The reader (bench/reader/reader.c): compiled once a run, the same for all that is compared.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { READER_SOURCE, WORK } from './places.ts';
import type { Programs } from './program.ts';

const FILES = z.object({ files: z.number(), bytes: z.number(), seconds: z.number(), slowestMs: z.number() });
const RANDOM = z.object({
  reads: z.number(),
  seconds: z.number(),
  p50us: z.number(),
  p90us: z.number(),
  maxus: z.number(),
});

const STUCK = z.object({ answered: z.number() });
const PACED = z.object({
  reads: z.number(),
  p50us: z.number(),
  p99us: z.number(),
  p999us: z.number(),
  maxus: z.number(),
});

/** How files are read. */
export interface FilesJob {
  readonly dir: string;
  /** Paths below it. */
  readonly files: readonly string[];
  /** What one pass over them reads; anything else is an error. */
  readonly bytes: number;
  readonly processes: number;
  /** Whether every process reads all files, or each file is read by one. */
  readonly share?: 'split' | 'each';
  /** Seed of the order; 0: as listed. */
  readonly seed: number;
  readonly passes?: number;
  readonly limitMs?: number;
}

/** What came of it. */
export type FilesRead = z.output<typeof FILES>;
/** Latencies of single reads, in microseconds. */
export type RandomRead = z.output<typeof RANDOM>;
/** Latencies of single reads by many threads, in microseconds. */
export type PacedRead = z.output<typeof PACED>;

/** See the file's header. */
export class Reader {
  readonly #programs: Programs;
  readonly #binary: string;
  #lists = 0;

  private constructor(programs: Programs, binary: string) {
    this.#programs = programs;
    this.#binary = binary;
  }

  /** Compiles it (needs cc). */
  static async build(programs: Programs): Promise<Reader> {
    await mkdir(WORK, { recursive: true });
    const binary = join(WORK, 'reader');
    await programs.run('cc', ['-O2', '-Wall', '-Wextra', '-pthread', '-o', binary, READER_SOURCE]);
    return new Reader(programs, binary);
  }

  async #list(files: readonly string[]): Promise<string> {
    const list = join(WORK, `list-${this.#lists++}`);
    await writeFile(list, files.map((file) => `${file}\n`).join(''));
    return list;
  }

  /**
   * Opens, reads and closes each file.
   * @throws Error where fewer or more bytes came than the files have
   */
  async files(job: FilesJob): Promise<FilesRead> {
    const { dir, files, bytes, processes, share = 'split', seed, passes = 1, limitMs } = job;
    const args = ['files', dir, await this.#list(files), String(processes), share, String(seed), String(passes)];
    const ran = await this.#programs.run(this.#binary, args, limitMs === undefined ? {} : { limitMs });
    const result = FILES.parse(JSON.parse(ran.stdout));
    const expected = bytes * passes * (share === 'each' ? processes : 1);
    if (result.bytes !== expected) throw new Error(`${dir}: ${result.bytes} bytes were read, not ${expected}`);
    return result;
  }

  /** Reads `block` bytes at random of each file, by a thread each, one every `periodUs`, past the page cache. */
  async paced(job: {
    files: readonly string[];
    block: number;
    periodUs: number;
    seconds: number;
    seed: number;
  }): Promise<PacedRead> {
    const args = [
      'paced',
      await this.#list(job.files),
      ...[job.block, job.periodUs, job.seconds, job.seed].map(String),
    ];
    return PACED.parse(JSON.parse((await this.#programs.run(this.#binary, args)).stdout));
  }

  /** Starts to read the first bytes of each file, by a thread each, and ends after some seconds. @returns how many were answered */
  async stuck(files: readonly string[], seconds: number): Promise<number> {
    const ran = await this.#programs.run(this.#binary, ['stuck', await this.#list(files), String(seconds)]);
    return STUCK.parse(JSON.parse(ran.stdout)).answered;
  }

  /** Reads `block` bytes within each of `count` different spans of a file, one after the other. */
  async random(job: { file: string; count: number; block: number; span: number; seed: number }): Promise<RandomRead> {
    const args = ['random', job.file, ...[job.count, job.block, job.span, job.seed].map(String)];
    return RANDOM.parse(JSON.parse((await this.#programs.run(this.#binary, args)).stdout));
  }
}
