/**
 * The name of a source's cache folder: the same source gets the same folder, another one another.
 *
 * Invariants:
 * 1. Only what identifies the bytes goes in: endpoint, bucket, prefix. Keys, regions and mount options do not, so a renewed key or
 *    another mount point finds the cache again.
 * 2. The caches of a node's datasets are theirs alone, also where two have the same source: quota, pins and who may read are each
 *    dataset's own.
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
  /** The dataset of a node that it is the cache of; without it, the source's own. */
  readonly dataset?: string;
  /** Bytes of a block, of a node's dataset: another size is another generation. */
  readonly blockSize?: number;
}

/** The identity of a source. */
export function identityOf(source: SourceOptions): SourceIdentity {
  const { bucket, prefix } = source.reference;
  return { kind: 's3', endpoint: source.endpoint, bucket, prefix };
}

/** @returns 16 hexadecimal digits: XXH64 of the identity as JSON with its fields in this file's order */
export async function fingerprint(identity: SourceIdentity): Promise<string> {
  const { kind, endpoint, bucket, prefix, dataset, blockSize } = identity;
  const hasher = await xxhash();
  // What is undefined is left out: the names of caches that older versions made stay what they are.
  return hasher.h64ToString(JSON.stringify({ kind, endpoint, bucket, prefix, dataset, blockSize }));
}
