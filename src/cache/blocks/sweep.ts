/**
 * The sweep after an unclean stop or behind a lost index: what lies in the folder of cache files is held against the index.
 *
 * A crash can leave files and blocks that were written but not committed. The sweep walks the folder once, in the background, a
 * subfolder at a time: files that the index does not know are deleted, allocated space that no known block uses is given back,
 * and files that lost data are dropped, to be fetched again.
 *
 * A look (`dry`) finds the same and touches nothing.
 *
 * Invariants:
 * 1. What is being fetched or written now is left alone.
 * 2. Nothing outside the 256 numbered subfolders is looked at, and no name there becomes a path unless it is a plain number.
 */
import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ALLOCATION_UNIT } from '../policy/geometry.ts';
import type { CacheIndex } from '../index/index.ts';
import { SUBFOLDERS, subfolderName } from './object-path.ts';
import type { BlockStore } from './store.ts';

/** What the sweep works on. */
export interface SweepOptions {
  /** The folder of cache files. */
  readonly objects: string;
  readonly index: Pick<CacheIndex, 'audit'>;
  readonly store: BlockStore;
  readonly log: Logger;
  /** Look only; the report says what would have been done. */
  readonly dry?: boolean;
}

/** What a sweep found. */
export interface SweepReport {
  files: number;
  deleted: number;
  /** What the deleted ones took. */
  deletedBytes: number;
  trimmed: number;
  damaged: number;
}

const SECTOR = 512;
const NAME = /^[1-9]\d{0,15}$/;

/** See the file's header. Disposing it stops after the subfolder at hand. */
export class Sweep implements AsyncDisposable {
  readonly #o: SweepOptions;
  #stopped = false;
  #done: Promise<void> = Promise.resolve();

  constructor(options: SweepOptions) {
    this.#o = options;
  }

  /** Starts it in the background. */
  start(): void {
    this.#done = this.run().then(
      (report) => {
        if (report.files > 0) this.#o.log.info('swept the cache', { ...report });
      },
      (error: unknown) => {
        this.#o.log.warn('the sweep of the cache failed', { err: error });
      },
    );
  }

  /** Runs it to its end. @throws DlfsError when the folder cannot be read */
  async run(): Promise<SweepReport> {
    const report = { files: 0, deleted: 0, deletedBytes: 0, trimmed: 0, damaged: 0 };
    // Most caches of a node have few of the subfolders.
    const there = new Set(await namesIn(this.#o.objects));
    for (let number = 0; number < SUBFOLDERS && !this.#stopped; number++) {
      const name = subfolderName(number);
      if (there.has(name)) await this.#subfolder(join(this.#o.objects, name), report);
    }
    if (!this.#stopped && this.#o.dry !== true) await this.#o.store.proveRest();
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #allocated(folder: string, ino: number): Promise<{ ino: number; allocated: number }> {
    const { blocks } = await lstat(join(folder, String(ino))).catch(() => ({ blocks: 0 }));
    // In the index's unit: a file system of smaller blocks (ext4 takes 1 KiB on a small disk) gives a file's tail less.
    return { ino, allocated: Math.ceil((blocks * SECTOR) / ALLOCATION_UNIT) * ALLOCATION_UNIT };
  }

  async #subfolder(folder: string, report: SweepReport): Promise<void> {
    const { index, store } = this.#o;
    const files: { ino: number; allocated: number }[] = [];
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      if (!NAME.test(name)) {
        if (this.#o.dry !== true) await unlink(path).catch(() => undefined); // a folder stays: it is not ours
        continue;
      }
      const ino = Number(name);
      const file = await this.#allocated(folder, ino);
      if (!store.inMotion(ino)) files.push(file);
    }
    report.files += files.length;
    if (files.length === 0) return;
    const found = await index.audit(files);
    // A file that was committed between the look at the disk and the one at the index only seems short.
    const again = await index.audit(await Promise.all(found.short.map((ino) => this.#allocated(folder, ino))));
    const unknown = new Set([...found.orphans, ...found.unindexed]);
    report.deletedBytes += files.reduce((sum, file) => sum + (unknown.has(file.ino) ? file.allocated : 0), 0);
    if (this.#o.dry !== true) {
      const dead = [...unknown, ...again.short].filter((ino) => !store.inMotion(ino));
      if (dead.length > 0) await store.dropObjects(dead);
      for (const ino of found.excess) await store.trim(ino);
    }
    report.deleted += unknown.size;
    report.damaged += again.short.length;
    report.trimmed += found.excess.length;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw DlfsError.from(error);
  }
}
