/**
 * `dlfs mount`: a data plane with one dataset.
 *
 * Invariants:
 * 1. `serve` either returns a mount that answers, or throws a DlfsError and leaves nothing behind.
 */
import { DatasetServer } from './dataset/dataset-server.ts';
import type { DatasetOptions } from './dataset/dataset-options.ts';
import { DataPlane, type DataPlaneDependencies, type DataPlaneOptions } from './node/data-plane.ts';
import type { EffectiveOpen } from './open-mode.ts';
import type { ServingStats } from './stats.ts';

/** How to serve a source at a directory. */
export interface ServeOptions extends DatasetOptions, DataPlaneOptions {}

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
}

/**
 * Mounts and serves.
 * @throws DlfsError for everything that keeps it from serving
 */
export async function serve(options: ServeOptions, deps: DataPlaneDependencies): Promise<Serving> {
  await using stack = new AsyncDisposableStack();
  const plane = stack.use(DataPlane.start(options, deps));
  const dataset = stack.use(await DatasetServer.start(options, plane, deps));
  const held = stack.move();
  let disposed: Promise<void> | null = null;
  return {
    openMode: dataset.openMode,
    describe: dataset.describe,
    cacheFolder: dataset.cacheFolder,
    ended: dataset.ended,
    stats: () => dataset.stats(),
    refresh: () => dataset.refresh(),
    [Symbol.asyncDispose]: () => (disposed ??= held.disposeAsync()),
  };
}
