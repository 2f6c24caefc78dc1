/**
 * What came of a job, in words.
 */
import { printable } from '../../base/printable.ts';
import { formatSize } from '../../base/size.ts';
import type { JobView } from '../../daemon/api/contract/job-view.ts';
import type { Failures, JobReport } from '../../daemon/jobs/job-types.ts';
import { count, rate, seconds } from '../format/human.ts';

/** Names of a sample that are shown. */
const SHOWN = 10;

/** Lines for a person; none while the job has not ended. */
export function describeReport({ report }: JobView): string[] {
  return report === null ? [] : describe(report);
}

/** Whether a verification found damage that is still there. */
export function damageLeft({ report }: JobView): boolean {
  if (report?.kind !== 'verify') return false;
  const { damaged, missing, orphans, repair, notRepaired } = report;
  const found = damaged.blocks + missing.blocks + orphans.files + orphans.excessFiles > 0;
  return found && (!repair || notRepaired.count > 0);
}

function describe(report: JobReport): string[] {
  switch (report.kind) {
    case 'warm': {
      const { files, bytes, fetchedBytes, residentBytes, failed } = report;
      const speed =
        report.seconds > 0 && fetchedBytes > 0
          ? ` in ${seconds(report.seconds)}, ${rate(fetchedBytes / report.seconds)}`
          : '';
      return [
        `${count(files)} files of ${formatSize(bytes)}: ${formatSize(residentBytes)} were cached, ${formatSize(fetchedBytes)} fetched${speed}`,
        ...describeFailures('could not be fetched', failed),
      ];
    }
    case 'prefetch': {
      const { files, totalFiles, fetchedBytes, residentBytes, full, failed } = report;
      return [
        `${count(files)} of ${count(totalFiles)} files: ${formatSize(residentBytes)} were cached, ${formatSize(fetchedBytes)} fetched`,
        ...line(full ? 1 : 0, 'the cache has no room for the rest: nothing that is cached leaves for it'),
        ...describeFailures('could not be fetched', failed),
      ];
    }
    case 'evict': {
      const { files, freedBytes, heldFiles, heldBytes, pinnedFiles, pinnedBytes, busyFiles } = report;
      return [
        `${count(files)} files evicted: ${formatSize(freedBytes)} freed`,
        ...line(
          heldFiles,
          `${count(heldFiles)} of them are still open: ${formatSize(heldBytes)} come back when they are closed`,
        ),
        ...line(
          pinnedFiles,
          `${count(pinnedFiles)} pinned files stay: ${formatSize(pinnedBytes)} (--pinned takes them, too)`,
        ),
        ...line(busyFiles, `${count(busyFiles)} files stay: they were being fetched`),
      ];
    }
    case 'verify': {
      const { checked, damaged, missing, orphans, repaired, notRepaired, repair } = report;
      const bad = damaged.blocks + missing.blocks + orphans.files + orphans.excessFiles;
      return [
        `${count(checked.blocks)} blocks of ${count(checked.files)} files checked, ${formatSize(checked.bytes)}, in ${seconds(report.seconds)}`,
        ...(bad === 0 ? ['nothing is damaged'] : []),
        ...line(damaged.blocks, `${count(damaged.blocks)} blocks are damaged${sampleOf(damaged.sample)}`),
        ...line(missing.blocks, `${count(missing.blocks)} blocks are missing${sampleOf(missing.sample)}`),
        ...line(orphans.files, `${count(orphans.files)} cache files belong to nothing: ${formatSize(orphans.bytes)}`),
        ...line(
          orphans.excessFiles,
          `${count(orphans.excessFiles)} cache files have space that no block uses${repair ? '' : ': --repair gives it back'}`,
        ),
        ...line(repaired.blocks, `${count(repaired.blocks)} blocks fetched again: ${formatSize(repaired.bytes)}`),
        ...describeFailures('could not be repaired', notRepaired),
        ...(damaged.blocks + missing.blocks > 0 && !repair
          ? ['damaged blocks are not served: they are fetched again when read, or now by --repair']
          : []),
      ];
    }
    case 'refresh': {
      const { dryRun, complete, added, changed, removed, sample } = report;
      if (!complete) return ['the listing is longer than --list-limit: directories are listed as they are used'];
      const verb = dryRun ? 'would be' : 'were';
      return [
        `${count(added)} files ${verb} added, ${count(changed)} changed, ${count(removed)} removed`,
        ...names('+', sample.added, added),
        ...names('~', sample.changed, changed),
        ...names('-', sample.removed, removed),
      ];
    }
  }
}

function line(number: number, text: string): string[] {
  return number > 0 ? [text] : [];
}

function describeFailures(what: string, failures: Failures): string[] {
  const { count: number, sample } = failures;
  const shown = sample.slice(0, SHOWN).map(({ path, message }) => `  ${printable(path)}: ${printable(message)}`);
  return number === 0 ? [] : [`${count(number)} files ${what}:`, ...shown, ...more(number - shown.length)];
}

function names(mark: string, sample: readonly string[], all: number): string[] {
  const shown = sample.slice(0, SHOWN).map((name) => `  ${mark} ${printable(name)}`);
  return [...shown, ...(shown.length === 0 ? [] : more(all - shown.length))];
}

function more(hidden: number): string[] {
  return hidden > 0 ? [`  … and ${count(hidden)} more`] : [];
}

function sampleOf(sample: readonly string[]): string {
  return sample.length === 0
    ? ''
    : `: ${sample.slice(0, 3).map(printable).join(', ')}${sample.length > 3 ? ', …' : ''}`;
}
