/**
 * Fetches the blocks of files that are not on the disk: as many at a time as keep the origin busy, never more than the
 * scheduler has room for, within a limit of bytes a second.
 *
 * Invariants:
 * 1. At most `lookahead` bytes and `MAX_RANGES` ranges are under way; memory does not grow with the number of files.
 * 2. What is on the disk is not asked for: to go on after a stop is to begin anew.
 * 3. Nothing that was used since the start is evicted for its sake, least of all what it has fetched itself.
 */
import { requireGoingOn } from '../../base/abort.ts';
import { DlfsError } from '../../base/errors.ts';
import { absentRanges } from '../../cache/blocks/block-set.ts';
import { BlockGeometry, type BlockRange } from '../../cache/policy/geometry.ts';
import { TokenBucket } from '../../cache/policy/token-bucket.ts';
import type { MatchedFile } from '../../fs/snapshot/glob-walk.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import type { FailureLog } from './failures.ts';
import type { ProgressMeter } from './meter.ts';

/** Ranges under way at most: twice what the scheduler ever runs of small files. */
const MAX_RANGES = 256;
/** Bytes under way at most, and their share of the block buffers. */
const MAX_LOOKAHEAD = 64 * 1024 * 1024;
const MEMORY_SHARE = 4;
/** Bytes of one GET at most: at 85 MB/s a connection, a fifth of a second. */
const MAX_RUN = 16 * 1024 * 1024;

/** What warming needs of a dataset. */
export type WarmParts = Pick<DatasetJobParts, 'index' | 'store' | 'fills' | 'blockSize' | 'memory' | 'clock'>;

/** How to warm. */
export interface WarmOptions {
  /** Bytes a second; null: no limit. */
  readonly bandwidth: number | null;
  /** What was used since then, on the wall clock, is not evicted for its sake. */
  readonly since: number;
  readonly signal: AbortSignal;
  readonly meter: ProgressMeter;
  readonly failures: FailureLog;
}

/** A file whose ranges are under way. */
interface FileState {
  readonly path: string;
  /** Ranges that have not ended. */
  left: number;
  failed: boolean;
}

/** See the file's header; for one job. */
export class Warmer {
  readonly #parts: WarmParts;
  readonly #options: WarmOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #bucket: TokenBucket | null;
  readonly #lookahead: number;
  readonly #maxRunBlocks: number;
  readonly #since: number;
  #ranges = 0;
  #bytes = 0;
  #freed = Promise.withResolvers<undefined>();
  #error: DlfsError | null = null;

  constructor(parts: WarmParts, options: WarmOptions) {
    this.#parts = parts;
    this.#options = options;
    const { blockSize, memory, clock } = parts;
    const { bandwidth, signal } = options;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#since = options.since;
    this.#bucket = bandwidth === null ? null : new TokenBucket(bandwidth, clock.monotonic());
    this.#lookahead = Math.max(2 * blockSize, Math.min(MAX_LOOKAHEAD, Math.floor(memory / MEMORY_SHARE)));
    const run = Math.min(MAX_RUN, this.#lookahead / 2, bandwidth ?? Infinity);
    this.#maxRunBlocks = Math.max(1, Math.floor(run / blockSize));
  }

  /**
   * Fetches what is missing of the files.
   * @throws DlfsError the first failure that is not a single file's own; `interrupted`. What was fetched stays
   */
  async run(files: AsyncIterable<readonly MatchedFile[]>): Promise<void> {
    try {
      for await (const batch of files) {
        for (const file of batch) await this.#file(file);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      while (this.#ranges > 0) await this.#freed.promise;
    }
    if (this.#error !== null) throw this.#error;
  }

  async #file({ node, path }: MatchedFile): Promise<void> {
    const { meter, failures } = this.#options;
    const { index, store, blockSize } = this.#parts;
    const geometry = new BlockGeometry(blockSize, node.size);
    if (store.isWhole(node.ino) || geometry.blocks === 0) {
      meter.skipped(node.size);
      meter.files += 1;
      return;
    }
    const resident = index.object(node.ino)?.resident ?? new Uint8Array(0);
    const absent = cut(absentRanges(resident, geometry.blocks), this.#maxRunBlocks);
    const missing = absent.reduce((sum, range) => sum + geometry.bytesOfRange(range).length, 0);
    meter.skipped(node.size - missing);
    if (node.archived) {
      meter.files += 1;
      const message = 'the object is in an archive storage class: restore it at the origin first';
      failures.note(path, new DlfsError('archived', message));
      return;
    }
    const state = { path, left: absent.length, failed: false };
    for (const range of absent) {
      // One failure speaks for the file: its other ranges would fail alike.
      if (state.failed) this.#rangeEnded(state);
      else await this.#range(node.ino, range, geometry.bytesOfRange(range).length, state);
    }
  }

  #rangeEnded(state: FileState): void {
    state.left -= 1;
    if (state.left > 0) return;
    this.#options.meter.files += 1;
    if (!state.failed) this.#options.failures.succeeded();
  }

  async #range(ino: number, range: BlockRange, length: number, state: FileState): Promise<void> {
    const { meter, failures } = this.#options;
    await this.#room(length);
    this.#ranges += 1;
    this.#bytes += length;
    void this.#parts.fills
      .fetch(ino, range, { priority: 'fill', spareSince: this.#since, signal: this.#signal })
      .then(
        () => {
          meter.worked(length);
        },
        (error: unknown) => {
          if (state.failed) return;
          state.failed = true;
          this.#guard(() => {
            failures.note(state.path, error);
          });
        },
      )
      .finally(() => {
        this.#rangeEnded(state);
        this.#ranges -= 1;
        this.#bytes -= length;
        this.#freed.resolve(undefined);
        this.#freed = Promise.withResolvers();
      });
  }

  /** Waits until a range may start. */
  async #room(length: number): Promise<void> {
    const { clock } = this.#parts;
    while (this.#ranges >= MAX_RANGES || (this.#ranges > 0 && this.#bytes + length > this.#lookahead)) {
      await this.#freed.promise;
    }
    if (this.#bucket !== null) {
      for (let wait = this.#bucket.wait(clock.monotonic()); wait > 0; wait = this.#bucket.wait(clock.monotonic())) {
        await clock.sleep(wait, this.#signal);
      }
      this.#bucket.take(length, clock.monotonic());
    }
    if (this.#error !== null) throw this.#error;
    requireGoingOn(this.#signal);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The first failure is the job's; what is under way is given up. */
  #fail(error: unknown): void {
    this.#error ??= DlfsError.from(error);
    this.#stop.abort(this.#error);
  }
}

function* cutOne({ first, count }: BlockRange, most: number): Generator<BlockRange> {
  for (let at = first; at < first + count; at += most) yield { first: at, count: Math.min(most, first + count - at) };
}

function cut(ranges: readonly BlockRange[], most: number): BlockRange[] {
  return ranges.flatMap((range) => [...cutOne(range, most)]);
}
