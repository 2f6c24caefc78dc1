/**
 * What a key may do.
 *
 * The default is the least that a reader of a bucket can have: ListBucket on a prefix and GetObject below it. HeadBucket
 * and GetBucketLocation, which many clients call without need, are refused, so that a client that needs them fails here.
 *
 * Invariant: whatever is not allowed is refused.
 */

import type { ByteString } from './byte-string.ts';
import { byteString } from './byte-string.ts';
import type { S3Request } from './request.ts';

/** Rights of a key, or of anonymous requests. */
export interface Policy {
  /** Whether `request` is allowed; `listPrefix` is a listing's prefix parameter. */
  allows(request: S3Request, listPrefix: ByteString): boolean;
  /**
   * Whether a missing object is answered by 404. S3 answers 403 to who may not list the whole bucket, so that a key's
   * absence is not told.
   */
  readonly tellsMissing: boolean;
}

/**
 * ListObjectsV2 with a prefix that starts with `prefix`, and GetObject (which is HeadObject's right too) of keys that
 * start with it.
 * @param tellsMissing see {@link Policy.tellsMissing}
 */
export function readPolicy(prefix = '', tellsMissing = true): Policy {
  const allowed = byteString(prefix);
  return {
    tellsMissing,
    allows: (request, listPrefix) => {
      if (request.kind === 'list') return listPrefix.startsWith(allowed);
      return (request.kind === 'get' || request.kind === 'head') && request.key.startsWith(allowed);
    },
  };
}

/** Everything that the endpoint knows, HeadBucket and GetBucketLocation included; writing stays refused. */
export const fullReadPolicy: Policy = {
  tellsMissing: true,
  allows: (request) => request.method === 'GET' || request.method === 'HEAD',
};
