/**
 * The name of a source's cache folder: the same source gets the same folder, another one another.
 *
 * Invariants:
 * 1. Only the source's identity goes in, so a renewed key or another mount point finds the cache again.
 */
import xxhash from 'xxhash-wasm';
import type { SourceIdentity } from '../../dataset/source-identity.ts';

export { identityOf, type SourceIdentity } from '../../dataset/source-identity.ts';

/** @returns 16 hexadecimal digits: XXH64 of the identity as JSON with its fields in this file's order */
export async function fingerprint(identity: SourceIdentity): Promise<string> {
  const { kind, endpoint, bucket, prefix } = identity;
  const hasher = await xxhash();
  return hasher.h64ToString(JSON.stringify({ kind, endpoint, bucket, prefix }));
}
