/**
 * What globs mean, in sizes, before anything is fetched: whether each matches something, how much it is, how much of it the cache
 * could hold.
 *
 * Whoever fills a cache with more than it holds evicts what has just been fetched, in a circle: that is refused here, with the
 * sizes named. What of it is cached already is marked as used now, so that filling does not push it out.
 */
import { DlfsError } from '../../base/errors.ts';
import { formatSize } from '../../base/size.ts';
import { BlockGeometry } from '../../cache/policy/geometry.ts';
import type { GlobSet } from '../../dataset/glob/glob-set.ts';
import { Unmatched } from '../../fs/snapshot/unmatched.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import type { ProgressMeter } from './meter.ts';

/** The sizes. */
export interface Measured {
  readonly files: number;
  /** Sum of the files' sizes. */
  readonly bytes: number;
  /** What they take on the disk, those that cannot be fetched (archived) left out, and as how many files. */
  readonly allocated: number;
  readonly cacheFiles: number;
}

/** Objects marked as used at a time. */
const PORTION = 1000;

/**
 * Measures what a set of globs means.
 * @param meter its totals grow meanwhile
 * @throws DlfsError `not-found` for a glob that matches nothing; `interrupted`; what a listing failed with
 */
export async function measure(
  parts: Pick<DatasetJobParts, 'walk' | 'index' | 'clock' | 'blockSize'>,
  set: GlobSet,
  meter: ProgressMeter,
  signal: AbortSignal,
): Promise<Measured> {
  const { walk, index, clock, blockSize } = parts;
  const unmatched = new Unmatched(set);
  const used: { readonly ino: number; readonly usedMs: number }[] = [];
  const sum = { files: 0, bytes: 0, allocated: 0, cacheFiles: 0 };
  for await (const files of walk.files(set, { signal })) {
    unmatched.note(files);
    for (const { node } of files) {
      sum.files += 1;
      sum.bytes += node.size;
      if (!node.archived && node.size > 0) {
        sum.allocated += new BlockGeometry(blockSize, node.size).allocated;
        sum.cacheFiles += 1;
      }
      if (index.object(node.ino) !== null) used.push({ ino: node.ino, usedMs: clock.wall() });
    }
    meter.totalFiles = sum.files;
    meter.totalBytes = sum.bytes;
    if (used.length >= PORTION) await index.touch(used.splice(0));
  }
  if (used.length > 0) await index.touch(used);
  unmatched.requireNone();
  return sum;
}

/**
 * Requires that the cache can hold what was measured, beside what is pinned.
 * @throws DlfsError `disk-full` naming the sizes
 */
export async function requireRoom(
  parts: Pick<DatasetJobParts, 'walk' | 'store' | 'pins' | 'blockSize'>,
  set: GlobSet,
  need: Measured,
  signal: AbortSignal,
): Promise<void> {
  const pinned = await pinnedOutside(parts, set, signal);
  const room = await parts.store.space.holdable();
  const besides = pinned.allocated > 0 ? `, ${formatSize(pinned.allocated)} are pinned besides` : '';
  if (need.allocated + pinned.allocated > room.bytes) {
    throw new DlfsError(
      'disk-full',
      `the cache cannot hold this: ${formatSize(need.allocated)} in ${need.cacheFiles} files are asked for${besides}, and it may take ` +
        `${formatSize(room.bytes)} of the disk; ask for less, or raise the quota or lower the floor of free space`,
    );
  }
  if (need.cacheFiles + pinned.cacheFiles > room.files) {
    throw new DlfsError(
      'disk-full',
      `the cache cannot hold this: ${need.cacheFiles + pinned.cacheFiles} files with what is pinned, and it may have ${room.files}; ` +
        'ask for less, or raise the quota of files',
    );
  }
}

/** What pinned files take that the globs do not mean. */
async function pinnedOutside(
  { walk, pins, blockSize }: Pick<DatasetJobParts, 'walk' | 'pins' | 'blockSize'>,
  set: GlobSet,
  signal: AbortSignal,
): Promise<{ allocated: number; cacheFiles: number }> {
  const sum = { allocated: 0, cacheFiles: 0 };
  if (pins.set === null) return sum;
  for await (const files of walk.files(pins.set, { signal })) {
    for (const { node, path } of files) {
      if (node.archived || node.size === 0 || set.covers(path)) continue;
      sum.allocated += new BlockGeometry(blockSize, node.size).allocated;
      sum.cacheFiles += 1;
    }
  }
  return sum;
}
