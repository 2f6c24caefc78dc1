/**
 * Readahead within a file: which blocks a reader will want next.
 *
 * What comes in are the misses and marks that reach the daemon, a block each: a read of a resident block is answered without
 * anybody here knowing, unless the block carries a mark. What goes out are blocks to fetch, the next mark to set, and ranges
 * that are no longer wanted.
 *
 * How it works. Each file has a few streams (stream.ts). An event belongs to a stream by its *place*, not by its pid: four processes
 * that read one file together look like one reader, since only the first to ask for a block is heard. (gcsfuse tells readers by
 * file handle and takes shared files for random: its issues 1318 and 1830.) The pid decides between streams and finds strides:
 *
 *   - *sequential*: a block next to one that was asked for, in ascending order; or the file's first block. The window ahead
 *     starts at one block or two and doubles, as in the Linux kernel's own readahead, each time the reader crosses the mark in the
 *     middle of what is ahead; up to 64 MiB, or this stream's share of the budget.
 *   - *strided*, *backwards*: equal steps of one pid between places that nobody had planned. Backwards is a stride of −1.
 *   - *random*: anything else gets the block it asked for and nothing more.
 *
 * Guesses that turn out wrong make the file's streams harder to start (`doubt`), guesses that turn out right easier again.
 *
 * Invariants:
 * 1. A miss is always answered with its own block, as demand, and that block first; a mark never with demand.
 * 2. Nothing outside the file is ever named.
 * 3. What is ahead of one stream never exceeds `maxAhead`, nor the budget divided by the streams in use (at least one block or
 *    segment each).
 * 4. Memory is bounded: at most `maxStreams` streams and candidates, `maxStreamsPerFile` in one file, and one small record for each
 *    of the last pids of a remembered file.
 * 5. A cancelled range holds no block that another stream of the file has planned.
 */
import type { BlockRange } from '../../cache/policy/geometry.ts';
import type { FetchPriority } from '../../cache/policy/runs.ts';
import type { PlannedReader } from '../../cache/policy/self-evict.ts';
import { RecencyMap } from './recency.ts';
import { Stream, type Extension } from './stream.ts';

/** A miss or a mark that reached the daemon. */
export interface BlockEvent {
  /** The file's inode number. */
  readonly ino: number;
  /** Who reads: the thread id from the request's header; 0 when unknown. */
  readonly pid: number;
  /** Which block. */
  readonly block: number;
  /** Number of blocks of the file. */
  readonly blocks: number;
  /** `miss`: a reader waits for it (it may be in flight already); `mark`: it was there, and carried our mark. */
  readonly kind: 'miss' | 'mark';
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** Blocks to fetch, in the order of their use. */
export interface PlannedRange extends BlockRange {
  readonly priority: FetchPriority;
}

/** What to do after an event. */
export interface ReadaheadStep {
  /** May hold resident blocks and blocks in flight: the run planner leaves them out. */
  readonly fetch: readonly PlannedRange[];
  /** Set a mark on this block of the file; null: none. Older marks may stay: they do no harm. */
  readonly mark: number | null;
  /** Blocks of the file whose fetches, where they have not begun, need not. */
  readonly cancel: readonly BlockRange[];
  /** The longest run that suits the stream: a quarter of its window, so that four requests share it. */
  readonly maxRunBlocks: number;
}

/** Options; each has its reason at the defaults. */
export interface SequentialOptions {
  /** Bytes of a block. */
  readonly blockSize: number;
  /** Bytes ahead of one stream at most. */
  readonly maxAhead?: number;
  /** Bytes ahead of all streams together; see `setBudget`. */
  readonly budget?: number;
  /** Streams and candidates remembered, half of it each. */
  readonly maxStreams?: number;
  /** Streams and candidates remembered of one file. */
  readonly maxStreamsPerFile?: number;
}

const MIB = 1024 * 1024;

// 64 MiB: at 1.25 GB/s of one stream these are 50 ms, half an S3 round trip; with four runs of 16 MiB in flight the pipe is full
// at any distance that one stream can use. mountpoint-s3 goes to 2 GiB in memory, and its trackers show what that costs (#1556).
const MAX_AHEAD = 64 * MIB;
const BUDGET = 512 * MIB;
const MAX_STREAMS = 4096;
// A reader of columns keeps a stream a column; 32 cover the wide tables, and a scan over them costs a microsecond.
const MAX_STREAMS_PER_FILE = 32;

/** The longest run of one GET. */
const MAX_RUN = 16 * MIB;

// The kernel sends the READs of its own readahead in parallel, up to read_ahead_kb (4 to 16 MiB here) around the reader's place, and
// several threads receive them. mountpoint-s3 met 256 KiB backwards and 512 KiB forwards with the kernel's default of 128 KiB.
const REORDER = 16 * MIB;
/** The same for a candidate, of the same pid: small, since each false start costs blocks. */
const CANDIDATE_REORDER = 4 * MIB;

// Equal steps that make a stride; more for steps as short as those between parallel READs of a sequential reader.
const STEPS = 2;
const NEAR_STEPS = 4;

// A stream that was idle this long no longer takes a share of the budget.
const IDLE = 30_000;

// What a reader may do elsewhere before what is planned for it is cancelled: three random reads (2 each), or six events of other
// streams; and two more for each stream it keeps, so that readers of many columns do not cancel each other's.
const STRAYS = 6;
const STRAY_NEW = 2;
const STRAY_OTHER = 1;
const STRAYS_PER_STREAM = 2;

/** Wrong guesses that make starting harder, each by one more step. */
const MAX_DOUBT = 3;
/** Extensions after which a stream was right: its window has been 8 blocks. */
const PROVEN = 3;
/** Blocks a stride may leap; farther, two equal steps are a coincidence in a file of any size. */
const MAX_STRIDE_BYTES = 1024 * MIB;
/** Pids remembered of one file. */
const MAX_PIDS = 64;

const NOTHING: Extension = { ranges: [], mark: null };

/** Where a pid's last unplanned reads began: two equal steps are a stride. */
interface Steps {
  start: number;
  delta: number;
  /** How often that delta was seen in a row. */
  times: number;
  /** The stream or candidate that began there: its length is the segment's. */
  stream: Stream;
}

interface FileState {
  /** Most recently used last. */
  streams: Stream[];
  readonly steps: RecencyMap<number, Steps>;
  doubt: number;
  blocks: number;
}

/** Readahead within files; holds no clock and starts nothing. See the file's header. */
export class SequentialReadahead {
  readonly #blockSize: number;
  readonly #maxAhead: number;
  readonly #perFile: number;
  readonly #files = new Map<number, FileState>();
  /** Candidates and streams apart: a random reader makes a candidate of each read, a stream is heard once a half window. */
  readonly #candidates: RecencyMap<Stream, Stream>;
  readonly #confirmed: RecencyMap<Stream, Stream>;
  /** Confirmed streams in use, least recently used first. */
  readonly #active = new RecencyMap<Stream, Stream>(Infinity);
  #budget: number;

  constructor(options: SequentialOptions) {
    this.#blockSize = options.blockSize;
    this.#maxAhead = options.maxAhead ?? MAX_AHEAD;
    this.#budget = options.budget ?? BUDGET;
    this.#perFile = options.maxStreamsPerFile ?? MAX_STREAMS_PER_FILE;
    const half = Math.max(1, Math.floor((options.maxStreams ?? MAX_STREAMS) / 2));
    const drop = (stream: Stream): void => {
      this.#drop(stream);
    };
    this.#candidates = new RecencyMap(half, drop);
    this.#confirmed = new RecencyMap(half, drop);
  }

  /** Streams and candidates remembered. */
  get streams(): number {
    return this.#candidates.size + this.#confirmed.size;
  }

  /**
   * Sets the bytes that may be ahead of all streams together: what memory allows, and at most a quarter of the cache, since
   * what is fetched ahead must not push out what is not read yet.
   */
  setBudget(bytes: number): void {
    this.#budget = bytes;
  }

  /** Takes one event; events of one batch in their order. */
  on(event: BlockEvent): ReadaheadStep {
    const file = this.#file(event);
    const stream = this.#match(file, event);
    const cancel: BlockRange[] = [];
    const extension = stream === null ? this.#begin(file, event, cancel) : this.#go(file, stream, event);
    this.#stray(file, event, stream, cancel);
    const demand: PlannedRange[] = event.kind === 'miss' ? [{ first: event.block, count: 1, priority: 'demand' }] : [];
    const window = (stream ?? file.streams.at(-1))?.blocksAhead ?? 1;
    return {
      fetch: [...demand, ...extension.ranges.map((range) => ({ ...range, priority: 'readahead' as const }))],
      mark: extension.mark,
      cancel,
      maxRunBlocks: Math.max(1, Math.min(Math.floor(window / 4), Math.floor(MAX_RUN / this.#blockSize))),
    };
  }

  /** The file's streams that are in use: where each reader is, which way it goes, and what is planned ahead of it. */
  readers(ino: number, now: number): PlannedReader[] {
    const file = this.#files.get(ino);
    const inUse = file?.streams.filter((stream) => stream.confirmed && now - stream.usedAt < IDLE) ?? [];
    return inUse.map((stream) => ({
      block: stream.headBlock,
      direction: (stream.pattern?.stride ?? 1) < 0 ? -1 : 1,
      planned: stream.ahead(file?.blocks ?? 0),
    }));
  }

  /**
   * Nobody will read the file any more: forgotten by the kernel, evicted, or gone at the origin.
   * @returns what was planned ahead in it and need not be fetched
   */
  forget(ino: number): BlockRange[] {
    const file = this.#files.get(ino);
    if (file === undefined) return [];
    const cancel = file.streams.flatMap((stream) => [...stream.ahead(file.blocks)]);
    for (const stream of file.streams) {
      this.#candidates.delete(stream);
      this.#confirmed.delete(stream);
      this.#active.delete(stream);
    }
    this.#files.delete(ino);
    return cancel;
  }

  #file(event: BlockEvent): FileState {
    let file = this.#files.get(event.ino);
    if (file === undefined) {
      file = { streams: [], steps: new RecencyMap(MAX_PIDS), doubt: 0, blocks: event.blocks };
      this.#files.set(event.ino, file);
    }
    file.blocks = event.blocks;
    return file;
  }

  /** The stream or candidate that the event continues: the pid's own first, then the most recently used. */
  #match(file: FileState, event: BlockEvent): Stream | null {
    let other: Stream | null = null;
    for (const stream of file.streams.toReversed()) {
      if (!this.#continues(stream, event)) continue;
      if (stream.pid === event.pid) return stream;
      other ??= stream;
    }
    return other;
  }

  #continues(stream: Stream, event: BlockEvent): boolean {
    const { block, pid } = event;
    if (stream.confirmed) {
      // A place beyond the plan may be a seek; the further the stream has come, the more it is trusted to be a gap.
      const back = Math.floor(REORDER / this.#blockSize);
      const beyond = Math.min(back, 2 * stream.window * (stream.pattern?.length ?? 1));
      return stream.covers(block, back, Math.max(1, beyond));
    }
    const own = stream.pid === pid && event.kind === 'miss';
    const tolerance = own ? Math.max(1, Math.floor(CANDIDATE_REORDER / this.#blockSize)) : 1;
    return block >= stream.low - 1 && block <= stream.high + tolerance;
  }

  /** An event that continues a stream or candidate. */
  #go(file: FileState, stream: Stream, event: BlockEvent): Extension {
    this.#touch(file, stream, event);
    if (!stream.confirmed) return this.#weigh(file, stream, event);
    const leap = stream.leapTo(event.block);
    if (leap > 0) {
      const strided = this.#step(file, stream, event);
      if (strided !== null) return strided;
    }
    if (!stream.reach(event.block)) return NOTHING;
    const extension = stream.extend(this.#share(stream, event.now), leap <= 0, event.blocks);
    if (stream.extensions >= PROVEN) file.doubt = 0;
    return extension;
  }

  /** Evidence for a candidate: ascending steps next to each other make it sequential. */
  #weigh(file: FileState, stream: Stream, event: BlockEvent): Extension {
    const { block } = event;
    if (block > stream.high) stream.steps += 1;
    const descends = block < stream.low;
    stream.low = Math.min(stream.low, block);
    stream.high = Math.max(stream.high, block);
    if (stream.steps > file.doubt) return this.#confirm(stream, event, { base: stream.high, stride: 1, length: 1 }, 2);
    return descends ? (this.#step(file, stream, event) ?? NOTHING) : NOTHING;
  }

  /** An event that continues nothing: a new candidate, a stride, or the file's beginning. */
  #begin(file: FileState, event: BlockEvent, cancel: BlockRange[]): Extension {
    const stream = new Stream(event.ino, event.pid, event.block, event.now);
    file.streams.push(stream);
    this.#candidates.set(stream, stream);
    this.#limit(file, cancel);
    if (event.kind === 'mark') return NOTHING;
    const strided = this.#step(file, stream, event);
    if (strided !== null) return strided;
    // Most readers that begin at the beginning go on: the next block comes along (so does the kernel's readahead, from offset 0).
    if (event.block === 0 && file.doubt === 0)
      return this.#confirm(stream, event, { base: 0, stride: 1, length: 1 }, 1);
    return NOTHING;
  }

  /** Drops the oldest candidate of a file that has too many streams; the oldest stream where there is no other candidate. */
  #limit(file: FileState, cancel: BlockRange[]): void {
    if (file.streams.length <= this.#perFile) return;
    const candidates = file.streams.filter((stream) => !stream.confirmed);
    const old = candidates.length > this.#perFile / 2 ? candidates[0] : file.streams.find((stream) => stream.confirmed);
    if (old === undefined) return;
    cancel.push(...this.#unshared(file, old));
    this.#drop(old);
  }

  /** A place that nobody had planned: equal steps of one pid are a stride. */
  #step(file: FileState, stream: Stream, event: BlockEvent): Extension | null {
    const before = file.steps.use(event.pid);
    const delta = before === undefined ? 0 : event.block - before.start;
    const times = delta === before?.delta ? before.times + 1 : 1;
    file.steps.set(event.pid, { start: event.block, delta, times, stream });
    if (before === undefined || delta === 0) return null;
    const near = Math.abs(delta) * this.#blockSize <= REORDER;
    if (times < (near ? NEAR_STEPS : STEPS)) return null;
    if (Math.abs(delta) * this.#blockSize > MAX_STRIDE_BYTES) return null;
    // What was read from the last place on is a segment's length, as far as anybody saw it.
    const seen = before.stream.headBlock - before.start + 1;
    const length = Math.max(1, Math.min(seen, Math.abs(delta)));
    return this.#confirm(stream, event, { base: event.block, stride: delta, length }, 1);
  }

  #confirm(
    stream: Stream,
    event: BlockEvent,
    pattern: { base: number; stride: number; length: number },
    window: number,
  ): Extension {
    stream.confirm(pattern, pattern.base, window);
    this.#candidates.delete(stream);
    this.#confirmed.set(stream, stream);
    this.#active.set(stream, stream);
    return stream.extend(this.#share(stream, event.now), false, event.blocks);
  }

  /** Segments that may be ahead of the stream now. */
  #share(stream: Stream, now: number): number {
    for (const idle of this.#active.values()) {
      if (now - idle.usedAt < IDLE) break;
      this.#active.delete(idle);
    }
    const bytes = Math.min(this.#maxAhead, this.#budget / Math.max(1, this.#active.size));
    return Math.max(1, Math.floor(bytes / this.#blockSize / (stream.pattern?.length ?? 1)));
  }

  #touch(file: FileState, stream: Stream, event: BlockEvent): void {
    stream.pid = event.pid;
    stream.usedAt = event.now;
    stream.strays = 0;
    (stream.confirmed ? this.#confirmed : this.#candidates).use(stream);
    if (stream.confirmed) this.#active.set(stream, stream);
    if (file.streams.at(-1) === stream) return;
    file.streams = file.streams.filter((other) => other !== stream);
    file.streams.push(stream);
  }

  /** Counts the event against the pid's other streams of the file; one that it has left loses its plan. */
  #stray(file: FileState, event: BlockEvent, stream: Stream | null, cancel: BlockRange[]): void {
    const current = stream ?? file.streams.at(-1);
    const others = file.streams.filter((other) => other !== current && other.confirmed && other.pid === event.pid);
    for (const other of others) {
      other.strays += stream === null ? STRAY_NEW : STRAY_OTHER;
      if (other.strays < STRAYS + STRAYS_PER_STREAM * (others.length - 1)) continue;
      other.strays = 0;
      this.#blame(file, other);
      cancel.push(...this.#unshared(file, other));
      other.retract();
      this.#active.delete(other);
    }
  }

  /** A stream that never came to anything was a wrong guess. */
  #blame(file: FileState, stream: Stream): void {
    if (stream.doubtful) file.doubt = Math.min(MAX_DOUBT, file.doubt + 1);
  }

  /** Forgets a stream; its file too, when it was the last. */
  #drop(stream: Stream): void {
    this.#candidates.delete(stream);
    this.#confirmed.delete(stream);
    this.#active.delete(stream);
    const file = this.#files.get(stream.ino);
    if (file === undefined) return;
    this.#blame(file, stream);
    file.streams = file.streams.filter((other) => other !== stream);
    if (file.streams.length === 0) this.#files.delete(stream.ino);
  }

  /** What only this stream has planned ahead. */
  #unshared(file: FileState, stream: Stream): BlockRange[] {
    const others = file.streams.filter((other) => other !== stream && other.confirmed);
    const kept = others.flatMap((other) => [...other.ahead(file.blocks)]);
    return stream.ahead(file.blocks).flatMap((range) => subtract(range, kept));
  }
}

/** @returns the parts of `range` that lie in none of `others` */
function subtract(range: BlockRange, others: readonly BlockRange[]): BlockRange[] {
  return others.reduce<BlockRange[]>((parts, other) => parts.flatMap((part) => without(part, other)), [range]);
}

function without(range: BlockRange, other: BlockRange): BlockRange[] {
  const end = range.first + range.count;
  const otherEnd = other.first + other.count;
  if (otherEnd <= range.first || other.first >= end) return [range];
  return [
    { first: range.first, count: other.first - range.first },
    { first: otherEnd, count: end - otherEnd },
  ].filter((part) => part.count > 0);
}
