/**
 * One walk through the files of a directory: what is prefetched ahead of its reader, and where the next files come from.
 *
 * A walk takes every `stride`-th sibling from a cursor on, in name order, and goes on in the next directory at the end of one if
 * its reader was seen to do so. Prefetched files are *outstanding* until they are read; their number is bounded by the window,
 * which doubles as files are read. A walk whose guesses are not read stands still by itself: its window is full.
 *
 * Invariants:
 * 1. Outstanding files ≤ window, outstanding bytes ≤ the bytes allowed (one file is always allowed).
 * 2. Each sibling is looked at once.
 * 3. Counted once a file: read, or wasted.
 */

/** A file of a directory. */
export interface Sibling {
  readonly ino: number;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** What a walk asks of the index; synchronous, a few microseconds each. */
export interface DirectoryLookups {
  /** @returns the visible files of `dir` behind `name` in name order, at most `limit`; from the first on for '' */
  after(dir: number, name: string, limit: number): readonly Sibling[];
  /** @returns the directory whose files a walker reads after those of `dir`; null where there is none, or it is not listed yet */
  nextDirectory?(dir: number): number | null;
  /** @returns true for a file that is in the cache, or on its way: it needs a mark, not a fetch, and costs nothing if not read */
  resident(ino: number): boolean;
}

/** A file to prefetch. */
export interface PrefetchFile extends Sibling {
  readonly dir: number;
  /** Fetch its first `bytes` bytes; 0: only mark it. */
  readonly bytes: number;
}

/** An outstanding file. */
export interface Outstanding {
  readonly walk: Walk;
  readonly file: PrefetchFile;
  /** Its place in the walk. */
  readonly order: number;
  /** When it was taken, monotonic milliseconds. */
  readonly takenAt: number;
}

/** Siblings looked up at a time: some 300 µs of the event loop at most. */
const PAGE = 256;

/** Directories without any file that are passed in one refill: a tree of empty directories must not hold the event loop. */
const MAX_EMPTY = 16;

// Workers that take a batch each are some batches apart (16 workers with 256 files: 8192 files), which a node reads in seconds.
const PASSED_AFTER = 10_000;

/** One walk; see the file's header. */
export class Walk {
  /** Every how many siblings a file is read: 1 for all. */
  readonly stride: number;
  /** Whose reads started it. */
  readonly starter: number;
  /** Who was seen in it last. */
  pid: number;
  /** When that was, monotonic milliseconds. */
  usedAt: number;
  /** The same as a count of its directory's events. */
  usedAtEvent = 0;
  /** Directory of the cursor. */
  dir: number;
  /** Name of the last sibling looked at. */
  cursor: string;
  /** Its ino: siblings listed together have rising inos, which is a cheap test for "just ahead". */
  cursorIno: number;
  /** Files outstanding at most. */
  window: number;
  /** Whether it goes on in the next directory. */
  crosses: boolean;
  /** No more siblings, or merged into another walk. */
  ended = false;
  /** What its reader did elsewhere since the last file read here. */
  strays = 0;
  /** Files read by their reader though not prefetched yet: it was outrun, or the stride is wrong. */
  leaps = 0;
  readCount = 0;
  wastedCount = 0;

  readonly outstanding = new Map<number, Outstanding>();
  #bytes = 0;
  #skip: number;
  #order = 0;
  #head = 0;
  #sinceGrowth = 0;

  /** @param from the file read last: the walk continues behind it */
  constructor(
    from: { dir: number; file: Sibling; pid: number; now: number },
    stride: number,
    window: number,
    crosses: boolean,
  ) {
    this.stride = stride;
    this.starter = from.pid;
    this.pid = from.pid;
    this.usedAt = from.now;
    this.dir = from.dir;
    this.cursor = from.file.name;
    this.cursorIno = from.file.ino;
    this.window = window;
    this.crosses = crosses;
    this.#skip = stride - 1;
  }

  /** Bytes of the outstanding files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Half the window or more is free. */
  get hasRoom(): boolean {
    return 2 * this.outstanding.size <= this.window;
  }

  /**
   * One of its files was read.
   * @param mostFiles files that its window may grow to
   */
  read(entry: Outstanding, mostFiles: number): void {
    this.#remove(entry);
    this.#head = Math.max(this.#head, entry.order);
    this.readCount += 1;
    this.strays = 0;
    this.#sinceGrowth += 1;
    // Half the window has been read since it grew last: the guess was right that far.
    if (2 * this.#sinceGrowth < this.window) return;
    this.#sinceGrowth = 0;
    this.window = Math.min(mostFiles, this.window * 2);
  }

  /**
   * Files that were passed: further behind the reader, and for longer, than parallel readers may be.
   * @returns what now counts as wasted
   */
  passed(): Outstanding[] {
    // A walk's files come in ascending order.
    const slack = 2 * Math.max(16, this.window);
    const passed: Outstanding[] = [];
    for (const entry of this.outstanding.values()) {
      if (entry.order >= this.#head - slack || this.usedAt - entry.takenAt < PASSED_AFTER) break;
      passed.push(entry);
    }
    for (const entry of passed) this.waste(entry);
    return passed;
  }

  /** Gives up on an outstanding file. */
  waste(entry: Outstanding): void {
    this.#remove(entry);
    this.wastedCount += 1;
  }

  /** The reader is at a file beyond the cursor: the walk continues behind it. */
  leapTo(dir: number, file: Sibling): void {
    this.leaps += 1;
    this.dir = dir;
    this.cursor = file.name;
    this.cursorIno = file.ino;
    this.#skip = this.stride - 1;
    this.ended = false;
  }

  /**
   * Takes further files, once half the window is free.
   * @param cost bytes to fetch of a file
   * @param mostBytes bytes that may be outstanding in this walk
   * @param isTaken true for a file that is outstanding already, in whatever walk, or was read just now
   */
  refill(
    lookups: DirectoryLookups,
    cost: (file: Sibling) => number,
    mostBytes: number,
    isTaken: (ino: number) => boolean,
  ): PrefetchFile[] {
    const taken: PrefetchFile[] = [];
    if (this.ended || !this.hasRoom) return taken;
    let [empty, looked] = [0, 0];
    while (!this.ended && this.outstanding.size < this.window && looked < PAGE) {
      const wanted = (this.window - this.outstanding.size - 1) * this.stride + this.#skip + 1;
      const limit = Math.min(PAGE - looked, wanted);
      const page = lookups.after(this.dir, this.cursor, limit);
      for (const file of page) {
        looked += 1;
        if (this.#skip === 0 && !isTaken(file.ino)) {
          const bytes = lookups.resident(file.ino) ? 0 : cost(file);
          if (this.outstanding.size > 0 && this.#bytes + bytes > mostBytes) return taken;
          taken.push(this.#take(file, bytes));
        }
        this.#skip = this.#skip === 0 ? this.stride - 1 : this.#skip - 1;
        this.cursor = file.name;
        this.cursorIno = file.ino;
      }
      if (page.length > 0) empty = 0;
      else empty += 1;
      if (page.length < limit && (empty > MAX_EMPTY || !this.#cross(lookups))) this.ended = true;
    }
    return taken;
  }

  #cross(lookups: DirectoryLookups): boolean {
    const next = this.crosses ? (lookups.nextDirectory?.(this.dir) ?? null) : null;
    if (next === null) return false;
    this.dir = next;
    this.cursor = '';
    return true;
  }

  #take(file: Sibling, bytes: number): PrefetchFile {
    const taken = { ino: file.ino, name: file.name, size: file.size, dir: this.dir, bytes };
    this.outstanding.set(file.ino, { walk: this, file: taken, order: this.#order, takenAt: this.usedAt });
    this.#order += 1;
    this.#bytes += bytes;
    return taken;
  }

  #remove(entry: Outstanding): void {
    this.outstanding.delete(entry.file.ino);
    this.#bytes -= entry.file.bytes;
  }
}
