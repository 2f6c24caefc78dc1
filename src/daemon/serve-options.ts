/**
 * How `dlfs mount` serves a source at a directory.
 */
import type { DatasetOptions } from './dataset/dataset-options.ts';
import type { DataPlaneOptions } from './node/data-plane.ts';

/** The dataset's options and the process's: the quota is what the process has. */
export interface ServeOptions
  extends Omit<DatasetOptions, 'name' | 'quota' | 'origin' | 'cacheOf' | 'prefetch'>, DataPlaneOptions {}
