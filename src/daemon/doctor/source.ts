/**
 * What the doctor finds out about a source: does it answer, do the keys suffice, do both clocks agree.
 *
 * Invariants:
 * 1. One listing of at most a page is sent, as a mount would send it; nothing is read or written.
 */
import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { DlfsError } from '../../base/errors.ts';
import type { LogFields, Logger } from '../../base/log.ts';
import { SILENT_LOGGER } from '../../base/log.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import { openSource } from '../../source/open.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

/** What looking at a source needs. */
export interface SourceExamination {
  readonly source: SourceOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** Asks the source. */
export async function examineSource(options: SourceExamination): Promise<Finding[]> {
  const warnings: string[] = [];
  try {
    await using source = await openSource({ ...options, log: collecting(warnings) });
    const { sample, more, region, millis } = await source.probe();
    await source.ready();
    const some =
      sample.length === 0 ? 'nothing below the prefix' : `${sample.length}${more ? ' and more' : ''} objects`;
    const reached = ok('source', `${source.describe}, region ${region}: answers in ${formatDuration(millis)}, ${some}`);
    const empty = warn('source', reached.found, 'it can be mounted, but is the prefix right?');
    return [
      sample.length === 0 ? empty : reached,
      ...warnings.map((text) => warn('source', text, 'correct what it names; a mount works around it')),
    ];
  } catch (error) {
    const failure = DlfsError.from(error);
    return [fail('source', failure.code, failure.describe(), 'correct what it names, then call the doctor again')];
  }
}

/** The source says by a warning what it works around: a clock that is wrong, a redirect. */
function collecting(warnings: string[]): Logger {
  const log: Logger = {
    ...SILENT_LOGGER,
    warn: (message: string, _fields?: LogFields) => void warnings.push(message),
    child: () => log,
  };
  return log;
}
