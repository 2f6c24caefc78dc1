/**
 * Which way a connection opens files: stateless (no OPEN request at all) or passthrough (reads go to the cache file).
 *
 * Small files cost as much as their OPEN: stateless reads them from the page cache without a request. Large files cost as much as
 * their bytes: passthrough saves a copy and half of the memory. The choice is one a connection (docs/decisions/0003-open-mode.md),
 * so it follows where the dataset's bytes are.
 *
 * Invariants:
 * 1. `auto` never chooses what the kernel cannot do; an explicit wish for that is refused.
 */
import { DlfsError } from '../base/errors.ts';
import type { KernelFeatures } from './kernel.ts';

/** The ways to open files. */
export type OpenMode = 'stateless' | 'passthrough';

/** How a mount's files are opened: `requested` means a request each time, answered by us (the fuse-native transport). */
export type EffectiveOpen = OpenMode | 'requested';

/** Files from this size on gain from passthrough: where reading costs more than an OPEN's round trip (0.1 ms at 7 GB/s). */
export const LARGE_FILE = 4 * 1024 * 1024;

/**
 * Decides.
 * @param wish `--open`
 * @param sizes sizes of the dataset's files, or of a sample of them
 * @throws DlfsError `unsupported` for passthrough on a kernel without it
 */
export function chooseOpenMode(
  wish: OpenMode | 'auto',
  kernel: KernelFeatures,
  sizes: Iterable<readonly [size: number, files: number]>,
): OpenMode {
  if (wish === 'passthrough' && !kernel.passthrough) {
    throw new DlfsError(
      'unsupported',
      `passthrough needs Linux 6.9, this is ${kernel.release}: use --open auto or stateless`,
    );
  }
  if (wish !== 'auto') return wish;
  if (!kernel.passthrough) return 'stateless';
  let large = 0;
  let all = 0;
  for (const [size, files] of sizes) {
    all += size * files;
    if (size >= LARGE_FILE) large += size * files;
  }
  return large * 2 > all ? 'passthrough' : 'stateless';
}
