/**
 * Messages between the demo and its stage, in the order in which they occur.
 */

/** What the stage sets up. */
export interface StageOptions {
  /** Null: the generated dataset in `folder/buckets/demo`, behind a server of the demo's own. */
  readonly bucket: { readonly source: string; readonly options: readonly string[] } | null;
  /** A versitygw to serve with; null: the embedded endpoint. */
  readonly versitygw: string | null;
}

/** What an origin has done since the start. */
export interface OriginCount {
  readonly gets: number;
  /** Null: not counted. */
  readonly lists: number | null;
  /** Bytes of GET bodies. */
  readonly bytes: number;
}

/** To the stage. */
export type ToStage =
  /** A folder of the demo's own on a real disk, which the stage removes in the end. */
  | { readonly type: 'own'; readonly folder: string }
  | { readonly type: 'start'; readonly options: StageOptions }
  | { readonly type: 'count' }
  /** Clean up and end. */
  | { readonly type: 'stop' }
  /** Stay when the channel closes; clean up at SIGTERM. */
  | { readonly type: 'stay' };

/** From the stage. */
export type FromStage =
  | { readonly type: 'mounted'; readonly dir: string; readonly url: string | null; readonly log: string }
  | { readonly type: 'count'; readonly count: OriginCount }
  | { readonly type: 'staying' }
  | { readonly type: 'failed'; readonly message: string };
