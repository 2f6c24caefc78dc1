/**
 * Object keys as byte strings.
 *
 * S3 orders keys by their bytes and does not promise that they are valid UTF-8. A byte string is a JavaScript string
 * with one character a byte (U+0000 to U+00FF): engines keep it at one byte a character, `<` compares it in S3's order
 * (plain strings would compare UTF-16 units, which differs above U+FFFF), and nothing is lost on hostile keys.
 *
 * Invariants:
 * 1. Every character of a ByteString is in U+0000..U+00FF.
 * 2. Text becomes a ByteString at the edge of the endpoint and leaves it as bytes ('latin1') or as decoded text.
 */

/** A string whose characters are bytes. */
export type ByteString = string & { readonly __byteString: never };

/** The bytes of `text` in UTF-8. */
export function byteString(text: string): ByteString {
  // ASCII is its own byte string: the usual case costs one scan.
  // eslint-disable-next-line no-control-regex -- the range is the point
  return (/^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')) as ByteString;
}

/** Raw bytes as a ByteString. */
export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as ByteString;
}

/** A byte string decoded as UTF-8; invalid sequences become U+FFFD. */
export function textOf(bytes: ByteString): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

const HEX = '0123456789ABCDEF';

function percentEncode(bytes: string, isPlain: (code: number) => boolean): string {
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    out += isPlain(code) ? bytes.charAt(i) : '%' + HEX.charAt(code >> 4) + HEX.charAt(code & 15);
  }
  return out;
}

function isAlphanumeric(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

const [DASH, DOT, UNDERSCORE, TILDE, SLASH, STAR, SPACE] = [45, 46, 95, 126, 47, 42, 32] as const;

function isUnreserved(code: number): boolean {
  return isAlphanumeric(code) || code === DASH || code === DOT || code === UNDERSCORE || code === TILDE;
}

/** SigV4's UriEncode of a name or value in a query: everything but A-Z a-z 0-9 - . _ ~ is escaped. */
export function uriEncode(bytes: ByteString): string {
  return percentEncode(bytes, isUnreserved);
}

/** SigV4's UriEncode of an object key in a path: as {@link uriEncode}, but '/' stays. */
export function uriEncodePath(bytes: ByteString): string {
  return percentEncode(bytes, (code) => isUnreserved(code) || code === SLASH);
}

/**
 * What S3 answers for `encoding-type=url`: form encoding (a space is '+', '~' is escaped) in which '/' and '*' stay.
 */
export function listingEncode(bytes: ByteString): string {
  return percentEncode(
    bytes,
    (code) =>
      isAlphanumeric(code) ||
      code === DASH ||
      code === DOT ||
      code === UNDERSCORE ||
      code === SLASH ||
      code === STAR ||
      code === SPACE,
  ).replaceAll(' ', '+');
}

/**
 * Percent-decodes one component of a request's target. '+' is a space, in paths too: real S3 reads it so everywhere.
 * @returns null where an escape is malformed.
 */
export function percentDecode(raw: string): ByteString | null {
  if (!raw.includes('%') && !raw.includes('+')) return raw as ByteString;
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return null;
  return raw
    .replaceAll('+', ' ')
    .replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))) as ByteString;
}
