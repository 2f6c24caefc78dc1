/**
 * One stream of reads within a file: where its reader is, what has been planned ahead of it, where the next mark goes.
 *
 * A stream is first a *candidate*: a region [low, high] of blocks that were asked for. Evidence turns it into a *stream* with a
 * stride and a segment length: reads of `length` blocks at `base`, `base + stride`, `base + 2 × stride`… Sequential is stride 1
 * with length 1, backwards is a negative stride. Positions are counted in segments from `base`: `head` is the furthest one asked
 * for, `planned` the first one not yet planned.
 *
 * Invariants:
 * 1. base + head × stride is a block that was asked for; planned > head.
 * 2. planned − head − 1 ≤ window at the moment of planning: no more than the window is ever ahead.
 * 3. The mark, where there is one, lies in (head, planned).
 */
import type { BlockRange } from '../../cache/policy/geometry.ts';

/** What a confirmed stream repeats. */
export interface Pattern {
  /** A block at which a segment begins. */
  readonly base: number;
  /** Blocks from one segment to the next: 1 sequential, negative backwards, never 0. */
  readonly stride: number;
  /** Blocks of a segment, 1…|stride|. */
  length: number;
}

/** A plan made by `extend`. */
export interface Extension {
  /** Nearest to the reader first. */
  readonly ranges: readonly BlockRange[];
  /** The block whose first read should trigger the next extension; null at the file's end. */
  readonly mark: number | null;
}

/** One stream or candidate; its owner decides when it becomes what. See the file's header. */
export class Stream {
  readonly ino: number;
  /** Who was seen in it last. */
  pid: number;
  /** When that was. */
  usedAt: number;
  /** Blocks asked for, while a candidate. */
  low: number;
  high: number;
  /** Steps in ascending order seen so far. */
  steps = 0;
  /** What its reader has done elsewhere in the file since it was here. */
  strays = 0;
  /** Null while a candidate. */
  pattern: Pattern | null = null;
  /** Extensions made since it was confirmed. */
  extensions = 0;

  #window = 0;
  #head = 0;
  #began = 0;
  #planned = 1;
  #markAt = Infinity;

  constructor(ino: number, pid: number, block: number, now: number) {
    this.ino = ino;
    this.pid = pid;
    this.usedAt = now;
    this.low = block;
    this.high = block;
  }

  get confirmed(): boolean {
    return this.pattern !== null;
  }

  /** Segments planned ahead at most. */
  get window(): number {
    return this.#window;
  }

  /** Blocks planned ahead at most. */
  get blocksAhead(): number {
    return this.#window * (this.pattern?.length ?? 1);
  }

  /** True while more lies ahead of its reader than it has read since the stream was confirmed: so far it was a wrong guess. */
  get doubtful(): boolean {
    return this.confirmed && this.#planned - this.#head - 1 > this.#head - this.#began;
  }

  /** The block its reader has reached. */
  get headBlock(): number {
    return this.pattern === null ? this.high : this.#blockOf(this.#head);
  }

  /**
   * Makes a stream of the candidate.
   * @param block where the reader is: a segment's first block
   * @param window segments ahead to begin with, ≥ 1
   */
  confirm(pattern: Pattern, block: number, window: number): void {
    this.pattern = pattern;
    this.#head = (block - pattern.base) / pattern.stride;
    this.#began = this.#head;
    this.#planned = this.#head + 1;
    this.#markAt = this.#planned;
    this.#window = window;
    this.extensions = 0;
  }

  /**
   * Tells whether a block belongs to the stream as it is now.
   * @param back blocks behind the reader that still count: parallel READs arrive out of order
   * @param beyond blocks beyond what is planned that still count
   */
  covers(block: number, back: number, beyond: number): boolean {
    const position = this.#positionOf(block);
    if (position === null || this.pattern === null) return false;
    const size = Math.abs(this.pattern.stride);
    // Not before its beginning, or forward reads would count for a stream that goes backwards.
    const first = Math.max(this.#head - Math.ceil(back / size), this.pattern.stride === 1 ? -back : this.#began);
    return position >= first && position < this.#planned + Math.max(1, Math.floor(beyond / size));
  }

  /** True if the block is behind what is planned, so that it is on disk, or on its way. */
  isPlanned(block: number): boolean {
    const position = this.#positionOf(block);
    return position !== null && position < this.#planned;
  }

  /** Segments from the end of what is planned to the block; 0 for the very next. */
  leapTo(block: number): number {
    return (this.#positionOf(block) ?? this.#planned) - this.#planned;
  }

  /**
   * The reader was at `block`, which the stream covers.
   * @returns true if it has crossed the mark: time to extend
   */
  reach(block: number): boolean {
    const position = this.#positionOf(block);
    if (position === null || this.pattern === null) return false;
    this.#head = Math.max(this.#head, position);
    const within = Math.abs(block - this.#blockOf(position)) + 1;
    if (within > this.pattern.length) this.pattern.length = Math.min(within, Math.abs(this.pattern.stride));
    if (this.#head < this.#markAt) return false;
    this.#planned = Math.max(this.#planned, this.#head + 1);
    return true;
  }

  /**
   * Plans further ahead.
   * @param most segments ahead at most now
   * @param grow whether the window doubles first
   * @param blocks number of blocks of the file
   */
  extend(most: number, grow: boolean, blocks: number): Extension {
    const pattern = this.pattern;
    if (pattern === null) return { ranges: [], mark: null };
    this.#window = Math.max(1, Math.min(most, grow ? this.#window * 2 : this.#window));
    const end = Math.max(this.#planned, this.#head + 1 + this.#window);
    const ranges = this.#rangesOf(this.#planned, end, blocks);
    this.#planned = end;
    this.extensions += 1;
    // The middle of what lies ahead: half a window is still to come while the next half is fetched.
    const mark = this.#head + Math.max(1, Math.ceil(this.#window / 2));
    this.#markAt = mark;
    const block = this.#blockOf(mark);
    // Once all of the file is planned there is nothing left to trigger.
    const last = pattern.stride > 0 ? this.#blockOf(end) >= blocks : this.#blockOf(end) < 0;
    if (last) this.#markAt = Infinity;
    return { ranges, mark: last || block < 0 || block >= blocks ? null : block };
  }

  /** What is planned and lies ahead of the reader, nearest first. */
  ahead(blocks: number): readonly BlockRange[] {
    return this.#rangesOf(this.#head + 1, this.#planned, blocks);
  }

  /** Forgets what is planned; the next read begins again with a quarter of the window. */
  retract(): void {
    this.#planned = this.#head + 1;
    this.#markAt = this.#planned;
    this.#window = Math.max(1, Math.floor(this.#window / 4));
  }

  #blockOf(position: number): number {
    return this.pattern === null ? 0 : this.pattern.base + position * this.pattern.stride;
  }

  /** @returns the segment of a block; null where it lies between segments, or a segment and a half behind one */
  #positionOf(block: number): number | null {
    if (this.pattern === null) return null;
    const { base, stride, length } = this.pattern;
    // A segment may prove to be longer than seen so far: up to twice and one more.
    const reach = Math.min(Math.abs(stride), 2 * length + 1);
    const position = stride > 0 ? Math.floor((block - base) / stride) : Math.ceil((block - base) / stride);
    const offset = block - base - position * stride;
    return offset >= 0 && offset < reach ? position : null;
  }

  #rangesOf(from: number, end: number, blocks: number): BlockRange[] {
    const ranges: { first: number; count: number }[] = [];
    if (this.pattern === null) return ranges;
    const { length } = this.pattern;
    // Going backwards, neighbours are joined only up to a run: the one nearest to the reader must be fetched first.
    const run = Math.ceil((this.#window * length) / 4);
    for (let position = from; position < end; position++) {
      const first = Math.max(0, this.#blockOf(position));
      const count = Math.min(this.#blockOf(position) + length, blocks) - first;
      if (count <= 0) continue;
      const last = ranges.at(-1);
      const ascends = last?.first === first - (last?.count ?? 0);
      const descends = last?.first === first + count && last.count < run;
      if (last === undefined || !(ascends || descends)) {
        ranges.push({ first, count });
        continue;
      }
      last.first = Math.min(last.first, first);
      last.count += count;
    }
    return ranges;
  }
}
