/**
 * `dlfs mount`: a data plane with one dataset.
 *
 * Invariants:
 * 1. `serve` either returns a mount that answers, or throws a DlfsError and leaves nothing behind.
 */
import { join } from 'node:path';
import { checkCacheDisk } from '../cache/folder/disk-check.ts';
import { DatasetServer } from './dataset/dataset-server.ts';
import type { ServeOptions } from './serve-options.ts';
import { openMountApi, type MountApiOptions } from './api/mount-api.ts';
import { RecentErrors } from './node/recent-errors.ts';
import { DataPlane, type DataPlaneDependencies } from './node/data-plane.ts';
import type { DatasetJobs } from './jobs/dataset-jobs.ts';
import type { EffectiveOpen } from './open-mode.ts';
import { StatsFile } from './stats-file.ts';
import type { ServingStats } from './stats.ts';

/** A mount that serves. Disposing it unmounts, commits and lets go of everything. */
export interface Serving extends AsyncDisposable {
  readonly openMode: EffectiveOpen;
  /** The source, for people. */
  readonly describe: string;
  readonly cacheFolder: string;
  /** Resolves when the kernel has ended the connection: somebody unmounted. */
  readonly ended: Promise<void>;
  stats(): ServingStats;
  /** Lists the source anew and switches to what is found. */
  refresh(): Promise<void>;
  /** Jobs, pins and listings of files. */
  readonly jobs: DatasetJobs;
}

/**
 * Mounts and serves.
 * @param api how it is spoken to, a socket that cannot be had is a warning; null: not at all
 * @throws DlfsError for everything that keeps it from serving
 */
export async function serve(
  options: ServeOptions,
  deps: DataPlaneDependencies,
  api: MountApiOptions | null,
): Promise<Serving> {
  await checkCacheDisk(options.cacheDir);
  await using stack = new AsyncDisposableStack();
  const errors = new RecentErrors(deps.clock);
  const own = { ...deps, log: errors.recording(deps.log) };
  const quota = { bytes: options.cacheBytes, files: options.cacheFiles, reserve: 0 };
  const plane = stack.use(DataPlane.start({ ...options, evictsAbandoned: true }, deps));
  const dataset = stack.use(
    await DatasetServer.start(
      { ...options, name: options.dir, quota, origin: 'needed', cacheOf: null, prefetch: 'readahead' },
      plane,
      own,
      'empty',
    ),
  );
  stack.use(new StatsFile(join(dataset.cacheFolder, 'stats.json'), () => dataset.stats(), deps.clock, deps.log));
  if (api !== null) stack.use(await openMountApi({ dataset, plane, options, errors }, api, deps));
  const held = stack.move();
  let disposed: Promise<void> | null = null;
  return {
    openMode: dataset.openMode,
    describe: dataset.describe,
    cacheFolder: dataset.cacheFolder,
    ended: dataset.ended,
    stats: () => dataset.stats(),
    refresh: () => dataset.refresh(),
    jobs: dataset.jobs,
    [Symbol.asyncDispose]: () => (disposed ??= held.disposeAsync()),
  };
}
