/**
 * The name of a source's cache folder: the same source gets the same folder, another one another.
 *
 * Invariants:
 * 1. Only what identifies the bytes goes in: endpoint, bucket, prefix. Keys, regions and mount options do not, so a renewed key or
 *    another mount point finds the cache again.
 */
import xxhash from 'xxhash-wasm';
import type { SourceOptions } from '../../dataset/source-options.ts';

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
export function identityOf(source: SourceOptions): SourceIdentity {
  const { bucket, prefix } = source.reference;
  return { kind: 's3', endpoint: source.endpoint, bucket, prefix };
}

/** @returns 16 hexadecimal digits: XXH64 of the identity as JSON with its fields in this file's order */
export async function fingerprint(identity: SourceIdentity): Promise<string> {
  const { kind, endpoint, bucket, prefix } = identity;
  const hasher = await xxhash();
  return hasher.h64ToString(JSON.stringify({ kind, endpoint, bucket, prefix }));
}
