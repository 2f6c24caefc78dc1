/**
 * `cache.prefetch: all` of a manifest: a job fetches the dataset each time its complete listing has changed.
 *
 * Where it begins: with the first complete listing, with each refresh that has found something new, at a start on a listing that is there
 * already, and when the manifest begins to ask for it or its quota changes. A job that is under way is followed by another one.
 *
 * Invariants:
 * 1. One job at a time; none where the manifest does not ask for it, and none before the listing is complete.
 * 2. A job that fails is tried again, with growing pauses. One that somebody has cancelled is not, before the next change.
 * 3. No record of it is kept on the disk: a restart begins anew, and skips what is there.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { PrefetchMode } from '../dataset/dataset-options.ts';
import type { JobRunner } from './job-runner.ts';
import type { JobState } from './job-types.ts';

/** Milliseconds until a failed job is tried again: doubled each time. */
const AGAIN = 30_000;
const AGAIN_MOST = 1_800_000;

/** What it is made of. */
export interface PrefetcherOptions {
  readonly runner: Pick<JobRunner, 'submit' | 'watch' | 'cancel'>;
  readonly mode: PrefetchMode;
  readonly clock: Pick<Clock, 'startTimer'>;
  readonly log: Logger;
}

/** See the file's header. Dispose it after its runner. */
export class Prefetcher implements AsyncDisposable {
  readonly #o: PrefetcherOptions;
  #mode: PrefetchMode;
  #isListed = false;
  /** Another job is to follow the one under way. */
  #again = false;
  /** The job under way; empty while it is being asked for. */
  #job: string | null = null;
  #work: Promise<void> = Promise.resolve();
  #timer: Timer | null = null;
  #failures = 0;
  #closed = false;

  constructor(options: PrefetcherOptions) {
    this.#o = options;
    this.#mode = options.mode;
  }

  /** A complete listing is in effect, another one than before. */
  listed(): void {
    this.#isListed = true;
    this.#begin();
  }

  /** There may be more room than before. */
  roomier(): void {
    this.#begin();
  }

  /** Another wish; a job that is no longer wanted ends. */
  set mode(mode: PrefetchMode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    if (mode === 'all') this.#begin();
    else {
      this.#again = false;
      this.#disarm();
      if (this.#job !== null && this.#job !== '') void this.#o.runner.cancel(this.#job).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#disarm();
    await this.#work;
  }

  get #isWanted(): boolean {
    return this.#mode === 'all' && this.#isListed && !this.#closed;
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  #begin(): void {
    if (!this.#isWanted) return;
    this.#disarm();
    if (this.#job !== null) {
      this.#again = true;
      return;
    }
    this.#job = '';
    this.#work = this.#run();
  }

  async #run(): Promise<void> {
    const state = await this.#follow();
    this.#job = null;
    this.#failures = state === 'failed' ? this.#failures + 1 : 0;
    if (!this.#isWanted) return;
    if (this.#again) {
      this.#again = false;
      this.#begin();
    } else if (state === 'failed') {
      const pause = Math.min(AGAIN_MOST, AGAIN * 2 ** (this.#failures - 1));
      this.#timer = this.#o.clock
        .startTimer(pause, () => {
          this.#begin();
        })
        .unref();
    }
  }

  /** Asks for a job and waits for its end. */
  async #follow(): Promise<JobState> {
    const { runner, log } = this.#o;
    try {
      let job = await runner.submit({ kind: 'prefetch' });
      this.#job = job.id;
      // It may have been unwished for in the same moment.
      if (!this.#isWanted) await runner.cancel(job.id);
      for await (job of runner.watch(job.id));
      return job.state;
    } catch (error) {
      log.debug('no job fetches the dataset ahead now', { err: DlfsError.from(error) });
      return 'failed';
    }
  }
}
