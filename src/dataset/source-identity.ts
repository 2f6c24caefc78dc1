/**
 * What identifies a source: the name of its cache folder and a dataset's generation are made of it.
 *
 * Invariants:
 * 1. Only what identifies the bytes goes in: endpoint, bucket, prefix. Keys, regions, path style and mount options do not.
 */
import type { SourceOptions } from './source-options.ts';

/** What identifies a source; stored in its folder for people. */
export interface SourceIdentity {
  readonly kind: 's3';
  /** Null: AWS. */
  readonly endpoint: string | null;
  readonly bucket: string;
  /** Empty, or ending with a slash. */
  readonly prefix: string;
}

/** The identity of a source. */
export function identityOf(source: Pick<SourceOptions, 'reference' | 'endpoint'>): SourceIdentity {
  const { bucket, prefix } = source.reference;
  return { kind: 's3', endpoint: source.endpoint, bucket, prefix };
}

/** Whether two identities are of one source. */
export function isSameSource(left: SourceIdentity, right: SourceIdentity): boolean {
  return left.endpoint === right.endpoint && left.bucket === right.bucket && left.prefix === right.prefix;
}
