/**
 * The scrub: reads the whole cache back once a period, so slowly that nobody notices, and has what is damaged fetched again.
 *
 * It goes through the cached objects by number. Its pace follows from what there is at its start: the cache's bytes over the period, within
 * a floor (a small cache is done early and rests) and a ceiling (the disk is for readers). Where it is stands in the index.
 *
 * Invariants:
 * 1. It reads at most `bytesPerSecond`, and one page of blocks at a time.
 * 2. A restart goes on where the last note was taken, at most `SAVE_EVERY` earlier.
 * 3. What fails, fails for one object: the scrub goes on.
 * 4. It begins `START_AFTER` behind the start.
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CacheIndex, ScrubMark } from '../index/index.ts';
import { TokenBucket } from '../policy/token-bucket.ts';
import type { BlockCheck } from './block-check.ts';
import { toRanges } from './block-set.ts';

/** What the scrub is made of. */
export interface ScrubOptions {
  readonly index: Pick<CacheIndex, 'scrubMark' | 'saveScrubMark' | 'objects' | 'totals' | 'node'>;
  readonly check: Pick<BlockCheck, 'page'>;
  /** Fetches blocks again, behind everything else. */
  readonly refetch: (ino: number, first: number, count: number, signal: AbortSignal) => Promise<void>;
  /** Whether something of the object is in motion: it is looked at in the next pass. */
  readonly isInUse: (ino: number) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds for one pass over the whole cache. */
  readonly periodMs?: number;
  /** Bytes a second at most. */
  readonly bytesPerSecond?: number;
}

/** A week: as often as file systems with checksums are scrubbed on servers, and 1.7 MB/s for a cache of a terabyte. */
const PERIOD = 7 * 24 * 3_600_000;
/** A tenth of what a SATA disk reads, a hundredth of an NVMe's. */
const MOST = 32 * 1024 * 1024;
/** Slower is of no use: a block in sixteen seconds. */
const LEAST = 64 * 1024;
/** Milliseconds from the start until it begins: there is enough to do then, and a short mount needs none. */
const START_AFTER = 600_000;
/** Blocks read in one go, and objects read from the index. */
const PAGE_BLOCKS = 4;
const PAGE_OBJECTS = 64;
/** Milliseconds between two notes of where it is, and between looks whether there is something to do. */
const SAVE_EVERY = 60_000;
const IDLE = 60_000;

/** See the file's header. Disposing it notes where it is. */
export class Scrub implements AsyncDisposable {
  readonly #o: ScrubOptions;
  readonly #period: number;
  readonly #most: number;
  readonly #stop = new AbortController();
  #mark: ScrubMark;
  #savedAt: number;
  #done: Promise<void> = Promise.resolve();

  constructor(options: ScrubOptions) {
    this.#o = options;
    this.#period = options.periodMs ?? PERIOD;
    this.#most = options.bytesPerSecond ?? MOST;
    this.#mark = options.index.scrubMark();
    this.#savedAt = options.clock.monotonic();
  }

  /** Where it is. */
  get mark(): ScrubMark {
    return this.#mark;
  }

  /** Starts it in the background. */
  start(): void {
    this.#done = this.#run().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#o.log.warn('the scrub of the cache has ended', { err: error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.#save().catch(() => undefined); // an index that is closed or full: the next run begins where it was noted last
  }

  async #run(): Promise<void> {
    const { clock, index } = this.#o;
    const { signal } = this.#stop;
    await clock.sleep(START_AFTER, signal);
    for (;;) {
      const rest = this.#mark.ino === 0 ? this.#mark.beganAtMs + this.#period - clock.wall() : 0;
      if (index.totals().blocks === 0 || (this.#mark.passes > 0 && rest > 0)) {
        await clock.sleep(IDLE, signal);
        continue;
      }
      if (this.#mark.ino === 0) this.#begin();
      await this.#pass();
    }
  }

  #begin(): void {
    const { passes, passedAtMs } = this.#mark;
    this.#mark = { ino: 0, beganAtMs: this.#o.clock.wall(), blocks: 0, bytes: 0, damaged: 0, passes, passedAtMs };
  }

  /** From where it is to the end. */
  async #pass(): Promise<void> {
    const { index, clock, log } = this.#o;
    const bucket = new TokenBucket(this.#rate(), clock.monotonic());
    for (;;) {
      const objects = index.objects(this.#mark.ino, PAGE_OBJECTS);
      for (const { ino } of objects) {
        if (!this.#o.isInUse(ino)) await this.#object(ino, bucket);
        this.#mark = { ...this.#mark, ino };
        if (clock.monotonic() - this.#savedAt > SAVE_EVERY) await this.#save();
      }
      if (objects.length < PAGE_OBJECTS) break;
    }
    const { blocks, bytes, damaged, passes } = this.#mark;
    this.#mark = { ...this.#mark, ino: 0, passes: passes + 1, passedAtMs: clock.wall() };
    await this.#save();
    log.info('the cache was read back', { blocks, bytes, damaged });
  }

  async #object(ino: number, bucket: TokenBucket): Promise<void> {
    const { check, clock } = this.#o;
    const { signal } = this.#stop;
    try {
      for (let first: number | null = 0; first !== null;) {
        await this.#pause(bucket);
        const page = await check.page(ino, first, PAGE_BLOCKS);
        bucket.take(page.bytes, clock.monotonic());
        const { blocks, bytes, damaged } = this.#mark;
        this.#mark = {
          ...this.#mark,
          blocks: blocks + page.blocks,
          bytes: bytes + page.bytes,
          damaged: damaged + page.lost.length,
        };
        if (page.lost.length > 0) await this.#mend(ino, page.lost);
        first = page.next;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      this.#o.log.debug('an object could not be read back', { ino, err: error });
    }
  }

  async #pause(bucket: TokenBucket): Promise<void> {
    const { clock } = this.#o;
    for (let wait = bucket.wait(clock.monotonic()); wait > 0; wait = bucket.wait(clock.monotonic())) {
      await clock.sleep(wait, this.#stop.signal);
    }
    if (this.#stop.signal.aborted) throw new DlfsError('interrupted', 'the scrub was stopped');
  }

  /** What cannot be fetched again now is fetched by its next reader. */
  async #mend(ino: number, lost: readonly number[]): Promise<void> {
    if (this.#o.index.node(ino)?.superseded !== false) return;
    for (const { first, count } of toRanges([...lost])) {
      try {
        await this.#o.refetch(ino, first, count, this.#stop.signal);
      } catch (error) {
        this.#o.log.debug('damaged blocks could not be fetched again', { ino, first, count, err: error });
      }
    }
  }

  #rate(): number {
    const wanted = (this.#o.index.totals().bytes * 1000) / this.#period;
    return Math.min(this.#most, Math.max(LEAST, wanted));
  }

  async #save(): Promise<void> {
    this.#savedAt = this.#o.clock.monotonic();
    await this.#o.index.saveScrubMark(this.#mark);
  }
}
