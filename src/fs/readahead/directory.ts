/**
 * Prefetch across files: which files of a directory will be read next.
 *
 * What comes in: the first miss of a file, and the marks of prefetched files when they are first read; which of the two is known
 * by what is outstanding. What goes out: files to
 * fetch and mark, and files whose fetch is no longer wanted. Where every file is in the page cache or already cached and unmarked,
 * nothing comes in and nothing is spent.
 *
 * How it works. Two siblings read one after the other start a *walk* (walk.ts): the following files are prefetched, 2 at first,
 * doubling as they are read, up to 128, bounded in bytes. The walk's files carry marks, so that each first read of one is heard
 * and moves it on. An event belongs to a walk by its file, not by its pid: four processes on one directory, or workers that take
 * alternate files or batches, are one walk. Neighbours are told by their inode numbers, which the listing hands out in name
 * order, and by a look into the index before a walk starts: a shuffled reader costs few look-ups. A pid that takes every
 * n-th file (a worker of a loader, or a node of a training job with n in all) makes a walk with that stride. At a
 * directory's end a reader that goes on to the next one starts its walk there at once, with the window it had, and from then on
 * the walk crosses by itself.
 *
 * Wrong guesses: a pid that reads elsewhere makes the window of its walk shrink, then ends it; what is outstanding is cancelled
 * and counts as wasted. While more than 1 % of the bytes read of late were wasted, starting takes more than two neighbours: four,
 * and twice as many for each walk of that pid that failed. So a shuffled order, whose neighbours are accidents, stays off, and
 * short ordered stretches at random places (clips of a video) teach how long they are.
 *
 * Invariants:
 * 1. A file is outstanding in one walk at most; it is cancelled only while it is outstanding, and at most once.
 * 2. Outstanding files and bytes are bounded by the windows, by `maxBytes` a walk, and by `budget` and `maxFiles` over all.
 * 3. Memory is bounded: walks, directories and pids are the most recently used ones.
 * 4. A start on two neighbours is made only while what it may waste fits into 1 % of the bytes read (and a first allowance).
 */
import { RecencyMap } from './recency.ts';
import { Walk, type DirectoryLookups, type Outstanding, type PrefetchFile, type Sibling } from './walk.ts';
import { WasteLedger } from './waste.ts';

/** A first read of a file, as far as it reached the daemon. */
export interface FileEvent {
  /** Who reads: the thread id of the request. */
  readonly pid: number;
  /** The directory's inode number. */
  readonly dir: number;
  readonly file: Sibling;
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** What to do after an event. */
export interface PrefetchStep {
  /** In the order in which they are expected; fetch what is missing of the first `bytes` bytes, and mark the first block. */
  readonly prefetch: readonly PrefetchFile[];
  /** Inode numbers whose prefetch, where it has not begun, need not; their marks may stay. */
  readonly cancel: readonly number[];
}

/** Options; each has its reason at the defaults. */
export interface DirectoryOptions {
  /** Files ahead of a walk at most. */
  readonly maxWindow?: number;
  /** Bytes ahead of a walk at most. */
  readonly maxBytes?: number;
  /** Bytes ahead of all walks; see `setBudget`. */
  readonly budget?: number;
  /** Files ahead of all walks. */
  readonly maxFiles?: number;
  /** Files up to this size are prefetched whole. */
  readonly wholeUpTo?: number;
  /** Of larger ones only this many bytes are: the readahead within the file does the rest. */
  readonly head?: number;
}

/** Counts for metrics. */
export interface PrefetchStats {
  readonly walks: number;
  readonly outstandingFiles: number;
  readonly outstandingBytes: number;
  /** Prefetched and read. */
  readonly readFiles: number;
  /** Prefetched and given up, less those that were read later. */
  readonly wastedFiles: number;
  /** Wasted ÷ read bytes of the recent past. */
  readonly wastedShare: number;
}

const MIB = 1024 * 1024;

// 128 files: a reader that opens a cached file in 0.2 ms (5k files/s, ext4 here) covers 25 ms with them, twice a round trip of
// 10 ms; at 100 ms it is what the 128 small requests at once can carry.
const MAX_WINDOW = 128;
const MAX_BYTES = 64 * MIB;
const BUDGET = 256 * MIB;
const MAX_FILES = 8192;
// Images, records and clips are whole below 4 MiB; a larger file is more likely to be read in part.
const WHOLE_UP_TO = 4 * MIB;
const HEAD = MIB;

const FIRST_WINDOW = 2;
const NEIGHBOURS = 2;
/** Two equal steps: three files. */
const STRIDED_FILES = 3;
const MAX_STRIDE = 64;
/** What it takes while too much is wasted, and how often that doubles. */
const NEIGHBOURS_WHEN_WASTEFUL = 4;
const MAX_FAILURES = 4;
/** A walk has failed that wasted more than this share of what it read; one failure is forgiven for so many files read well. */
const WASTE_OF_A_FAILURE = 0.1;
const PRAISE_EVERY = 64;

// The user's bargain: 1 % more bytes from the origin. The first 8 MiB are free, some 76 files, so that a fresh mount may guess at all.
// 4 GiB of memory: an hour of a slow job, seconds of a fast one; both see at least 30,000 files of 110 KB.
const WASTE_LIMIT = 0.01;
const WASTE_ALLOWANCE = 8 * MIB;
const WASTE_MEMORY = 4096 * MIB;

// Reads elsewhere, in a row, after which a walk's window is halved, and after which it ends.
const STRAYS_TO_SHRINK = 3;
const STRAYS_TO_END = 6;

// Events in a directory without one in a walk there, after which it is taken for left: its readers would have to be a hundred times
// slower than the others.
const ABANDONED_EVENTS = 128;

// A training step, a checkpoint or an evaluation may keep a reader away for a minute; what it finds then is still cached, and its
// marks are still heard: they refund what has been counted as wasted.
const IDLE = 60_000;

const MAX_WALKS = 256;
const MAX_DIRS = 4096;
const MAX_PIDS = 4096;
const MAX_GIVEN_UP = 8192;
const MAX_SEEN = 16_384;
/** Readers of one directory whose last place is remembered: more than a node's loader has workers on one directory at a time. */
const PLACES = 16;
/** Gaps in a directory's numbers that turned out to hold files, after which only each 16th gap is looked up. */
const GAPS_TO_LEARN = 8;
const GAP_SAMPLE = 16;
/** A directory crossing is looked up for each change of directory of a pid that walks, else only for each 16th: look-ups cost. */
const CROSSING_SAMPLE = 16;

/** Where somebody was in a directory, and the row of neighbours that led there. */
interface Place {
  readonly dir: number;
  readonly file: Sibling;
  /** Neighbours read in a row by whatever pid, this one included. */
  readonly count: number;
  /** Whether the row came from the directory before. */
  readonly crossed: boolean;
}

interface Directory {
  /** Last places, oldest first. */
  places: Place[];
  /** Events in it so far. */
  events: number;
  /** Gaps in a row between numbers of files that were looked up and were no neighbours. */
  gaps: number;
}

interface Reader {
  place: Place | null;
  /** Its own last step in the directory, in inode numbers, and how many files in a row were that step apart. */
  step: number;
  files: number;
  /** The window of its last walk: what it starts with after a crossing. */
  window: number;
  /** Walks of it that came to nothing, less those that did well: of neighbours, of a stride. */
  readonly failures: { neighbours: number; strided: number };
  /** Directories that it came from elsewhere into. */
  changes: number;
}

/** Prefetch across files; holds no clock and starts nothing. See the file's header. */
export class DirectoryReadahead {
  readonly #lookups: DirectoryLookups;
  readonly #maxWindow: number;
  readonly #maxBytes: number;
  readonly #maxFiles: number;
  readonly #wholeUpTo: number;
  readonly #head: number;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #walks: RecencyMap<Walk, Walk>;
  readonly #dirs = new RecencyMap<number, Directory>(MAX_DIRS);
  readonly #readers = new RecencyMap<number, Reader>(MAX_PIDS);
  /** Files read of late: by other workers, whose places a walk comes to. */
  readonly #seen = new RecencyMap<number, true>(MAX_SEEN);
  /** Bytes of files that counted as wasted, by ino: read after all, they are refunded. */
  readonly #givenUp = new RecencyMap<number, number>(MAX_GIVEN_UP);
  readonly #ledger = new WasteLedger(WASTE_LIMIT, WASTE_ALLOWANCE, WASTE_MEMORY);
  #budget: number;
  #bytes = 0;
  #readFiles = 0;
  #wastedFiles = 0;
  #cancelled: number[] = [];

  constructor(lookups: DirectoryLookups, options: DirectoryOptions = {}) {
    this.#lookups = lookups;
    this.#maxWindow = options.maxWindow ?? MAX_WINDOW;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#budget = options.budget ?? BUDGET;
    this.#maxFiles = options.maxFiles ?? MAX_FILES;
    this.#wholeUpTo = options.wholeUpTo ?? WHOLE_UP_TO;
    this.#head = options.head ?? HEAD;
    this.#walks = new RecencyMap(MAX_WALKS, (walk) => {
      this.#end(walk);
    });
  }

  /** Sets the bytes that may be ahead of all walks: at most a quarter of the cache, or they push out each other. */
  setBudget(bytes: number): void {
    this.#budget = bytes;
  }

  stats(): PrefetchStats {
    return {
      walks: this.#walks.size,
      outstandingFiles: this.#outstanding.size,
      outstandingBytes: this.#bytes,
      readFiles: this.#readFiles,
      wastedFiles: this.#wastedFiles,
      wastedShare: this.#ledger.share,
    };
  }

  /** Takes one event; events of one batch in their order. */
  on(event: FileEvent): PrefetchStep {
    this.#cancelled = [];
    this.#expire(event.now);
    const entry = this.#outstanding.get(event.file.ino);
    const reader = this.#reader(event.pid);
    // Further blocks of the file that the reader is at already say nothing new.
    if (entry === undefined && reader.place?.file.ino === event.file.ino)
      return { prefetch: [], cancel: this.#cancelled };
    this.#ledger.read(this.#cost(event.file));
    this.#refund(event.file.ino);
    this.#seen.set(event.file.ino, true);
    const place = this.#moveTo(event, reader);
    const prefetch = entry === undefined ? this.#elsewhere(event, reader, place) : this.#goOn(event, reader, entry);
    return { prefetch, cancel: this.#cancelled };
  }

  /**
   * A directory's listing has changed, or nobody uses it any more: walks in it end.
   * @returns inode numbers whose prefetch need not begin
   */
  forget(dir: number): number[] {
    this.#cancelled = [];
    for (const walk of this.#walks.values()) {
      if (walk.dir === dir) this.#end(walk);
    }
    this.#dirs.delete(dir);
    return this.#cancelled;
  }

  /** A prefetched file was read. */
  #goOn(event: FileEvent, reader: Reader, entry: Outstanding): readonly PrefetchFile[] {
    const { walk } = entry;
    this.#outstanding.delete(entry.file.ino);
    this.#bytes -= entry.file.bytes;
    this.#readFiles += 1;
    // While too much is wasted, a quarter of what a walk has read is what it may guess.
    const most = this.#ledger.allows(0) ? this.#maxWindow : Math.max(FIRST_WINDOW, Math.floor(walk.readCount / 4));
    walk.read(entry, Math.min(this.#maxWindow, Math.max(most, walk.window)));
    this.#touch(walk, event);
    reader.window = walk.window;
    if (walk.readCount % PRAISE_EVERY === 0 && walk.wastedCount <= WASTE_OF_A_FAILURE * walk.readCount)
      this.#praise(reader, walk);
    this.#settle(walk.passed());
    if (this.#isWrong(walk)) {
      this.#end(walk);
      return [];
    }
    const files = this.#refill(walk);
    if (walk.ended && walk.outstanding.size === 0) this.#walks.delete(walk);
    return files;
  }

  /** A file that nobody had expected was read. */
  #elsewhere(event: FileEvent, reader: Reader, place: Place): readonly PrefetchFile[] {
    const walk = this.#justAhead(event);
    if (walk !== null) {
      walk.leapTo(event.dir, event.file);
      walk.strays = 0;
      this.#touch(walk, event);
      if (!this.#isWrong(walk)) return this.#refill(walk);
      this.#end(walk);
    } else this.#stray(event.pid, reader);
    return this.#start(event, reader, place);
  }

  /** Starts a walk where the evidence suffices: of neighbours, or else with the pid's own stride. */
  #start(event: FileEvent, reader: Reader, place: Place): readonly PrefetchFile[] {
    const window = place.crossed ? Math.max(FIRST_WINDOW, reader.window) : FIRST_WINDOW;
    const allowed = this.#ledger.allows(window * this.#cost(event.file));
    const needed = (least: number, failures: number): number =>
      allowed ? least : Math.max(least, NEIGHBOURS_WHEN_WASTEFUL * 2 ** Math.min(MAX_FAILURES, failures));
    let walk: Walk;
    if (place.count >= needed(NEIGHBOURS, reader.failures.neighbours)) walk = new Walk(event, 1, window, place.crossed);
    else if (reader.step > 1 && reader.files >= needed(STRIDED_FILES, reader.failures.strided)) {
      walk = new Walk(event, reader.step, FIRST_WINDOW, false);
    } else return [];
    this.#endAbandoned(event.dir);
    this.#walks.set(walk, walk);
    this.#touch(walk, event);
    const files = this.#refill(walk);
    if (walk.outstanding.size === 0) this.#walks.delete(walk);
    return files;
  }

  #touch(walk: Walk, event: FileEvent): void {
    walk.pid = event.pid;
    walk.usedAt = event.now;
    walk.usedAtEvent = this.#dirs.peek(event.dir)?.events ?? 0;
    this.#walks.use(walk);
  }

  /** Before another walk starts in a directory: those that its readers have long left show what such starts have cost. */
  #endAbandoned(dir: number): void {
    const events = this.#dirs.peek(dir)?.events ?? 0;
    for (const walk of this.#walks.values()) {
      if (walk.dir === dir && events - walk.usedAtEvent > ABANDONED_EVENTS) this.#end(walk);
    }
  }

  /** Notes where the reader is now, and what rows lead there. */
  #moveTo(event: FileEvent, reader: Reader): Place {
    const own = reader.place;
    this.#follow(event, reader);
    const dir = this.#dirs.use(event.dir) ?? { places: [], events: 0, gaps: 0 };
    dir.events += 1;
    const neighbour = dir.places.findLast((place) => this.#isNext(dir, place, event.file));
    let [count, crossed] = [1, false];
    if (neighbour !== undefined) [count, crossed] = [neighbour.count + 1, neighbour.crossed];
    else if (own !== null && own.dir !== event.dir && this.#crossed(own, reader, event))
      [count, crossed] = [own.count + 1, true];
    const place: Place = { dir: event.dir, file: event.file, count, crossed };
    reader.place = place;
    const kept = dir.places.filter(
      (other) => other !== neighbour && other !== own && other.file.ino !== event.file.ino,
    );
    dir.places = [...kept.slice(-(PLACES - 1)), place];
    this.#dirs.set(event.dir, dir);
    return place;
  }

  /** The reader's own step: two equal ones are a stride. */
  #follow(event: FileEvent, reader: Reader): void {
    const step = reader.place?.dir === event.dir ? event.file.ino - reader.place.file.ino : 0;
    const isStride = step > 1 && step <= MAX_STRIDE;
    reader.files = isStride ? (step === reader.step ? reader.files + 1 : 2) : 1;
    reader.step = isStride ? step : 0;
  }

  /**
   * Whether `file` is the next sibling: by its ino mostly. A gap of a few (a subdirectory's rows) is looked up, until the directory
   * has shown that its gaps are files: in a small directory a shuffled reader is always a few files behind some other.
   */
  #isNext(dir: Directory, place: Place, file: Sibling): boolean {
    const step = file.ino - place.file.ino;
    if (step < 1 || step > 8) return false;
    if (step === 1 && place.count > 1) return true;
    if (step > 1 && dir.gaps >= GAPS_TO_LEARN) {
      dir.gaps += 1;
      if (dir.gaps % GAP_SAMPLE !== 0) return false;
    }
    const isNext = this.#lookups.after(place.dir, place.file.name, 1)[0]?.ino === file.ino;
    if (step > 1) dir.gaps = isNext ? 0 : dir.gaps + 1;
    return isNext;
  }

  /** Whether the reader went from the last file of one directory to the first of the next. */
  #crossed(from: Place, reader: Reader, event: FileEvent): boolean {
    reader.changes += 1;
    if (from.count < NEIGHBOURS && reader.changes % CROSSING_SAMPLE !== 1) return false;
    if (this.#lookups.nextDirectory?.(from.dir) !== event.dir) return false;
    if (this.#lookups.after(from.dir, from.file.name, 1).length > 0) return false;
    return this.#lookups.after(event.dir, '', 1)[0]?.ino === event.file.ino;
  }

  /** The walk whose cursor the reader has just passed. */
  #justAhead(event: FileEvent): Walk | null {
    let found: Walk | null = null;
    for (const walk of this.#walks.values()) {
      const gap = event.file.ino - walk.cursorIno;
      // A walk that is full was not outrun: what it expects is simply not read.
      if (walk.dir !== event.dir || gap < 1 || !walk.hasRoom) continue;
      if (gap <= walk.stride * (walk.window + 1) && gap % walk.stride === 0) found = walk;
    }
    return found;
  }

  /** The pid reads elsewhere: its walks are less likely to go on. */
  #stray(pid: number, reader: Reader): void {
    for (const walk of this.#walks.values()) {
      if (walk.pid !== pid) continue;
      walk.strays += 1;
      if (walk.strays >= STRAYS_TO_END) this.#end(walk);
      else if (walk.strays === STRAYS_TO_SHRINK) {
        walk.window = Math.max(1, Math.floor(walk.window / 2));
        reader.window = walk.window;
        this.#giveUp([...walk.outstanding.values()].slice(walk.window));
      }
    }
  }

  /** More leaps or passed files than files read: its order is not this one. */
  #isWrong(walk: Walk): boolean {
    const wrong = walk.leaps + walk.wastedCount;
    return wrong > STRAYS_TO_SHRINK && 2 * wrong > walk.readCount;
  }

  #refill(walk: Walk): PrefetchFile[] {
    const room = Math.min(this.#maxBytes, this.#budget - this.#bytes + walk.bytes);
    if (room <= 0 || this.#outstanding.size >= this.#maxFiles) return [];
    const files = walk.refill(
      this.#lookups,
      (file) => this.#cost(file),
      room,
      // Read of late and still there: nobody is about to read it. Read of late and evicted: the next epoch is.
      (ino) => this.#outstanding.has(ino) || (this.#seen.peek(ino) === true && this.#lookups.resident(ino)),
    );
    for (const file of files) {
      const entry = walk.outstanding.get(file.ino);
      if (entry !== undefined) this.#outstanding.set(file.ino, entry);
      this.#bytes += file.bytes;
    }
    return files;
  }

  /** Ends a walk; what is outstanding is wasted, and cancelled. */
  #end(walk: Walk): void {
    this.#walks.delete(walk);
    this.#giveUp([...walk.outstanding.values()]);
    const reader = this.#readers.peek(walk.starter);
    if (reader === undefined || WASTE_OF_A_FAILURE * walk.readCount >= walk.wastedCount) return;
    const kind = walk.stride === 1 ? 'neighbours' : 'strided';
    reader.failures[kind] = Math.min(MAX_FAILURES, reader.failures[kind] + 1);
  }

  #praise(reader: Reader, walk: Walk): void {
    const kind = walk.stride === 1 ? 'neighbours' : 'strided';
    reader.failures[kind] = Math.max(0, reader.failures[kind] - 1);
  }

  #giveUp(entries: readonly Outstanding[]): void {
    for (const entry of entries) entry.walk.waste(entry);
    this.#settle(entries);
  }

  /** Books files that a walk has given up. */
  #settle(entries: readonly Outstanding[]): void {
    for (const { file } of entries) {
      this.#outstanding.delete(file.ino);
      this.#bytes -= file.bytes;
      this.#cancelled.push(file.ino);
      if (file.bytes === 0) continue;
      this.#wastedFiles += 1;
      this.#ledger.waste(file.bytes);
      this.#givenUp.set(file.ino, file.bytes);
    }
  }

  /** A file that had been given up was read after all. */
  #refund(ino: number): void {
    const bytes = this.#givenUp.peek(ino);
    if (bytes === undefined) return;
    this.#givenUp.delete(ino);
    this.#wastedFiles -= 1;
    this.#ledger.refund(bytes);
  }

  /** Walks that nobody follows any more end; the least recently used come first. */
  #expire(now: number): void {
    for (const walk of this.#walks.values()) {
      if (now - walk.usedAt < IDLE) return;
      this.#end(walk);
    }
  }

  #reader(pid: number): Reader {
    let reader = this.#readers.use(pid);
    if (reader === undefined) {
      reader = {
        place: null,
        step: 0,
        files: 0,
        window: FIRST_WINDOW,
        failures: { neighbours: 0, strided: 0 },
        changes: 0,
      };
      this.#readers.set(pid, reader);
    }
    return reader;
  }

  /** Bytes that a prefetch of the file fetches. */
  #cost(file: Sibling): number {
    return file.size <= this.#wholeUpTo ? file.size : Math.min(file.size, this.#head);
  }
}
