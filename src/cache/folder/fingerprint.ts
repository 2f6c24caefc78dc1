/**
 * The name of a cache folder: the same source gets the same folder, another one another.
 *
 * Invariants:
 * 1. Only the source's identity goes in, so a renewed key or another mount point finds the cache again.
 * 2. The caches of a node's datasets are theirs alone, also where two have the same source: quota, pins and who may read are each
 *    dataset's own.
 */
import xxhash from 'xxhash-wasm';
import type { SourceIdentity } from '../../dataset/source-identity.ts';

export { identityOf, type SourceIdentity } from '../../dataset/source-identity.ts';

/** Whose cache it is; stored in its folder for people. */
export interface CacheIdentity extends SourceIdentity {
  /** The dataset of a node that it is the cache of; without it, the source's own. */
  readonly dataset?: string;
  /** Bytes of a block, of a node's dataset: another size is another generation. */
  readonly blockSize?: number;
}

/** The hash is compiled once: a node asks for the names of hundreds of folders when it starts. */
let hashing: ReturnType<typeof xxhash> | null = null;

/** @returns 16 hexadecimal digits: XXH64 of the identity as JSON with its fields in this file's order */
export async function fingerprint(identity: CacheIdentity): Promise<string> {
  const { kind, endpoint, bucket, prefix, dataset, blockSize } = identity;
  const hasher = await (hashing ??= xxhash());
  // What is undefined is left out: the names of caches that older versions made stay what they are.
  return hasher.h64ToString(JSON.stringify({ kind, endpoint, bucket, prefix, dataset, blockSize }));
}
