/**
 * The fetch scheduler: which blocks are fetched when, in which GETs, and what happens when one fails.
 *
 * Readers' demands and readahead's wishes are gathered for a batch of events, then planned object by object into runs (pure:
 * policy/runs.ts); jobs queue runs of their own (fills.ts). Runs wait by priority; the adaptive limit (pure: policy/concurrency.ts) says how
 * many may be under way. A failed run is retried as policy/retry.ts decides; what cannot be had fails its waiters with one
 * errno and one log line.
 *
 * Invariants:
 * 1. A block is in at most one run at a time; however many readers wait for it, it is fetched once.
 * 2. Demand never queues behind readahead, nor either behind jobs; a waiting run that somebody demands becomes demand.
 * 3. Every demanded block ends resident, in memory, or failed: no waiter is forgotten. (The data plane's ioTimeout is the
 *    backstop.)
 * 4. A version that the origin no longer has is asked for once, then fails at once until it is listed anew.
 */
import type { Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { errnoOf } from '../../base/errors/errno.ts';
import { BLOCK_STATE } from '../../native/binding.ts';
import { retryAfterOf } from '../../source/source-failure.ts';
import { FetchConcurrency, type FetchTicket } from '../policy/concurrency.ts';
import type { BlockRange } from '../policy/geometry.ts';
import { decideRetry } from '../policy/retry.ts';
import { planRuns } from '../policy/runs.ts';
import { Attempts } from './attempts.ts';
import { BlockStates } from './block-states.ts';
import { DeadVersions } from './dead-versions.ts';
import type { FetchShare } from './fetch-shares.ts';
import { describeRange, isWanted, outcomeOf, type Wanted } from './ranges.ts';
import { RunBook } from './run-book.ts';
import { errorOfRun, type RunEnd } from './run-end.ts';
import { requestOf } from './run-request.ts';
import { RunQueue, type QueuedRun } from './run-queue.ts';
import type { RunObserver, SchedulerOptions, SchedulerStats } from './scheduler-options.ts';

interface ActiveRun extends QueuedRun {
  readonly run: number;
  readonly ticket: FetchTicket;
  readonly reserved: { bytes: number; files: number } | null;
  /** Bytes told to the limit so far. */
  counted: number;
}

/** Milliseconds until a run that the data plane would not take is looked at again: never in the same turn. */
const REFUSED_AGAIN = 50;
/** Milliseconds to wait for cancelled runs when stopping, and between looks. */
const CLOSE_LIMIT = 2_000;
const CLOSE_STEP = 5;
/** Every range of an object. */
const EVERYTHING: readonly BlockRange[] = [{ first: 0, count: Infinity }];

/** See the file's header. */
export class FetchScheduler implements AsyncDisposable {
  /** How long a reader waits at most, milliseconds; 0: for ever. */
  ioTimeoutMs: number;
  readonly #o: SchedulerOptions;
  readonly #share: FetchShare;
  readonly #concurrency: FetchConcurrency;
  readonly #wanted = new Map<number, Wanted>();
  readonly #queue = new RunQueue();
  readonly #active = new Map<number, ActiveRun>();
  readonly #activeByIno = new Map<number, number>();
  /** A run of each object under way, to which arriving blocks are counted. */
  readonly #latestByIno = new Map<number, ActiveRun>();
  readonly #attempts = new Attempts();
  /** Runs about to start, and those whose next try is due later. */
  readonly #between = new RunBook();
  #observer: RunObserver | null = null;
  readonly #dead: DeadVersions;
  readonly #timers = new Set<Timer>();
  #pumpTimer: Timer | null = null;
  #waitingForSource = false;
  #closed = false;
  #gets = 0;
  #bytes = 0;
  #failures = 0;
  #retries = 0;
  #demandRuns = 0;
  #readaheadRuns = 0;
  #fillRuns = 0;

  constructor(options: SchedulerOptions) {
    this.#o = options;
    this.ioTimeoutMs = options.ioTimeoutMs;
    this.#dead = new DeadVersions(options.clock);
    this.#share = options.shares.join(options.blockSize, () => this.#pump());
    this.#concurrency = new FetchConcurrency({}, this.#share, options.clock.monotonic());
  }

  /** Counters for stats. */
  stats(): SchedulerStats {
    return {
      gets: this.#gets,
      bytes: this.#bytes,
      failures: this.#failures,
      retries: this.#retries,
      demandRuns: this.#demandRuns,
      readaheadRuns: this.#readaheadRuns,
      fillRuns: this.#fillRuns,
      queued: this.#queue.size,
      running: this.#active.size,
      concurrency: this.#concurrency.snapshot(),
    };
  }

  /** Whether a run for this object is queued or under way. */
  busy(ino: number): boolean {
    return this.#activeByIno.has(ino) || this.#wanted.has(ino) || this.#queue.has(ino);
  }

  /** A reader waits for this block. Takes effect with `plan`. */
  demand(ino: number, block: number): void {
    const dead = this.#dead.of(ino);
    if (dead !== null) {
      this.#o.host.engine.failBlocks(this.#o.volume, ino, block, 1, errnoOf(dead.code));
      return;
    }
    this.#want(ino).demand.add(block);
  }

  /** These blocks will be asked for soon, nearest first. Takes effect with `plan`. */
  ahead(ino: number, ranges: readonly BlockRange[], maxRunBlocks: number): void {
    if (ranges.length === 0 || this.#dead.of(ino) !== null) return;
    const wanted = this.#want(ino);
    wanted.readahead.push(...ranges);
    wanted.maxRunBlocks = Math.max(wanted.maxRunBlocks, maxRunBlocks);
  }

  /** Readahead runs within these ranges that have not started are no longer wanted; without ranges, all of the object's. */
  cancelAhead(ino: number, ranges: readonly BlockRange[] = EVERYTHING): void {
    const inRange = (range: BlockRange): boolean =>
      ranges.some(({ first, count }) => range.first >= first && range.first + range.count <= first + count);
    this.#queue.takeReadahead(ino, inRange);
    const wanted = this.#wanted.get(ino);
    if (wanted !== undefined) wanted.readahead = wanted.readahead.filter((range) => !inRange(range));
  }

  /** Tells how runs go, from now on; one observer. */
  observe(observer: RunObserver): void {
    this.#observer = observer;
  }

  /** Queues a run of a job as it is: the caller has looked at what is there, and hears as observer how it goes. */
  fill(run: QueuedRun): void {
    const dead = this.#dead.of(run.ino);
    if (dead === null) this.#queue.push(run);
    else this.#observer?.gaveUp(run, dead);
    this.#pump();
  }

  /** Runs of jobs within the range that have not started are no longer wanted. */
  cancelFill(ino: number, { first, count }: BlockRange): void {
    this.#queue.take(ino, (run) => isOfJob(run) && run.first >= first && run.first + run.count <= first + count);
  }

  /** Whether a run with this block waits to be started, or for its next try. */
  awaits(ino: number, block: number): boolean {
    const holds = (run: QueuedRun): boolean => block >= run.first && block < run.first + run.count;
    return [...this.#queue.of(ino)].some(holds) || [...this.#between.of(ino)].some(holds);
  }

  readonly #planSoon = (): void => this.plan();

  /** Plans what was wanted since the last call and starts what may start. Called at the end of a batch that wanted something. */
  plan(): void {
    const batch = [...this.#wanted];
    this.#wanted.clear();
    for (const [ino, wanted] of batch) {
      try {
        this.#planObject(ino, wanted);
      } catch (error) {
        this.#abandon(ino, wanted.demand, DlfsError.from(error));
      }
    }
    this.#pump();
  }

  /** A block of a run has arrived: throughput as it comes, not at the end of a long run. */
  arrived(ino: number, bytes: number): void {
    this.#observer?.moved(ino);
    const run = this.#latestByIno.get(ino);
    if (run === undefined) return;
    run.counted += bytes;
    this.#concurrency.received(run.ticket, bytes, this.#o.clock.monotonic());
  }

  /** A run has ended, well or not. */
  ended(end: RunEnd): void {
    const active = this.#active.get(end.run);
    if (active === undefined) return;
    this.#active.delete(end.run);
    this.#countActive(active.ino, -1);
    this.#bytes += end.received;
    if (active.reserved !== null) this.#o.store.space.release(active.reserved);
    const now = this.#o.clock.monotonic();
    const uncounted = Math.max(0, end.received - active.counted);
    this.#concurrency.received(active.ticket, uncounted, now);
    if (this.#latestByIno.get(active.ino) === active) this.#latestByIno.delete(active.ino);
    const missing = { first: active.first + end.delivered, count: active.count - end.delivered };
    if (end.outcome.kind === 'ok') {
      this.#concurrency.finished(active.ticket, { kind: 'ok' }, now);
      this.#attempts.forget(active);
    } else if (end.outcome.kind === 'cancelled') {
      this.#concurrency.finished(active.ticket, { kind: 'neutral' }, now);
      // Not by us: its endpoint was replaced. Whoever still waits gets another run, by the new one.
      if (!this.#closed && missing.count > 0) this.#later(0, { ...active, ...missing });
    } else {
      const listed = { key: this.#keyOf(active.ino), etag: this.#o.node(active.ino)?.etag };
      const error = errorOfRun(this.#o.source, listed, end);
      this.#concurrency.finished(active.ticket, outcomeOf(error), now);
      this.#failed({ ...active, ...missing }, error);
    }
    this.#observer?.moved(active.ino);
    this.#pump();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#o.planner.forget(this.#planSoon);
    this.#pumpTimer?.[Symbol.dispose]();
    for (const timer of this.#timers) timer[Symbol.dispose]();
    for (const run of this.#active.keys()) this.#o.host.engine.cancel(run);
    // Each cancelled run is reported; what it has delivered is stored and committed by those who end after us.
    for (let waited = 0; waited < CLOSE_LIMIT && this.#active.size > 0; waited += CLOSE_STEP) {
      await this.#o.clock.sleep(CLOSE_STEP);
    }
    this.#share[Symbol.dispose]();
  }

  /** An object that cannot be planned: whoever waits for it gets an error. */
  #abandon(ino: number, blocks: Iterable<number>, error: DlfsError): void {
    this.#o.log.warn('an object cannot be fetched', { ino, err: error });
    for (const block of blocks) this.#o.host.engine.failBlocks(this.#o.volume, ino, block, 1, errnoOf(error.code));
  }

  /** Asks again for what is still waited for, after `delay` milliseconds. */
  #later(delay: number, { ino, first, count, priority }: QueuedRun): void {
    const range = { ino, first, count, priority };
    this.#between.add(range);
    const timer = this.#o.clock
      .startTimer(delay, () => {
        this.#timers.delete(timer);
        this.#between.delete(range);
        this.#rewant(range);
      })
      .unref();
    this.#timers.add(timer);
  }

  #want(ino: number): Wanted {
    if (this.#wanted.size === 0) this.#o.planner.wanted(this.#planSoon);
    let wanted = this.#wanted.get(ino);
    if (wanted === undefined) {
      wanted = { demand: new Set(), readahead: [], maxRunBlocks: 1 };
      this.#wanted.set(ino, wanted);
    }
    return wanted;
  }

  #planObject(ino: number, wanted: Wanted): void {
    // Planned readahead that did not start yet is planned anew together with what came: a demanded block must not wait in it.
    if (wanted.demand.size > 0) wanted.readahead.push(...this.#queue.takeReadahead(ino, () => true));
    // So is what a job had queued and a reader needs now: it is no longer the job's.
    for (const run of this.#queue.take(ino, (waiting) => isOfJob(waiting) && isWanted(wanted, waiting))) {
      wanted.readahead.push(run);
      wanted.maxRunBlocks = Math.max(wanted.maxRunBlocks, run.count);
    }
    const { blocks } = this.#o.store.geometryOf(ino);
    const states = new BlockStates(this.#o.host.engine, this.#o.volume, ino);
    const queued = new Set<number>();
    for (const run of this.#queue.of(ino)) for (let b = run.first; b < run.first + run.count; b++) queued.add(b);
    const runs = planRuns(
      {
        demand: wanted.demand,
        readahead: wanted.readahead,
        resident: (block) => states.of(block) >= BLOCK_STATE.memory,
        inFlight: (block) => states.of(block) === BLOCK_STATE.receiving || queued.has(block),
        blocks,
      },
      { blockSize: this.#o.blockSize, maxRunBlocks: wanted.maxRunBlocks },
    );
    for (const run of runs) this.#queue.push({ ino, ...run });
  }

  /** Starts queued runs while the limit allows, demand first. */
  #pump(): void {
    while (!this.#closed && !this.#waitingForSource) {
      const next = this.#queue.first();
      if (next === null) return;
      const now = this.#o.clock.monotonic();
      // The last block may be shorter: too much is reserved then, by less than a block.
      const length = next.count * this.#o.blockSize;
      const admission = this.#concurrency.admit({ bytes: length, priority: next.priority }, now);
      if (admission.ticket === null) {
        const blocks = Math.floor(admission.room / this.#o.blockSize);
        if (blocks >= 1) {
          this.#queue.cutFirst(blocks);
          continue;
        }
        if (admission.until !== null) this.#pumpAt(admission.until - now);
        return;
      }
      this.#queue.shift();
      this.#countActive(next.ino, 1);
      void this.#start(next, admission.ticket);
    }
  }

  async #start(run: QueuedRun, ticket: FetchTicket): Promise<void> {
    const release = (): void => {
      this.#countActive(run.ino, -1);
      this.#concurrency.finished(ticket, { kind: 'neutral' }, this.#o.clock.monotonic());
      queueMicrotask(() => {
        this.#pump();
      });
    };
    this.#between.add(run);
    try {
      const need = this.#o.store.needOf(run.ino, run.first, run.count);
      const store = await this.#o.store.space.admit(run.ino, need, run.spareSince);
      if (this.#closed) return;
      if (!store && run.priority !== 'demand') {
        release(); // without a cache there is nowhere to read ahead to
        this.#observer?.gaveUp(run, new DlfsError('disk-full', 'there is no room in the cache'));
        return;
      }
      this.#submit(run, ticket, store ? need : null);
    } catch (error) {
      release();
      this.#failed(run, DlfsError.from(error), false);
    } finally {
      this.#between.delete(run);
    }
  }

  #submit(run: QueuedRun, ticket: FetchTicket, reserved: ActiveRun['reserved']): void {
    const { host, source, volume, store } = this.#o;
    const giveBack = (): void => {
      if (reserved !== null) store.space.release(reserved);
    };
    const node = this.#o.node(run.ino);
    if (node === null) {
      giveBack();
      throw new DlfsError('gone', 'the file is no longer in the listing');
    }
    if (node.archived) {
      giveBack();
      const message = 'the object is in an archive storage class: restore it at the origin first';
      throw new DlfsError('archived', message, { key: this.#o.keyOf(run.ino) });
    }
    const number = host.nextNumber();
    let started: boolean;
    try {
      const [endpoint, key, geometry] = [this.#o.endpoint(), this.#o.keyOf(run.ino), store.geometryOf(run.ino)];
      const request = { source, endpoint, node, key, geometry, number, store: reserved !== null };
      started = host.engine.fetch(volume, requestOf(run, request));
    } catch (error) {
      giveBack();
      throw error;
    }
    if (!started) {
      // The data plane has let go of the file, or the blocks came meanwhile: waiters ask again by themselves.
      giveBack();
      this.#countActive(run.ino, -1);
      this.#concurrency.finished(ticket, { kind: 'neutral' }, this.#o.clock.monotonic());
      this.#later(REFUSED_AGAIN, run);
      return;
    }
    this.#gets += 1;
    if (run.priority === 'demand') this.#demandRuns += 1;
    else if (run.priority === 'readahead') this.#readaheadRuns += 1;
    else this.#fillRuns += 1;
    const active = { ...run, run: number, ticket, reserved, counted: 0 };
    this.#active.set(number, active);
    if (run.count > 1) this.#latestByIno.set(run.ino, active);
  }

  /** @param wasSent whether the origin was asked at all: before the first keys are there, it was not, and counts no failure */
  #failed(range: QueuedRun, error: DlfsError, wasSent = true): void {
    if (this.#closed) return;
    if (wasSent) this.#failures += 1;
    const waited = this.#waited(range);
    const now = this.#o.clock.monotonic();
    const attempt = this.#attempts.failed(range, now);
    const decision = decideRetry(
      { code: error.code, retryable: error.retryable, retryAfter: retryAfterOf(error) },
      {
        tries: attempt.tries,
        elapsed: now - attempt.since,
        deadline: this.ioTimeoutMs,
        priority: waited.length > 0 || isOfJob(range) ? 'demand' : 'readahead',
      },
      this.#o.random,
    );
    const unready = error.code === 'unauthenticated' || this.#o.endpoint() === null;
    if (unready && error.retryable) this.#renew();
    if (decision.action === 'never') {
      this.#attempts.forget(range);
      this.#giveUp(range, error, waited.length > 0);
      return;
    }
    if (wasSent) this.#retries += 1;
    this.#o.log.debug('a fetch failed and will be tried again', {
      ...describeRange(range),
      tries: attempt.tries,
      err: error,
    });
    const delay = decision.action === 'now' ? 0 : decision.delay;
    this.#later(delay, range);
  }

  /** Blocks of a failed range that readers wait for. */
  #waited(range: QueuedRun): number[] {
    const states = new Uint8Array(range.count);
    this.#o.host.engine.states(this.#o.volume, range.ino, range.first, states);
    const blocks: number[] = [];
    for (const [i, state] of states.entries()) if (state === BLOCK_STATE.wanted) blocks.push(range.first + i);
    return blocks;
  }

  /** Asks again for what of the range is still waited for, by a reader or a job; readahead that failed is left to the next demand. */
  #rewant(range: QueuedRun): void {
    if (this.#closed) return;
    for (const block of this.#waited(range)) this.demand(range.ino, block);
    this.plan();
    this.#observer?.moved(range.ino);
  }

  #giveUp(range: QueuedRun, error: DlfsError, waited: boolean): void {
    const { host, volume } = this.#o;
    const final = error.code === 'gone' || error.code === 'changed-at-origin' || error.code === 'archived';
    // A reader that came after the look at who waits has a try of its own.
    if (waited || final) host.engine.failBlocks(volume, range.ino, range.first, range.count, errnoOf(error.code));
    if (final && this.#dead.of(range.ino) === null) {
      this.#dead.add(range.ino, error);
      this.#sayGivenUp(range, error);
      if (error.code !== 'archived') this.#o.onChanged(range.ino);
    } else if (waited && !final) {
      this.#sayGivenUp(range, error);
    }
    this.#observer?.gaveUp(range, error);
  }

  #sayGivenUp(range: QueuedRun, error: DlfsError): void {
    this.#o.log.error(`cannot read ${this.#keyOf(range.ino)}: ${error.message}`, {
      code: error.code,
      ...describeRange(range),
    });
  }

  #renew(): void {
    if (this.#waitingForSource) return;
    this.#waitingForSource = true;
    void this.#o.source
      .ready()
      .catch((error: unknown) => {
        this.#o.log.warn('the source is not ready', { err: error });
      })
      .finally(() => {
        this.#waitingForSource = false;
        this.#pump();
      });
  }

  /** The key, or what is left of it when the row is gone. */
  #keyOf(ino: number): string {
    try {
      return this.#o.keyOf(ino);
    } catch {
      return `a file that is no longer listed (inode ${ino})`;
    }
  }

  #pumpAt(delay: number): void {
    if (this.#pumpTimer !== null) return;
    this.#pumpTimer = this.#o.clock
      .startTimer(Math.max(1, delay), () => {
        this.#pumpTimer = null;
        this.#pump();
      })
      .unref();
  }

  #countActive(ino: number, by: number): void {
    const count = (this.#activeByIno.get(ino) ?? 0) + by;
    if (count > 0) this.#activeByIno.set(ino, count);
    else this.#activeByIno.delete(ino);
  }
}

/** Whether no reader is behind it. */
function isOfJob(run: QueuedRun): boolean {
  return run.priority === 'fill' || run.priority === 'scrub';
}
