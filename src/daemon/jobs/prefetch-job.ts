/**
 * `prefetch`: all files of the dataset are fetched into room that is free, in the order of their listing, behind whatever else is fetched.
 *
 * Unlike `warm` it asks for nothing: a dataset that does not fit is fetched as far as it does.
 *
 * Invariants:
 * 1. Nothing that somebody has used or fetched leaves for its sake.
 * 2. It ends at the first file that has no room, well: the report says so.
 */
import { DlfsError } from '../../base/errors.ts';
import { BlockGeometry } from '../../cache/policy/geometry.ts';
import { GlobSet } from '../../dataset/glob/glob-set.ts';
import type { MatchedFile } from '../../fs/snapshot/glob-walk.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import { FailureLog } from './failures.ts';
import type { JobBody } from './job-body.ts';
import { ProgressMeter } from './meter.ts';
import { Warmer } from './warmer.ts';

/** No use is older: nothing may leave for its sake, versions that no name leads to aside. */
const SPARE_ALL = 0;

/** The job. */
export function prefetchJob(parts: DatasetJobParts): JobBody {
  return async ({ signal, show }) => {
    const meter = new ProgressMeter(parts.clock);
    const failures = new FailureLog();
    const { files, bytes } = parts.index.snapshot();
    [meter.totalFiles, meter.totalBytes] = [files, bytes];
    show(meter.read);
    const fitting = new Fitting(parts, await parts.store.space.free());
    const warmer = new Warmer(parts, { bandwidth: null, since: SPARE_ALL, signal, meter, failures });
    try {
      await warmer.run(fitting.of(parts.walk.files(GlobSet.compile([]), { signal })));
    } catch (error) {
      // A reader has taken the room meanwhile.
      if (DlfsError.from(error).code !== 'disk-full') throw error;
      fitting.isFull = true;
    }
    return {
      kind: 'prefetch',
      files: meter.files,
      totalFiles: files,
      fetchedBytes: meter.bytes - meter.skippedBytes,
      residentBytes: meter.skippedBytes,
      full: fitting.isFull,
      failed: failures.report(),
      seconds: meter.seconds,
    };
  };
}

/** Files as long as what is missing of them fits into the room there was at the start. */
class Fitting {
  /** Whether a file had no room. */
  isFull = false;
  readonly #parts: Pick<DatasetJobParts, 'store' | 'blockSize'>;
  #bytes: number;
  #files: number;

  constructor(
    parts: Pick<DatasetJobParts, 'store' | 'blockSize'>,
    room: { readonly bytes: number; readonly files: number },
  ) {
    this.#parts = parts;
    this.#bytes = room.bytes;
    this.#files = room.files;
  }

  async *of(batches: AsyncIterable<readonly MatchedFile[]>): AsyncGenerator<readonly MatchedFile[], void, undefined> {
    for await (const batch of batches) {
      const end = batch.findIndex((file) => !this.#takes(file));
      yield end < 0 ? batch : batch.slice(0, end);
      if (end >= 0) {
        this.isFull = true;
        return;
      }
    }
  }

  #takes({ node }: MatchedFile): boolean {
    const { store, blockSize } = this.#parts;
    if (node.archived || node.size === 0) return true;
    const there = store.allocatedOf(node.ino);
    const bytes = Math.max(0, new BlockGeometry(blockSize, node.size).allocated - there);
    const files = there > 0 ? 0 : 1;
    if (bytes > this.#bytes || files > this.#files) return false;
    this.#bytes -= bytes;
    this.#files -= files;
    return true;
  }
}
