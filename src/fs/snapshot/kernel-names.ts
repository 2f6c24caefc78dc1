/**
 * What the snapshot asks of the kernel's caches; implemented by the mount.
 */
import type { NameChange } from '../../cache/index/rows.ts';

/** The kernel's view of names. */
export interface KernelNames {
  /** References that the kernel holds to an inode. */
  lookups(ino: number): number;
  /**
   * Makes the kernel ask again for changed names, and read changed directories anew.
   * @param everything there were more changes than are named
   */
  forget(changes: readonly NameChange[], directories: readonly number[], everything: boolean): Promise<void>;
}
