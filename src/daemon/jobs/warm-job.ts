/**
 * `warm`: all blocks of the files that globs mean are fetched into the cache.
 *
 * Invariants:
 * 1. Nothing is fetched before it is known that each glob matches something and that the cache can hold all of it.
 * 2. It ends well although single files could not be had: the report names them.
 */
import { GlobSet } from '../../dataset/glob/glob-set.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import { FailureLog } from './failures.ts';
import type { JobBody } from './job-body.ts';
import type { WarmReport } from './job-types.ts';
import { measure, requireRoom } from './measure.ts';
import { ProgressMeter } from './meter.ts';
import { Warmer } from './warmer.ts';

/** What is asked for. */
export interface WarmSpec {
  readonly globs: readonly string[];
  /** Bytes a second at most; null: no limit. */
  readonly bandwidth: number | null;
}

/**
 * The job.
 * @throws DlfsError `invalid-argument` for what is no glob
 */
export function warmJob(parts: DatasetJobParts, spec: WarmSpec): JobBody {
  return fetchJob(parts, spec, () => Promise.resolve());
}

/**
 * A job that fetches all that globs mean.
 * @param keep told once it is known that all of it matches and fits, before the first byte is fetched
 * @throws DlfsError `invalid-argument` for what is no glob
 */
export function fetchJob(
  parts: DatasetJobParts,
  spec: WarmSpec,
  keep: (set: GlobSet, signal: AbortSignal) => Promise<void>,
): JobBody {
  const set = GlobSet.compile(spec.globs);
  return async ({ signal, show }) => {
    const meter = new ProgressMeter(parts.clock);
    show(meter.read);
    // What came before is noted as used when it is committed: that must not look like a use behind the start.
    await parts.store.flush();
    const since = parts.clock.wall();
    const measured = await measure(parts, set, meter, signal);
    await requireRoom(parts, set, measured, signal);
    await keep(set, signal);
    return await fetchAll(parts, set, { bandwidth: spec.bandwidth, since, meter, signal });
  };
}

/**
 * Fetches what a set of globs means; it is known to fit.
 * @throws DlfsError what stops it; what was fetched stays
 */
async function fetchAll(
  parts: DatasetJobParts,
  set: GlobSet,
  options: {
    readonly bandwidth: number | null;
    readonly since: number;
    readonly meter: ProgressMeter;
    readonly signal: AbortSignal;
  },
): Promise<WarmReport> {
  const { meter, signal } = options;
  const failures = new FailureLog();
  await new Warmer(parts, { ...options, failures }).run(parts.walk.files(set, { signal }));
  return {
    kind: 'warm',
    files: meter.files,
    bytes: meter.totalBytes ?? meter.bytes,
    fetchedBytes: meter.bytes - meter.skippedBytes,
    residentBytes: meter.skippedBytes,
    failed: failures.report(),
    seconds: meter.seconds,
  };
}
