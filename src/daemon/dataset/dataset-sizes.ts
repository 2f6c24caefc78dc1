/**
 * How large a dataset's files are, as far as that is known when its way of opening is chosen (open-mode.ts).
 */
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ROOT_INO, type CacheIndex } from '../../cache/index/index.ts';
import type { ProbeReport, Source } from '../../source/source.ts';

/** Sizes in bytes, and how many files have each. */
export type Sizes = Iterable<readonly [size: number, files: number]>;

/** How long a mount waits for the origin's answer, milliseconds, when it can do without. */
const PROBE_LIMIT = 5_000;

/** Of what the index knows. */
export function knownSizes(index: CacheIndex): Sizes {
  return index.snapshot().histogram.map((files, bit) => [bit === 0 ? 0 : 2 ** (bit - 1), files] as const);
}

/** Of the first objects of the source. */
export function sampledSizes(probe: ProbeReport): Sizes {
  return probe.sample.map((object) => [object.size, 1] as const);
}

/**
 * Of what is on the disk; where nothing was listed before, of what the origin says soon.
 * @returns nothing, where it says nothing: the dataset is mounted all the same, and answers once the origin does
 */
export async function knownOrSampled(
  index: CacheIndex,
  source: Pick<Source, 'probe'>,
  { clock, log }: { readonly clock: Pick<Clock, 'startTimer'>; readonly log: Logger },
): Promise<Sizes> {
  if (index.snapshot().complete || index.isListed(ROOT_INO)) return knownSizes(index);
  const late = new AbortController();
  using _limit = clock.startTimer(PROBE_LIMIT, () => late.abort());
  try {
    return sampledSizes(await source.probe(late.signal));
  } catch (thrown) {
    const error = late.signal.aborted
      ? new DlfsError('timeout', 'the origin did not answer in time')
      : DlfsError.from(thrown);
    log.error(`the origin does not answer: reads and lookups fail until it does: ${error.message}`, { err: error });
    return [];
  }
}
