/**
 * `pin`: files stay in the cache from now on, and what is missing of them is fetched.
 *
 * Invariants:
 * 1. The pin is on the disk before the first byte is fetched; a job that stops then leaves a pin, and the rest is fetched later
 *    (pin-follower.ts).
 * 2. More than the cache can hold is not pinned: nothing is left of the attempt.
 */
import type { GlobSet } from '../../dataset/glob/glob-set.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import type { JobBody } from './job-body.ts';
import { fetchJob, type WarmSpec } from './warm-job.ts';

/** Objects marked at a time. */
const PORTION = 1000;

/**
 * The job.
 * @throws DlfsError `invalid-argument` for what is no glob
 */
export function pinJob(parts: DatasetJobParts, spec: WarmSpec): JobBody {
  return fetchJob(parts, spec, async (set, signal) => {
    await parts.pins.add(spec.globs, parts.clock.wall());
    await markPinned(parts, set, signal);
  });
}

/** Takes what is cached already out of the order of eviction; what comes is taken out as it is committed. */
async function markPinned(
  { walk, index, pins }: Pick<DatasetJobParts, 'walk' | 'index' | 'pins'>,
  set: GlobSet,
  signal: AbortSignal,
): Promise<void> {
  const cached: number[] = [];
  for await (const files of walk.files(set, { signal })) {
    for (const { node } of files) if (index.object(node.ino) !== null) cached.push(node.ino);
    if (cached.length >= PORTION) await pins.mark(cached.splice(0));
  }
  if (cached.length > 0) await pins.mark(cached);
}
