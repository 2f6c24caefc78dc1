/**
 * Blocks that a job wants on the disk: asked for behind all readers, and told when they are there.
 *
 * A fill is a range of one object. Whatever of it is neither there nor on its way is queued at the scheduler; each time
 * something of the object has moved, the data plane is asked again what is there. Who fetched it in the end, the job or a
 * reader that came meanwhile, makes no difference.
 *
 * Invariants:
 * 1. Each fill settles once: all of its blocks are on the disk, or it has failed, or its signal was aborted.
 * 2. A fill queues at most one run at a time; one that finds no room is queued again a second later, some times. A range that comes and goes (evicted, not storable) is given up after `MAX_ROUNDS`.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { BLOCK_STATE } from '../../native/binding.ts';
import type { NativeHost } from '../../native/host.ts';
import type { BlockRange } from '../policy/geometry.ts';
import type { FetchPriority } from '../policy/runs.ts';
import type { QueuedRun } from './run-queue.ts';
import type { RunObserver } from './scheduler-options.ts';

/** What fills need of the scheduler. */
export interface FillScheduler {
  observe(observer: RunObserver): void;
  fill(run: QueuedRun): void;
  cancelFill(ino: number, range: BlockRange): void;
  awaits(ino: number, block: number): boolean;
}

/** What fills are made of. */
export interface FillsOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly scheduler: FillScheduler;
  /** Makes the data plane know the file's state. */
  readonly attach: (ino: number) => Promise<void>;
  readonly clock: Pick<Clock, 'startInterval'>;
}

/** How to fetch. */
export interface FillRequest {
  readonly priority: Extract<FetchPriority, 'fill' | 'scrub'>;
  /** See `QueuedRun.spareSince`. */
  readonly spareSince?: number;
  readonly signal?: AbortSignal;
}

interface Fill extends BlockRange {
  readonly ino: number;
  readonly request: FillRequest;
  readonly done: PromiseWithResolvers<undefined>;
  rounds: number;
  /** Looks in a row at which nobody fetched any of it. */
  idleLooks: number;
  /** Times that there was no room for it, in a row. */
  noRoom: number;
  /** Blocks that were on the disk at the last look. */
  resident: number;
}

/** Times that a range is asked for, retries of the origin left out, before it is given up. */
const MAX_ROUNDS = 8;
/** Milliseconds between looks at fills of which nothing was heard: events tell the rest. */
const LOOK_EVERY = 1_000;
/** A disk that writes a block this slowly, in looks, has not taken it. */
const MAX_IDLE_LOOKS = 60;
/** Looks for which the cache may have no room: what is being committed or verified cannot leave, and will a second later. */
const MAX_NO_ROOM = 5;

/** See the file's header. Disposing it fails what is under way. */
export class Fills implements Disposable {
  readonly #o: FillsOptions;
  readonly #byIno = new Map<number, Set<Fill>>();
  readonly #dirty = new Set<number>();
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: FillsOptions) {
    this.#o = options;
    options.scheduler.observe({
      moved: (ino) => {
        this.#moved(ino);
      },
      gaveUp: (range, error) => {
        this.#gaveUp(range, error);
      },
    });
  }

  /** Ranges under way. */
  get size(): number {
    let count = 0;
    for (const fills of this.#byIno.values()) count += fills.size;
    return count;
  }

  /**
   * Fetches what of a range is not on the disk.
   * @throws DlfsError why it could not be had: `archived`, `gone` and others of the origin's; `disk-full` where the cache has no
   *   room; `interrupted`
   */
  async fetch(ino: number, range: BlockRange, request: FillRequest): Promise<void> {
    await this.#o.attach(ino);
    const { signal } = request;
    if (this.#closed || signal?.aborted === true) throw cancelled(signal?.reason);
    if (range.count === 0) return;
    const { first, count } = range;
    const fill: Fill = {
      ino,
      first,
      count,
      request,
      done: Promise.withResolvers(),
      rounds: 0,
      idleLooks: 0,
      noRoom: 0,
      resident: 0,
    };
    const abort = (): void => {
      this.#o.scheduler.cancelFill(ino, range);
      this.#settle(fill, cancelled(signal?.reason));
    };
    signal?.addEventListener('abort', abort, { once: true });
    this.#enter(fill);
    this.#look(fill);
    try {
      await fill.done.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** A block was received and could not be written. */
  storeFailed(ino: number, block: number, errno: number): void {
    for (const fill of [...(this.#byIno.get(ino) ?? [])]) {
      if (block >= fill.first && block < fill.first + fill.count) this.#settle(fill, notStored(errno));
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    for (const fills of this.#byIno.values()) for (const fill of [...fills]) this.#settle(fill, cancelled());
  }

  #enter(fill: Fill): void {
    const known = this.#byIno.get(fill.ino);
    if (known === undefined) this.#byIno.set(fill.ino, new Set([fill]));
    else known.add(fill);
    this.#timer ??= this.#o.clock
      .startInterval(LOOK_EVERY, () => {
        this.#lookAgain();
      })
      .unref();
  }

  #settle(fill: Fill, error: DlfsError | null): void {
    const fills = this.#byIno.get(fill.ino);
    if (fills?.delete(fill) !== true) return;
    if (fills.size === 0) this.#byIno.delete(fill.ino);
    if (this.#byIno.size === 0) {
      this.#timer?.[Symbol.dispose]();
      this.#timer = null;
    }
    if (error === null) fill.done.resolve(undefined);
    else fill.done.reject(error);
  }

  /** Looks once a batch of events, however many blocks came in it. */
  #moved(ino: number): void {
    if (!this.#byIno.has(ino)) return;
    if (this.#dirty.size === 0) {
      queueMicrotask(() => {
        const inos = [...this.#dirty];
        this.#dirty.clear();
        for (const each of inos) for (const fill of [...(this.#byIno.get(each) ?? [])]) this.#look(fill);
      });
    }
    this.#dirty.add(ino);
  }

  #gaveUp(range: QueuedRun, error: DlfsError): void {
    const end = range.first + range.count;
    for (const fill of [...(this.#byIno.get(range.ino) ?? [])]) {
      if (fill.first >= end || range.first >= fill.first + fill.count) continue;
      // What a guess did not get, a job may: it is more patient.
      if (range.priority === 'readahead') this.#moved(range.ino);
      else if (error.code === 'disk-full' && fill.noRoom < MAX_NO_ROOM) {
        fill.noRoom += 1;
        fill.rounds -= 1; // nothing was asked of the origin
      } else this.#settle(fill, error);
    }
  }

  /** Settles a fill whose blocks are all there; queues what nobody fetches. */
  #look(fill: Fill): void {
    const { ino, first, count, request } = fill;
    const states = new Uint8Array(count);
    try {
      this.#o.host.engine.states(this.#o.volume, ino, first, states);
    } catch (error) {
      this.#settle(fill, DlfsError.from(error)); // the data plane is shut down
      return;
    }
    if (states.every((state) => state === BLOCK_STATE.resident)) {
      this.#settle(fill, null);
      return;
    }
    const from = states.findIndex((state) => state <= BLOCK_STATE.wanted);
    if (from < 0 || this.#isAwaited(fill)) return;
    const resident = states.filter((state) => state === BLOCK_STATE.resident).length;
    if (resident > fill.resident) fill.noRoom = 0;
    fill.resident = resident;
    let end = from + 1;
    while (end < count && (states[end] ?? BLOCK_STATE.resident) <= BLOCK_STATE.wanted) end += 1;
    fill.rounds += 1;
    fill.idleLooks = 0;
    if (fill.rounds > MAX_ROUNDS + count) {
      this.#settle(fill, new DlfsError('io', 'its blocks were fetched and did not stay in the cache'));
      return;
    }
    const { priority, spareSince } = request;
    const run = { ino, first: first + from, count: end - from, priority };
    this.#o.scheduler.fill(spareSince === undefined ? run : { ...run, spareSince });
  }

  /** What was heard of nothing for long: a block that is served from memory, since a reader's fetch found no room for it. */
  #lookAgain(): void {
    for (const [ino, fills] of [...this.#byIno]) {
      this.#moved(ino);
      for (const fill of [...fills]) {
        const states = new Uint8Array(fill.count);
        this.#o.host.engine.states(this.#o.volume, ino, fill.first, states);
        const isIdle = !states.includes(BLOCK_STATE.receiving) && !this.#isAwaited(fill);
        fill.idleLooks = isIdle ? fill.idleLooks + 1 : 0;
        if (fill.idleLooks > MAX_IDLE_LOOKS)
          this.#settle(fill, new DlfsError('disk-full', 'there is no room in the cache'));
      }
    }
  }

  /** Whether a run with a block of the fill waits to be started, or for its next try. */
  #isAwaited({ ino, first, count }: Fill): boolean {
    for (let block = first; block < first + count; block++) if (this.#o.scheduler.awaits(ino, block)) return true;
    return false;
  }
}

function cancelled(reason?: unknown): DlfsError {
  return new DlfsError('interrupted', 'the fetch was cancelled', { cause: reason });
}

/** ENOSPC and EDQUOT: there is no room; all else is the disk's fault. */
function notStored(errno: number): DlfsError {
  const full = errno === 28 || errno === 122;
  return new DlfsError(full ? 'disk-full' : 'io', `a block could not be written to the cache (errno ${errno})`);
}
