/**
 * How a node's daemon is run.
 */
import type { DataPlaneOptions } from './data-plane.ts';

/** Options of `dlfs daemon`; see its help for what they mean to a user. */
export interface NodeOptions extends DataPlaneOptions {
  /** Where datasets are seen. */
  readonly root: string;
  /** A manifest, or a folder of them; null: only what is applied is served. */
  readonly config: string | null;
  /** Folder of what is applied. */
  readonly state: string;
  /** Entries of a complete listing at most. */
  readonly listLimit: number;
  /** Where the process logs to; null in the foreground. */
  readonly logPath: string | null;
}
