/**
 * `verify`: every cached block is read back and held against its hash, the index against the disk, and the disk against the index.
 *
 * A damaged block is out of service from the moment it is found. `repair` fetches it again at once instead of with the next
 * read, and deletes what no index entry vouches for.
 *
 * Invariants:
 * 1. Without `repair` no cache file is deleted or written to.
 * 2. What a reader fetches meanwhile, or an eviction drops, is neither damaged nor missing.
 */
import { lstat } from 'node:fs/promises';
import { requireGoingOn } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { BlockCheck } from '../../cache/blocks/block-check.ts';
import { toRanges } from '../../cache/blocks/block-set.ts';
import { objectPath } from '../../cache/blocks/object-path.ts';
import { Sweep, type SweepReport } from '../../cache/blocks/sweep.ts';
import type { ObjectRow } from '../../cache/index/rows.ts';
import { TokenBucket } from '../../cache/policy/token-bucket.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import { FailureLog } from './failures.ts';
import type { JobBody } from './job-body.ts';
import { MAX_SAMPLE, type VerifyReport } from './job-types.ts';
import { ProgressMeter } from './meter.ts';

/** What is asked for. */
export interface VerifySpec {
  readonly repair: boolean;
  /** Bytes a second at most; null: no limit. */
  readonly bandwidth: number | null;
}

/** Blocks read back in one go; objects read from the index, and objects looked at side by side. */
const PAGE_BLOCKS = 64;
const PAGE_OBJECTS = 256;
const SIDE_BY_SIDE = 4;

interface Tally {
  blocks: number;
  bytes: number;
  readonly sample: string[];
}

/** The job. */
export function verifyJob(parts: DatasetJobParts, spec: VerifySpec): JobBody {
  return async ({ signal, show }) => {
    const verification = new Verification(parts, spec, signal);
    show(verification.meter.read);
    return await verification.run();
  };
}

/** One run of it. */
class Verification {
  readonly meter: ProgressMeter;
  readonly #parts: DatasetJobParts;
  readonly #repair: boolean;
  readonly #signal: AbortSignal;
  readonly #check: BlockCheck;
  readonly #bucket: TokenBucket | null;
  readonly #checked = { files: 0, blocks: 0, bytes: 0 };
  readonly #damaged: Tally = { blocks: 0, bytes: 0, sample: [] };
  readonly #missing: Tally = { blocks: 0, bytes: 0, sample: [] };
  readonly #repaired = { blocks: 0, bytes: 0 };
  readonly #failures = new FailureLog();

  constructor(parts: DatasetJobParts, { repair, bandwidth }: VerifySpec, signal: AbortSignal) {
    this.#parts = parts;
    this.#repair = repair;
    this.#signal = signal;
    this.meter = new ProgressMeter(parts.clock);
    this.#check = new BlockCheck(parts);
    this.#bucket = bandwidth === null ? null : new TokenBucket(bandwidth, parts.clock.monotonic());
  }

  async run(): Promise<VerifyReport> {
    const { store, index } = this.#parts;
    await store.proveRest();
    await store.flush();
    const { bytes, files } = index.totals();
    this.meter.totalBytes = bytes;
    this.meter.totalFiles = files;
    for (let after = 0; ;) {
      const page = index.objects(after, PAGE_OBJECTS);
      for (let at = 0; at < page.length; at += SIDE_BY_SIDE) {
        await Promise.all(page.slice(at, at + SIDE_BY_SIDE).map((object) => this.#object(object)));
      }
      after = page.at(-1)?.ino ?? after;
      if (page.length < PAGE_OBJECTS) break;
    }
    // What was fetched again must be known to the index, or the sweep takes it for space that nobody knows.
    await store.flush();
    const swept = await this.#sweep();
    return {
      kind: 'verify',
      repair: this.#repair,
      checked: { ...this.#checked },
      damaged: this.#damaged,
      missing: this.#missing,
      orphans: { files: swept.deleted, bytes: swept.deletedBytes, excessFiles: swept.trimmed },
      repaired: { ...this.#repaired },
      notRepaired: this.#failures.report(),
      seconds: this.meter.seconds,
    };
  }

  async #sweep(): Promise<SweepReport> {
    const { objects, index, store, log } = this.#parts;
    await using sweep = new Sweep({ objects, index, store, log, dry: !this.#repair });
    return await sweep.run();
  }

  async #object({ ino, bytes }: ObjectRow): Promise<void> {
    const { index, store } = this.#parts;
    requireGoingOn(this.#signal);
    const isThere = await this.#hasFile(ino);
    // Evicted since, or just being so: there is nothing to verify.
    if (index.object(ino) === null || (!isThere && store.isInUse(ino))) return;
    this.#checked.files += 1;
    const lost: number[] = [];
    for (let first: number | null = 0; first !== null;) {
      await pause(this.#bucket, this.#parts.clock, this.#signal);
      requireGoingOn(this.#signal);
      const page = await this.#check.page(ino, first, PAGE_BLOCKS);
      this.#bucket?.take(page.bytes, this.#parts.clock.monotonic());
      this.#checked.blocks += page.blocks;
      this.#checked.bytes += page.bytes;
      this.meter.worked(page.bytes);
      for (const block of page.lost) lost.push(block);
      first = page.next;
    }
    this.meter.files += 1;
    if (lost.length === 0) return;
    const path = this.#pathOf(ino);
    const tally = isThere ? this.#damaged : this.#missing;
    tally.blocks += lost.length;
    tally.bytes += Math.min(bytes, this.#bytesOf(ino, lost));
    if (tally.sample.length < MAX_SAMPLE) tally.sample.push(path);
    if (this.#repair) await this.#mend(ino, path, lost);
  }

  async #mend(ino: number, path: string, lost: number[]): Promise<void> {
    const { fills, index } = this.#parts;
    try {
      const node = index.node(ino);
      if (node === null || node.superseded)
        throw new DlfsError('gone', 'the origin has another version by now: the blocks are dropped');
      for (const range of toRanges(lost)) {
        await fills.fetch(ino, range, { priority: 'fill', signal: this.#signal });
        this.#repaired.blocks += range.count;
      }
      this.#repaired.bytes += this.#bytesOf(ino, lost);
      this.#failures.succeeded();
    } catch (error) {
      if (DlfsError.from(error).code === 'interrupted') throw error;
      this.#failures.note(path, error);
    }
  }

  async #hasFile(ino: number): Promise<boolean> {
    return await lstat(objectPath(this.#parts.objects, ino)).then(
      (found) => found.isFile(),
      () => false,
    );
  }

  #bytesOf(ino: number, blocks: readonly number[]): number {
    try {
      const geometry = this.#parts.store.geometryOf(ino);
      return blocks.reduce((sum, block) => sum + geometry.lengthOf(block), 0);
    } catch {
      return 0; // the version was purged meanwhile
    }
  }

  #pathOf(ino: number): string {
    try {
      return this.#parts.index.keyOf(ino);
    } catch {
      return `inode ${ino}`;
    }
  }
}

async function pause(bucket: TokenBucket | null, clock: Clock, signal: AbortSignal): Promise<void> {
  if (bucket === null) return;
  for (let wait = bucket.wait(clock.monotonic()); wait > 0; wait = bucket.wait(clock.monotonic())) {
    await clock.sleep(wait, signal);
  }
}
