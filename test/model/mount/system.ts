/**
 * What the differential test runs over: a mount, a plain directory of the same content, and what can be done to the mount.
 */
import type { Helper } from '../../posix/helper.ts';
import type { PlainMount } from '../../support/mount-plain.ts';
import type { Change } from './model-tree.ts';

/** Actions that the product under test offers; an absent one is left out of the runs. */
export interface Actions {
  /** Brings the changes to the origin and returns when the mount shows them all. */
  readonly change?: (changes: readonly Change[]) => Promise<void>;
  /** Whether a change takes effect by a new mount: then nothing can be open over it. */
  readonly changeRemounts?: boolean;
  /** Makes the cache forget something, as much as it can. */
  readonly evict?: () => Promise<void>;
  /** Ends the daemon, cleanly or by SIGKILL, and starts it again. Nothing is open in the mount meanwhile. */
  readonly restart?: (how: 'clean' | 'kill') => Promise<void>;
  /** Drops the page cache, and names with it. */
  readonly dropCaches?: () => Promise<void>;
}

/** See the file's header. */
export interface MountSystem {
  /** The mount point under test. */
  readonly dir: string;
  /** Shows, at the start, the same tree as the mount, with the same owner and modes. */
  readonly plain: PlainMount;
  readonly helper: Helper;
  readonly actions: Actions;
}
