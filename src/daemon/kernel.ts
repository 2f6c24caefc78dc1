/**
 * What this kernel can do for us, by its version.
 *
 * Invariants:
 * 1. A version that cannot be read counts as old: nothing is used that might not be there.
 */
import { release } from 'node:os';

/** Features by kernel version. */
export interface KernelFeatures {
  /** As uname says. */
  readonly release: string;
  /** FUSE passthrough: Linux 6.9. */
  readonly passthrough: boolean;
  /** FUSE_NOTIFY_INC_EPOCH: Linux 6.16. */
  readonly incEpoch: boolean;
  /** A mount beneath another (MOVE_MOUNT_BENEATH): Linux 6.5. */
  readonly mountBeneath: boolean;
}

/** Reads the features of the running kernel, or of a given release for tests. */
export function kernelFeatures(version: string = release()): KernelFeatures {
  const [major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  const atLeast = (a: number, b: number): boolean => major > a || (major === a && minor >= b);
  return {
    release: version,
    passthrough: atLeast(6, 9),
    incEpoch: atLeast(6, 16),
    mountBeneath: atLeast(6, 5),
  };
}
