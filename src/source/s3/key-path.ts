/**
 * A key as the path of a request.
 *
 * S3 signs and reads the path as the UTF-8 bytes of the key, each byte outside the unreserved letters of RFC 3986 as %XX,
 * slashes as they are, encoded once. Dot segments and empty ones are part of the key: nothing here resolves or removes them.
 *
 * Invariants:
 * 1. The result holds only `A-Z a-z 0-9 - . _ ~ / %`: no space, no control byte, no `?`, no `#`.
 * 2. Percent-decoding it once gives the key back.
 */
import { DlfsError } from '../../base/errors.ts';

/** Keys of these letters stand for themselves: the common case, without an encoder call. */
const PLAIN = /^[A-Za-z0-9\-._~/]+$/;

/** What encodeURIComponent leaves although RFC 3986 reserves it, and the slash that it should have left. */
const LEFT_OVER = /%2F|[!'()*]/g;

/**
 * Encodes a key for a request line.
 * @throws DlfsError `invalid-argument` for an empty key (its path would list the bucket) and for half a surrogate pair
 */
export function encodeKey(key: string): string {
  if (PLAIN.test(key)) return key;
  if (key === '') throw new DlfsError('invalid-argument', 'an object needs a key; this one is empty');
  if (!key.isWellFormed())
    throw new DlfsError('invalid-argument', 'the key is not valid Unicode, so no request can name it', { key });
  return encodeURIComponent(key).replace(LEFT_OVER, (found) =>
    found === '%2F' ? '/' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
