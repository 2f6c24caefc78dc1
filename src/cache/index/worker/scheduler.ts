/**
 * Long work in short transactions.
 *
 * A piece of bulk work (one page of a listing, an undo) is a generator that yields wherever its transaction may be committed.
 * The scheduler runs it for a few milliseconds, commits, and lets the thread's event loop answer other requests before it goes
 * on. Work is queued in lanes: one lane is done in order, lanes take turns, and interactive ones come first.
 *
 * Invariants:
 * 1. A request that is not bulk work waits for one slice, not for a listing.
 * 2. Work that fails is rolled back to its last commit and ends; it touches no other.
 * 3. A result is told after the commit that holds it.
 */
import type { Clock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import { fromSqlite } from '../sqlite-error.ts';
import type { Store } from './store.ts';
import type { Turns } from './turns.ts';

/** How long a slice runs before it commits; a request waits about this long, and its commit. */
export const SLICE_MS = 8;

/** Who goes first: somebody waits for the answer; everything else. */
export type Priority = 'interactive' | 'background';

/** Bulk work: yields where it may be committed, returns its result. */
export type Work<T> = Generator<void, T, undefined>;

/** Work of one step. */
// eslint-disable-next-line require-yield -- its only step is its last
export function* once<T>(work: () => T): Work<T> {
  return work();
}

interface Job {
  readonly durable: boolean;
  readonly start: () => Work<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: DlfsError) => void;
  work: Work<unknown> | null;
}

interface Lane {
  readonly id: number;
  readonly priority: Priority;
  readonly jobs: Job[];
}

/** What the scheduler needs. */
export interface SchedulerOptions {
  readonly store: Store;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Give a slice its turn; shared by all databases of the thread. */
  readonly turns: Turns;
  /** Milliseconds of a slice; 0 commits at every yield. */
  readonly sliceMs?: number;
}

/** See the file's header. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #sliceMs: number;
  readonly #lanes = new Map<number, Lane>();
  readonly #ready: Record<Priority, Lane[]> = { interactive: [], background: [] };
  #running = false;
  #closed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#sliceMs = options.sliceMs ?? SLICE_MS;
  }

  /**
   * Queues work.
   * @param lane work of one lane is done in order
   * @param start called when its turn comes, inside a transaction
   * @param durable its commits are on the disk when it is told
   * @throws DlfsError what the work threw, or why it could not be committed
   */
  submit<T>(lane: number, priority: Priority, start: () => Work<T>, durable = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) {
        reject(new DlfsError('interrupted', 'the cache index is being closed'));
        return;
      }
      const job: Job = { durable, start, resolve: resolve as (value: unknown) => void, reject, work: null };
      const known = this.#lanes.get(lane);
      if (known !== undefined) {
        known.jobs.push(job);
        return;
      }
      const added: Lane = { id: lane, priority, jobs: [job] };
      this.#lanes.set(lane, added);
      this.#ready[priority].push(added);
      this.#wake(priority);
    });
  }

  /** Ends a lane's work where it stands; what was committed stays. */
  cancel(lane: number): void {
    for (const job of this.#lanes.get(lane)?.jobs.splice(0) ?? [])
      end(job, new DlfsError('interrupted', 'the work was given up'));
  }

  /** Ends all work where it stands, for good. */
  close(): void {
    this.#closed = true;
    for (const lane of this.#lanes.keys()) this.cancel(lane);
  }

  #wake(priority: Priority): void {
    const urgent = priority === 'interactive';
    if (!this.#running) this.#options.turns.defer(this.#slice, urgent);
    else if (urgent) this.#options.turns.hurry(this.#slice);
    this.#running = true;
  }

  readonly #slice = (): void => {
    const lane = this.#next();
    const job = lane?.jobs[0];
    if (lane === null || job === undefined) {
      this.#running = false;
      return;
    }
    this.#run(lane, job);
    // A lane is in its queue exactly as long as it is known; an empty one leaves when its turn comes.
    this.#ready[lane.priority].push(lane);
    this.#options.turns.defer(this.#slice, this.#ready.interactive.length > 0);
  };

  #next(): Lane | null {
    for (;;) {
      const lane = this.#ready.interactive.shift() ?? this.#ready.background.shift();
      if (lane === undefined) return null;
      if (lane.jobs.length > 0) return lane;
      this.#lanes.delete(lane.id);
    }
  }

  #run(lane: Lane, job: Job): void {
    const { store, clock } = this.#options;
    try {
      store.begin(job.durable);
      const until = clock.monotonic() + this.#sliceMs;
      job.work ??= job.start();
      let next = job.work.next();
      while (next.done !== true && clock.monotonic() < until) next = job.work.next();
      store.commit();
      if (next.done !== true) return;
      lane.jobs.shift();
      job.resolve(next.value);
    } catch (thrown) {
      store.rollback();
      lane.jobs.shift();
      end(job, fromSqlite(thrown));
    }
  }
}

/** The generator's own clean-up touches memory alone: the transaction is over. */
function end(job: Job, error: DlfsError): void {
  job.work?.return(undefined);
  job.reject(error);
}
