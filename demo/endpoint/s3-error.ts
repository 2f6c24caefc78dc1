/**
 * The errors that the endpoint answers, as S3 names them.
 *
 * An S3Error is thrown anywhere in the handling of a request and becomes the response: status, XML body, and for some
 * codes extra headers. One table holds each code's status and default message.
 */

import type { ByteString } from './byte-string.ts';
import { byteString } from './byte-string.ts';

const ERRORS = {
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header that you provided is not valid.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The AWS Access Key Id you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidObjectState: [403, "The operation is not valid for the object's storage class"],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidToken: [400, 'The provided token is malformed or otherwise invalid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  MaxMessageLengthExceeded: [400, 'Your request was too big.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NotImplemented: [501, 'A header or query you provided implies functionality that is not implemented.'],
  PermanentRedirect: [
    301,
    'The bucket you are attempting to access must be addressed using the specified endpoint. ' +
      'Please send all future requests to this endpoint.',
  ],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
  SlowDown: [503, 'Please reduce your request rate.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Record<string, readonly [status: number, message: string]>;

/** The codes that the endpoint itself answers. */
export type S3ErrorCode = keyof typeof ERRORS;

/** What a thrown S3Error adds to its code. */
export interface S3ErrorDetails {
  /** Replaces the code's default message. */
  readonly message?: string;
  /** Further elements of the XML body, in order. */
  readonly elements?: Readonly<Record<string, string>>;
  /** Further response headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A failed request: becomes the response. */
export class S3Error extends Error {
  readonly code: S3ErrorCode;
  readonly status: number;
  readonly elements: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: S3ErrorCode, details: S3ErrorDetails = {}) {
    super(details.message ?? ERRORS[code][1]);
    this.name = 'S3Error';
    this.code = code;
    this.status = ERRORS[code][0];
    this.elements = details.elements ?? {};
    this.headers = details.headers ?? {};
  }
}

/** The status and default message of `code`, for responses that are not thrown. */
export function errorDefaults(code: S3ErrorCode): { readonly status: number; readonly message: string } {
  const [status, message] = ERRORS[code];
  return { status, message };
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes a byte string for XML as S3 does: control characters become numeric references, though XML 1.0 forbids some. */
export function xmlEscape(bytes: ByteString): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is escaped
  return bytes.replace(/[&<>"\x00-\x08\x0b-\x1f]/g, (c) => ESCAPES[c] ?? `&#x${c.charCodeAt(0).toString(16)};`);
}

/** The XML body of an error. */
export function errorXml(
  code: string,
  message: string,
  elements: Readonly<Record<string, string>>,
  requestId: string,
): Buffer {
  const extra = Object.entries(elements)
    .map(([name, value]) => `<${name}>${xmlEscape(byteString(value))}</${name}>`)
    .join('');
  return Buffer.from(
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
      `<Error><Code>${code}</Code><Message>${xmlEscape(byteString(message))}</Message>${extra}` +
      `<RequestId>${requestId}</RequestId><HostId>${requestId}</HostId></Error>`,
    'latin1',
  );
}
