/**
 * Runs the jobs of one dataset: some at a time of each kind, whoever has asked for them may go away, and what a stop of the process
 * interrupts is begun again by the next one.
 *
 * Jobs are idempotent (what is done is skipped), so going on is beginning anew; a record on the disk says what was asked for.
 *
 * Invariants:
 * 1. Each job ends in exactly one final state, unless the process stops first; then its record stays.
 * 2. At most `MAX_UNFINISHED` jobs wait or run, and `KEPT` ended ones are remembered.
 * 3. A watcher sees the job as it is now, then each time it has moved, at most every `TICK`, and its end; a slow one misses what lies
 *    between, never the end.
 * 4. A job that has been interrupted `MAX_STARTS` times is not begun again: it may be what ends the process.
 */
import PQueue from 'p-queue';
import type { Clock } from '../../base/clock.ts';
import { DlfsError, type ErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { JobBody, JobMaker } from './job-body.ts';
import { JobRecords } from './job-records.ts';
import { isFinal, NO_PROGRESS, type Job, type JobProgress, type JobSpec } from './job-types.ts';

/** What the runner is made of. */
export interface JobRunnerOptions {
  /** Folder of the records, which is the runner's own. */
  readonly folder: string;
  readonly make: JobMaker;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** Jobs of a kind at once: two that fetch share the origin anyway; one of the others would only do the other's work again. */
const LANES: Readonly<Record<JobSpec['kind'], string>> = {
  warm: 'fetch',
  pin: 'fetch',
  evict: 'evict',
  verify: 'verify',
  refresh: 'refresh',
  prefetch: 'prefetch',
};
const AT_ONCE: Readonly<Record<string, number>> = { fetch: 2 };
/** Kinds that a restart goes on with. A listing is not worth it, the next one comes by itself; and so does what is fetched ahead. */
const RESUMED: ReadonlySet<JobSpec['kind']> = new Set(['warm', 'pin', 'evict', 'verify']);

const MAX_UNFINISHED = 100;
const KEPT = 100;
const MAX_STARTS = 5;
/** Milliseconds between two looks of a watcher: often enough for a progress bar. */
const TICK = 250;
/** Characters of the random part of an id: 2.8 × 10^12 possibilities. */
const ID_CHARS = 8;

/** Why a job's signal was aborted. */
type Ending = 'cancel' | 'stop';

interface Entry {
  job: Job;
  readonly body: JobBody;
  readonly abort: AbortController;
  starts: number;
  progress: () => JobProgress;
  /** Watchers that wait for it to move. */
  readonly wakes: Set<() => void>;
  done: Promise<void>;
}

/** Errors of jobs that are asked for wrongly. */
const CALLERS_FAULT: ReadonlySet<ErrorCode> = new Set(['invalid-argument', 'not-found']);

/** See the file's header. Disposing it stops all jobs; those that are resumed keep their records. */
export class JobRunner implements AsyncDisposable {
  readonly #o: JobRunnerOptions;
  readonly #records: JobRecords;
  /** In the order in which they were asked for. */
  readonly #entries = new Map<string, Entry>();
  readonly #lanes = new Map<string, PQueue>();
  #closed = false;

  constructor(options: JobRunnerOptions) {
    this.#o = options;
    this.#records = new JobRecords(options.folder, options.log);
  }

  /** Goes on with what an earlier process did not finish. */
  async resume(): Promise<void> {
    for (const record of await this.#records.read()) {
      if (this.#closed || this.#entries.has(record.id)) continue;
      const entry = this.#enter(record.id, record.spec, record.createdMs, record.starts);
      if (entry === null) continue;
      if (record.starts >= MAX_STARTS) {
        const message = `it was interrupted ${record.starts} times and is not begun again: ask for it anew`;
        await this.#end(entry, 'failed', new DlfsError('interrupted', message));
      } else {
        this.#o.log.info('going on with a job', { id: record.id });
        this.#queue(entry);
      }
    }
  }

  /**
   * Takes a job on.
   * @returns it, as it is at first; it runs whether anybody watches or not
   * @throws DlfsError `invalid-argument` for what can never be done; `conflict` where too many wait
   */
  async submit(spec: JobSpec): Promise<Job> {
    if (this.#closed) throw new DlfsError('interrupted', 'the process is being stopped');
    const unfinished = [...this.#entries.values()].filter(({ job }) => !isFinal(job.state));
    if (unfinished.length >= MAX_UNFINISHED)
      throw new DlfsError('conflict', `${unfinished.length} jobs wait already: cancel some, or ask again later`);
    const id = this.#newId(spec.kind);
    const entry = this.#add(id, spec, this.#o.clock.wall(), 0, this.#o.make(spec));
    await this.#note(entry);
    this.#queue(entry);
    return entry.job;
  }

  /** All jobs that are remembered, the newest first. */
  list(): Job[] {
    return [...this.#entries.values()].map((entry) => viewOf(entry)).reverse();
  }

  /** A job; null where there is none of that id. */
  get(id: string): Job | null {
    const entry = this.#entries.get(id);
    return entry === undefined ? null : viewOf(entry);
  }

  /**
   * A job each time it has moved, until it has ended or the runner is closed.
   * @param signal ends the watching, not the job
   * @throws DlfsError `not-found`
   */
  async *watch(id: string, signal?: AbortSignal): AsyncGenerator<Job, void, undefined> {
    const entry = this.#require(id);
    let seen = '';
    for (;;) {
      const job = viewOf(entry);
      const text = JSON.stringify(job);
      if (text !== seen) yield job;
      seen = text;
      if (isFinal(job.state) || this.#closed || signal?.aborted === true) return;
      // It may have ended while the watcher looked at it.
      if (!isFinal(entry.job.state)) await this.#moveOf(entry, signal);
    }
  }

  /**
   * Ends a job; what it has done stays. One that has ended already stays as it is.
   * @returns it, when it has ended
   * @throws DlfsError `not-found`
   */
  async cancel(id: string): Promise<Job> {
    const entry = this.#require(id);
    if (!isFinal(entry.job.state)) {
      entry.abort.abort('cancel' satisfies Ending);
      if (entry.job.state === 'queued') await this.#end(entry, 'cancelled', null);
      else await entry.done;
    }
    return viewOf(entry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const lane of this.#lanes.values()) lane.clear();
    const running = [...this.#entries.values()].filter(({ job }) => job.state === 'running');
    for (const entry of running) entry.abort.abort('stop' satisfies Ending);
    await Promise.all(running.map((entry) => entry.done));
    for (const { wakes } of this.#entries.values()) for (const wake of [...wakes]) wake();
  }

  /** An entry of a record; null where what it asks for can no longer be done. */
  #enter(id: string, spec: JobSpec, createdMs: number, starts: number): Entry | null {
    try {
      return this.#add(id, spec, createdMs, starts, this.#o.make(spec));
    } catch (error) {
      this.#o.log.warn('a job of an earlier process cannot be gone on with', { id, err: error });
      void this.#records.remove(id);
      return null;
    }
  }

  #add(id: string, spec: JobSpec, createdMs: number, starts: number, body: JobBody): Entry {
    const job: Job = {
      id,
      spec,
      state: 'queued',
      createdMs,
      startedMs: null,
      endedMs: null,
      progress: NO_PROGRESS,
      report: null,
      error: null,
    };
    const entry: Entry = {
      job,
      body,
      abort: new AbortController(),
      starts,
      progress: () => NO_PROGRESS,
      wakes: new Set(),
      done: Promise.resolve(),
    };
    this.#entries.set(id, entry);
    this.#forgetOldest();
    return entry;
  }

  #queue(entry: Entry): void {
    const name = LANES[entry.job.spec.kind];
    const lane = this.#lanes.get(name) ?? new PQueue({ concurrency: AT_ONCE[name] ?? 1 });
    this.#lanes.set(name, lane);
    void lane.add(() => {
      if (this.#closed || entry.job.state !== 'queued') return;
      entry.done = this.#run(entry);
      return entry.done;
    });
  }

  async #run(entry: Entry): Promise<void> {
    entry.starts += 1;
    this.#move(entry, { state: 'running', startedMs: this.#o.clock.wall() });
    await this.#note(entry);
    try {
      const report = await entry.body({
        signal: entry.abort.signal,
        show: (progress) => {
          entry.progress = progress;
        },
      });
      entry.job = { ...entry.job, report };
      await this.#end(entry, 'done', null);
    } catch (thrown) {
      const ending = entry.abort.signal.aborted ? (entry.abort.signal.reason as Ending) : null;
      if (ending === 'cancel') await this.#end(entry, 'cancelled', null);
      else if (ending === 'stop') await this.#interrupt(entry);
      else await this.#end(entry, 'failed', DlfsError.from(thrown));
    }
  }

  /** The process stops in good order: that is not the job's doing. */
  async #interrupt(entry: Entry): Promise<void> {
    entry.starts -= 1;
    await this.#note(entry);
    this.#move(entry, { state: 'queued' });
  }

  async #end(entry: Entry, state: 'done' | 'failed' | 'cancelled', error: DlfsError | null): Promise<void> {
    const { id, spec } = entry.job;
    // A glob that matches nothing is told to whoever wrote it; it is no error of the dataset.
    const level = error !== null && CALLERS_FAULT.has(error.code) ? 'info' : 'warn';
    if (error !== null) this.#o.log[level](`a job failed: ${error.message}`, { id, kind: spec.kind, err: error });
    else this.#o.log.info(`a job is ${state}`, { id, kind: spec.kind });
    const told = error === null ? null : { code: error.code, message: error.describe() };
    // Its record goes first: whoever sees the end may count on its not coming back.
    await this.#records.remove(id);
    this.#move(entry, { state, error: told, endedMs: this.#o.clock.wall(), progress: entry.progress() });
    this.#forgetOldest();
  }

  #move(entry: Entry, change: Partial<Job>): void {
    entry.job = { ...entry.job, ...change };
    for (const wake of [...entry.wakes]) wake();
  }

  async #note({ job, starts }: Entry): Promise<void> {
    const { id, spec, createdMs } = job;
    if (RESUMED.has(spec.kind)) await this.#records.write({ id, spec, createdMs, starts });
  }

  async #moveOf(entry: Entry, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const wake = (): void => {
      resolve(undefined);
    };
    using _tick = this.#o.clock.startTimer(TICK, wake);
    signal?.addEventListener('abort', wake, { once: true });
    entry.wakes.add(wake);
    await promise;
    entry.wakes.delete(wake);
    signal?.removeEventListener('abort', wake);
  }

  #require(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new DlfsError('not-found', `no job has the id ${id.slice(0, 80)}`);
    return entry;
  }

  #forgetOldest(): void {
    const ended = [...this.#entries.values()].filter(({ job }) => isFinal(job.state));
    for (const { job } of ended.slice(0, Math.max(0, ended.length - KEPT))) this.#entries.delete(job.id);
  }

  #newId(kind: string): string {
    for (;;) {
      let id = `${kind}-`;
      for (let i = 0; i < ID_CHARS; i++) id += Math.floor(this.#o.random() * 36).toString(36);
      if (!this.#entries.has(id)) return id;
    }
  }
}

function viewOf({ job, progress }: Entry): Job {
  return job.state === 'running' ? { ...job, progress: progress() } : job;
}
