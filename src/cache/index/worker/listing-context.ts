/**
 * What the parts of one listing share.
 */
import type { Clock } from '../../../base/clock.ts';
import type { Nodes } from './nodes.ts';
import type { Observer } from './observer.ts';
import type { Pace } from './pace.ts';
import type { Placement } from './placement.ts';
import type { Skips } from './skips.ts';
import type { Store } from './store.ts';

/** See the file's header. */
export interface ListingContext {
  readonly store: Store;
  readonly nodes: Nodes;
  readonly skips: Skips;
  readonly clock: Pick<Clock, 'wall'>;
  readonly pace: Pace;
  readonly observer: Observer;
  readonly placement: Placement;
  /** Directories that other listings have begun to list since this one began. */
  readonly listedByOthers: ReadonlySet<number>;
}
