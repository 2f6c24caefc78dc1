/**
 * Opens the source that options describe: the one place that knows the kinds of sources.
 */
import type { Source } from './source.ts';
import { S3Source, type S3SourceOptions } from './s3/s3-source.ts';

/**
 * Opens a source without sending anything to it; `probe()` does that.
 * @throws DlfsError `invalid-argument` or `unsupported` for a set-up that cannot work
 */
export function openSource(options: S3SourceOptions): Promise<Source> {
  return S3Source.open(options);
}
