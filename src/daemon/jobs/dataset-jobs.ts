/**
 * What can be asked of one dataset beside reading it: jobs, pins, listings of files; and what goes on by itself: the scrub, and
 * keeping what is pinned.
 *
 * Invariants:
 * 1. It is disposed before the parts that it works on: jobs stop, their records stay.
 */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { BlockCheck } from '../../cache/blocks/block-check.ts';
import { Scrub } from '../../cache/blocks/scrub.ts';
import type { NameChange, ScrubMark } from '../../cache/index/index.ts';
import { GlobSet } from '../../dataset/glob/glob-set.ts';
import { GlobWalk } from '../../fs/snapshot/glob-walk.ts';
import type { z } from 'zod';
import type { PIN } from '../api/contract/answers.ts';
import type { JobView } from '../api/contract/job-view.ts';
import type { DatasetRef } from '../api/contract/names.ts';
import type { PrefetchMode } from '../dataset/dataset-options.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import { evictJob } from './evict-job.ts';
import { filePage, type FilePage, type FilePageRequest } from './file-page.ts';
import type { JobBody } from './job-body.ts';
import { JobRunner } from './job-runner.ts';
import { describeSpec, type Job, type JobSpec } from './job-types.ts';
import { PinFollower } from './pin-follower.ts';
import { pinJob } from './pin-job.ts';
import { prefetchJob } from './prefetch-job.ts';
import { Prefetcher } from './prefetcher.ts';
import { refreshJob } from './refresh-job.ts';
import { verifyJob } from './verify-job.ts';
import { warmJob } from './warm-job.ts';

/** Of a cache folder: where the records of its jobs lie. */
const JOBS_FOLDER = 'jobs';

/** What it is made of: the dataset's parts, and what the process brings along. */
export interface DatasetJobsOptions extends Omit<DatasetJobParts, 'walk'> {
  /** The cache folder. */
  readonly folder: string;
  /** Whether the dataset is fetched in the background, at first. */
  readonly prefetch: PrefetchMode;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** A pin, with what it means now. */
export type PinView = z.infer<typeof PIN>;

/** See the file's header. */
export class DatasetJobs implements AsyncDisposable {
  readonly runner: JobRunner;
  readonly #parts: DatasetJobParts;
  readonly #follower: PinFollower;
  readonly #scrub: Scrub;
  readonly #prefetcher: Prefetcher;

  constructor(options: DatasetJobsOptions) {
    const { index, keeper, store, fills, clock, random, log, folder } = options;
    const parts = { ...options, walk: new GlobWalk({ index, lister: keeper }) };
    this.#parts = parts;
    this.runner = new JobRunner({
      folder: join(folder, JOBS_FOLDER),
      make: (spec) => bodyOf(parts, spec),
      clock,
      random,
      log: log.child('jobs'),
    });
    this.#follower = new PinFollower({ ...parts, log: log.child('pins') });
    this.#scrub = new Scrub({
      index,
      check: new BlockCheck(options),
      refetch: async (ino, first, count, signal) => {
        await fills.fetch(ino, { first, count }, { priority: 'scrub', signal });
      },
      isInUse: (ino) => store.isInUse(ino),
      clock,
      log: log.child('scrub'),
    });
    this.#prefetcher = new Prefetcher({ runner: this.runner, mode: options.prefetch, clock, log: log.child('jobs') });
  }

  /** Goes on with jobs of an earlier process, and starts what goes on by itself. */
  async start(): Promise<void> {
    await this.runner.resume();
    this.#follower.start();
    this.#scrub.start();
    if (this.#parts.index.snapshot().complete) this.#prefetcher.listed();
  }

  /** A complete listing is in effect, the first one or one that has brought something new. */
  listed(): void {
    this.#prefetcher.listed();
  }

  /** Whether the dataset is fetched in the background, from now on; `isOtherQuota`: and it may have more room than before. */
  prefetch(mode: PrefetchMode, isOtherQuota: boolean): void {
    this.#prefetcher.mode = mode;
    if (isOtherQuota) this.#prefetcher.roomier();
  }

  /** How far the scrub is. */
  get scrub(): ScrubMark {
    return this.#scrub.mark;
  }

  /** Names mean something else than before; see `SnapshotKeeperOptions.onChanges`. */
  changed(changes: readonly NameChange[], overflow: boolean): void {
    this.#follower.changed(changes, overflow);
  }

  /** A page of a directory, or one file; see `filePage`. */
  listFiles(request: FilePageRequest): Promise<FilePage> {
    return filePage(this.#parts, request);
  }

  /**
   * All pins with what they mean now: they are gone through for it.
   * @throws DlfsError `interrupted`; what a listing failed with
   */
  async listPins(signal?: AbortSignal): Promise<PinView[]> {
    const { pins, walk, store } = this.#parts;
    const views: PinView[] = [];
    for (const { glob, atMs } of pins.rows) {
      const view = { glob, since: atMs, files: 0, bytes: 0, cachedBytes: 0 };
      for await (const files of walk.files(GlobSet.compile([glob]), signal === undefined ? {} : { signal })) {
        for (const { node } of files) {
          view.files += 1;
          view.bytes += node.size;
          view.cachedBytes += store.allocatedOf(node.ino);
        }
      }
      views.push(view);
    }
    return views;
  }

  /**
   * Takes pins back; what they held stays until it is evicted.
   * @param globs as they were given when they were pinned
   * @throws DlfsError `not-found` naming those that are not pinned; the others are taken back
   */
  async unpin(globs: readonly string[]): Promise<void> {
    const unknown = await this.#parts.pins.remove(globs);
    const [first] = unknown;
    if (first === undefined) return;
    const more = unknown.length > 1 ? ` (and ${unknown.length - 1} more)` : '';
    throw new DlfsError('not-found', `nothing is pinned as this${more}: give a pin as "dlfs pin" was given it`, {
      key: first,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.runner[Symbol.asyncDispose](),
      this.#follower[Symbol.asyncDispose](),
      this.#scrub[Symbol.asyncDispose](),
      this.#prefetcher[Symbol.asyncDispose](),
    ]);
  }
}

/** A job as the API shows it. */
export function jobView(job: Job, { namespace, name }: DatasetRef): JobView {
  const { id, spec, state, createdMs, endedMs, progress, report, error } = job;
  return {
    id,
    kind: spec.kind,
    namespace,
    dataset: name,
    what: describeSpec(spec),
    state,
    created: createdMs,
    ended: endedMs,
    progress,
    report,
    error,
  };
}

function bodyOf(parts: DatasetJobParts, spec: JobSpec): JobBody {
  switch (spec.kind) {
    case 'warm':
      return warmJob(parts, spec);
    case 'evict':
      return evictJob(parts, spec);
    case 'pin':
      return pinJob(parts, spec);
    case 'verify':
      return verifyJob(parts, spec);
    case 'refresh':
      return refreshJob(parts, spec);
    case 'prefetch':
      return prefetchJob(parts);
  }
}
