/**
 * From wanted blocks to runs: which GETs fetch them.
 *
 * A run is consecutive blocks of one object fetched by one GET. The planner takes the blocks that somebody waits for and those
 * that readahead wants, leaves out what is on disk or already being fetched, and cuts the rest into runs.
 *
 * How it cuts. A demanded block never waits behind readahead: it starts a run. Further demanded blocks may follow in the same
 * run as long as at most `maxWait` bytes stream before them; a request of their own would answer them no earlier. Readahead
 * that continues a demanded run rides along. What is left are readahead runs, near the reader first. Two wanted pieces with
 * one absent block between them become one run where that costs less than a request.
 *
 * Invariants:
 * 1. Each wanted block that is neither resident nor in flight lies in exactly one run; no run holds a resident block or one
 *    in flight. (One GET a block, however many ask.)
 * 2. Runs with a demanded block come first; such a run begins with one, and no demanded block has more than `maxWait` bytes
 *    before it in its run.
 * 3. No run is longer than `maxRunBlocks`, except that `maxRunBlocks` counts at least 1.
 * 4. An unwanted block is fetched only as a single gap between wanted ones, and such gaps are at most a quarter of a run.
 */
import type { BlockRange } from './geometry.ts';

/** Who needs it, the most urgent first: a reader waits; one is expected; a job fills the cache; a scrub makes good what it found. */
export const FETCH_PRIORITIES = ['demand', 'readahead', 'fill', 'scrub'] as const;

/** One of them. */
export type FetchPriority = (typeof FETCH_PRIORITIES)[number];

/** Blocks that go into one GET. */
export interface Run extends BlockRange {
  /** `demand` where at least the first block is demanded. */
  readonly priority: 'demand' | 'readahead';
}

/** Input of `planRuns`; all of one object. */
export interface WantedBlocks {
  /** Blocks that readers wait for, in any order, duplicates allowed. */
  readonly demand: Iterable<number>;
  /** What readahead wants, nearest to the reader first; may overlap the demanded ones and each other. */
  readonly readahead: readonly BlockRange[];
  /** On disk, or received and being written. */
  readonly resident: (block: number) => boolean;
  /** In a run that has been planned and has not ended. */
  readonly inFlight: (block: number) => boolean;
  /** Number of blocks of the object. */
  readonly blocks: number;
}

/** Limits of a run. */
export interface RunLimits {
  readonly blockSize: number;
  /** The longest run now: readahead's own (a quarter of its window), at most 16 MiB. */
  readonly maxRunBlocks: number;
  /** Bytes that may stream before a demanded block; see DEFAULT_MAX_WAIT. */
  readonly maxWait?: number;
  /** The largest gap that is fetched along, in bytes; see DEFAULT_MAX_GAP. */
  readonly maxGap?: number;
}

/**
 * One connection to S3 carries 85 to 90 MB/s and answers a new request after 100 to 200 ms (AWS, "Performance guidelines for
 * Amazon S3"): within 4 MiB (47 ms) the open stream wins. On a local origin both are ten times faster, and so is the ratio.
 */
export const DEFAULT_MAX_WAIT = 4 * 1024 * 1024;

/** By the same figures 1 MiB streams in 12 ms and saves a request; 16 MiB blocks are never fetched for nothing. */
export const DEFAULT_MAX_GAP = 1024 * 1024;

/** Wanted blocks that a run must have for each gap it fetches along: at most a quarter of its bytes is a guess. */
const WANTED_PER_GAP = 3;

/**
 * @returns the runs to start, in the order in which they should be started
 */
export function planRuns(wanted: WantedBlocks, limits: RunLimits): Run[] {
  return new Planner(wanted, limits).plan();
}

/** One call's working sets. */
class Planner {
  readonly #maxRun: number;
  readonly #maxLead: number;
  readonly #gaps: boolean;
  readonly #demand: ReadonlySet<number>;
  readonly #ahead: ReadonlySet<number>;
  readonly #absent: (block: number) => boolean;
  readonly #taken = new Set<number>();

  constructor(wanted: WantedBlocks, limits: RunLimits) {
    const { blockSize } = limits;
    this.#maxRun = Math.max(1, Math.floor(limits.maxRunBlocks));
    this.#maxLead = Math.floor((limits.maxWait ?? DEFAULT_MAX_WAIT) / blockSize);
    this.#gaps = blockSize <= (limits.maxGap ?? DEFAULT_MAX_GAP);
    this.#absent = (block) => block >= 0 && block < wanted.blocks && !wanted.resident(block) && !wanted.inFlight(block);
    this.#demand = new Set([...wanted.demand].filter(this.#absent).sort((a, b) => a - b));
    this.#ahead = new Set(expand(wanted.readahead, wanted.blocks).filter(this.#absent));
  }

  plan(): Run[] {
    const runs: Run[] = [];
    for (const block of this.#demand) {
      if (!this.#taken.has(block)) runs.push(this.#demanded(block));
    }
    for (const block of this.#ahead) {
      if (this.#taken.has(block)) continue;
      runs.push(this.#take(block, this.#grow(block, this.#maxRun, this.#isAhead), 'readahead'));
    }
    return runs;
  }

  readonly #isDemanded = (block: number): boolean => this.#demand.has(block) && !this.#taken.has(block);

  readonly #isAhead = (block: number): boolean =>
    this.#ahead.has(block) && !this.#demand.has(block) && !this.#taken.has(block);

  /** Demanded blocks first, then the readahead that continues them, up to the next demanded block. */
  #demanded(first: number): Run {
    let end = this.#grow(first, Math.min(this.#maxRun, this.#maxLead + 1), this.#isDemanded);
    while (end < first + this.#maxRun && this.#isAhead(end)) end += 1;
    return this.#take(first, end, 'demand');
  }

  /** @returns the end of the run from `first`, of wanted blocks and at most a gap for every three of them */
  #grow(first: number, most: number, isWanted: (block: number) => boolean): number {
    let end = first + 1;
    let [count, gaps] = [1, 0];
    for (;;) {
      if (end < first + most && isWanted(end)) end += 1;
      else if (this.#bridges(end, first + most, isWanted) && count + 1 >= WANTED_PER_GAP * (gaps + 1)) {
        end += 2;
        gaps += 1;
      } else return end;
      count += 1;
    }
  }

  /** Whether `gap` is worth fetching along: absent, unwanted by anyone, and the block behind it wanted. */
  #bridges(gap: number, end: number, isWanted: (block: number) => boolean): boolean {
    if (!this.#gaps || gap + 1 >= end || !isWanted(gap + 1)) return false;
    return this.#absent(gap) && !this.#taken.has(gap) && !this.#demand.has(gap);
  }

  #take(first: number, end: number, priority: Run['priority']): Run {
    for (let block = first; block < end; block++) this.#taken.add(block);
    return { first, count: end - first, priority };
  }
}

/** The blocks of the ranges in their order, clipped to the object. */
function expand(ranges: readonly BlockRange[], blocks: number): number[] {
  return ranges.flatMap(({ first, count }) => {
    const start = Math.max(0, first);
    return Array.from({ length: Math.max(0, Math.min(first + count, blocks) - start) }, (_, index) => start + index);
  });
}
