/**
 * `refresh`: the source is listed anew and the snapshot switches, or (dry run) only what would change is told.
 */
import { orAborted } from '../../base/abort.ts';
import type { DatasetJobParts } from './dataset-parts.ts';
import type { JobBody } from './job-body.ts';
import { ProgressMeter } from './meter.ts';

/** The job. A refresh that is under way already is joined; it does not end with the job. */
export function refreshJob(
  { keeper, clock }: Pick<DatasetJobParts, 'keeper' | 'clock'>,
  { dryRun }: { readonly dryRun: boolean },
): JobBody {
  return async ({ signal, show }) => {
    const meter = new ProgressMeter(clock);
    show(meter.read);
    const { complete, added, changed, removed, sample } = await orAborted(
      dryRun ? keeper.preview(signal) : keeper.refresh(),
      signal,
    );
    const names = { added: [...sample.added], changed: [...sample.changed], removed: [...sample.removed] };
    return { kind: 'refresh', dryRun, complete, added, changed, removed, sample: names, seconds: meter.seconds };
  };
}
