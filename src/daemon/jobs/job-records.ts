/**
 * Jobs that have not ended, on the disk: one small file each in the cache folder, so that the next process goes on with them.
 *
 * Invariants:
 * 1. A file is replaced by rename: a reader sees the old record or the new one.
 * 2. What is read is checked; what is no record of ours is left alone and named in the log.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../base/log.ts';
import { JOB, JOB_SPEC } from './job-types.ts';

/** Records read at most; each is a job that somebody asked for. */
const MAX_RECORDS = 1000;

const RECORD = z.strictObject({
  id: JOB.shape.id,
  spec: JOB_SPEC,
  createdMs: z.number(),
  /** Times that it was begun and did not come to an end. */
  starts: z.number().int().min(0),
});

/** See the file's header. */
export type JobRecord = z.infer<typeof RECORD>;

/** The records of one dataset. */
export class JobRecords {
  readonly #folder: string;
  readonly #log: Logger;

  /** @param folder made when the first record is written */
  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** All that can be read, the oldest job first. */
  async read(): Promise<JobRecord[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const records: JobRecord[] = [];
    for (const name of names.slice(0, MAX_RECORDS)) {
      if (!name.endsWith('.json')) continue;
      try {
        const record = RECORD.parse(JSON.parse(await readFile(join(this.#folder, name), 'utf8')));
        if (name === `${record.id}.json`) records.push(record);
      } catch (error) {
        this.#log.warn('the record of a job cannot be read: it is not gone on with', { file: name, err: error });
      }
    }
    return records.sort((a, b) => a.createdMs - b.createdMs);
  }

  /** Writes one. A disk that cannot take it costs the job its next life, not this one. */
  async write(record: JobRecord): Promise<void> {
    const path = this.#pathOf(record.id);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeFile(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch (error) {
      this.#log.warn('a job cannot be noted: it will not be gone on with after a restart', {
        id: record.id,
        err: error,
      });
    }
  }

  /** Removes one. */
  async remove(id: string): Promise<void> {
    await rm(this.#pathOf(id), { force: true }).catch((error: unknown) => {
      this.#log.warn('the record of a job cannot be removed', { id, err: error });
    });
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}
