/**
 * The check of AWS Signature Version 4 in the Authorization header.
 *
 * How it works: the canonical request is built from what the endpoint is about to serve (the decoded path and query,
 * encoded again), hashed, signed with a key that is derived once a day, and compared in constant time. Then the payload
 * hash is held against the body. Presigned URLs and signed streams are not accepted: no reader needs them.
 *
 * Invariants:
 * 1. Identity comes from a valid signature or is anonymous; there is no third way.
 * 2. `host` and every `x-amz-*` header that is present must be signed.
 * 3. An error names what differs but never a secret: neither the key nor a session token.
 */

import type { KeyObject } from 'node:crypto';
import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { uriEncode, uriEncodePath } from './byte-string.ts';
import type { Policy } from './policy.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';

/** A key that the endpoint accepts. */
export interface Credential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Where set, requests must carry it (x-amz-security-token). */
  readonly sessionToken?: string;
  /** What requests signed with the key may do. */
  readonly policy: Policy;
}

/** S3's limit on the difference between a request's time and the server's. */
const MAX_SKEW_MS = 15 * 60 * 1000;

const ALGORITHM = 'AWS4-HMAC-SHA256';
const EMPTY_SHA256 = hash('sha256', '');

interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly terminator: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function parseAuthorization(header: string): Authorization {
  if (header.startsWith('AWS ')) {
    throw new S3Error('InvalidRequest', {
      message: `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`,
    });
  }
  if (!header.startsWith(ALGORITHM + ' ')) {
    throw new S3Error('InvalidArgument', {
      message: 'Unsupported Authorization Type',
      elements: { ArgumentName: 'Authorization' },
    });
  }
  const fields = new Map<string, string>();
  for (const field of header.slice(ALGORITHM.length).split(',')) {
    const equals = field.indexOf('=');
    if (equals > 0) fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim());
  }
  const scope = (fields.get('Credential') ?? '').split('/');
  const signedHeaders = fields.get('SignedHeaders') ?? '';
  const signature = fields.get('Signature') ?? '';
  // An access key may hold slashes: the scope is the last four fields.
  const [date, region, service, terminator] = scope.slice(-4);
  const accessKeyId = scope.slice(0, -4).join('/');
  if (
    date === undefined ||
    region === undefined ||
    service === undefined ||
    terminator === undefined ||
    accessKeyId === '' ||
    signedHeaders === '' ||
    signature === ''
  ) {
    throw new S3Error('AuthorizationHeaderMalformed');
  }
  return { accessKeyId, date, region, service, terminator, signedHeaders: signedHeaders.split(';'), signature };
}

/** A header's value as the canonical request holds it; null where it is absent. */
function canonicalValue(message: IncomingMessage, name: string): string | null {
  const value = message.headersDistinct[name];
  return value === undefined ? null : value.map((one) => one.trim().replace(/ +/g, ' ')).join(',');
}

function canonicalQuery(request: S3Request): string {
  return request.query.pairs
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** '20260131T235959Z' as milliseconds since the epoch; NaN where it is none. */
function parseAmzDate(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return NaN;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
}

function amzDate(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** Checks requests against a set of keys. */
export class SignatureCheck {
  // Dependencies
  readonly #credentials: ReadonlyMap<string, Credential>;
  readonly #region: string;
  readonly #now: () => number;

  // Mutable state: signing keys by key id and day. Bounded: only known keys and days within the skew get in.
  readonly #signingKeys = new Map<string, KeyObject>();

  /**
   * @param region the only region that signatures may name
   * @param now the endpoint's clock, milliseconds since the epoch
   */
  constructor(credentials: readonly Credential[], region: string, now: () => number) {
    this.#credentials = new Map(credentials.map((credential) => [credential.accessKeyId, credential]));
    this.#region = region;
    this.#now = now;
  }

  /**
   * Who sent `message`: the credential whose signature it carries, or null for an unsigned request.
   * @throws S3Error where a signature is there but not right
   */
  verify(message: IncomingMessage, request: S3Request): Credential | null {
    if (request.query.get('X-Amz-Signature') !== null || request.query.get('Signature') !== null) {
      throw new S3Error('NotImplemented', { message: 'Presigned requests are not supported.' });
    }
    const header = message.headers.authorization;
    if (header === undefined) return null;
    const authorization = parseAuthorization(header);
    this.#checkScope(authorization);
    const credential = this.#credentials.get(authorization.accessKeyId);
    if (credential === undefined) {
      throw new S3Error('InvalidAccessKeyId', { elements: { AWSAccessKeyId: authorization.accessKeyId } });
    }
    const time = this.#checkTime(message, authorization);
    const payloadHash = message.headers['x-amz-content-sha256'];
    if (typeof payloadHash !== 'string') {
      throw new S3Error('InvalidRequest', {
        message: 'Missing required header for this request: x-amz-content-sha256',
      });
    }
    this.#checkSignedHeaders(message, authorization);
    this.#checkSignature(message, request, authorization, credential, time, payloadHash);
    checkToken(message, credential);
    if (payloadHash.startsWith('STREAMING-')) throw new S3Error('NotImplemented');
    if (payloadHash !== 'UNSIGNED-PAYLOAD' && !/^[0-9a-f]{64}$/.test(payloadHash)) {
      throw new S3Error('InvalidArgument', {
        message: 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.',
        elements: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: payloadHash },
      });
    }
    return credential;
  }

  #checkScope(authorization: Authorization): void {
    if (authorization.service !== 's3' || authorization.terminator !== 'aws4_request') {
      throw new S3Error('AuthorizationHeaderMalformed', {
        message: 'The authorization header is malformed; the credential scope must end with "s3/aws4_request".',
      });
    }
    if (authorization.region !== this.#region) {
      throw new S3Error('AuthorizationHeaderMalformed', {
        message:
          `The authorization header is malformed; the region '${authorization.region}' is wrong; ` +
          `expecting '${this.#region}'`,
        elements: { Region: this.#region },
        headers: { 'x-amz-bucket-region': this.#region },
      });
    }
  }

  /** The request's own time as text, within the skew and on the scope's day. */
  #checkTime(message: IncomingMessage, authorization: Authorization): string {
    const given = message.headers['x-amz-date'];
    const dateHeader = message.headers.date;
    const time =
      typeof given === 'string' ? parseAmzDate(given) : dateHeader === undefined ? NaN : Date.parse(dateHeader);
    if (Number.isNaN(time)) {
      throw new S3Error('AccessDenied', {
        message: 'AWS authentication requires a valid Date or x-amz-date header',
      });
    }
    const text = amzDate(time);
    const now = this.#now();
    if (Math.abs(now - time) > MAX_SKEW_MS) {
      throw new S3Error('RequestTimeTooSkewed', {
        elements: {
          RequestTime: text,
          ServerTime: new Date(now).toISOString().replace(/\.\d{3}/, ''),
          MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
        },
      });
    }
    if (!text.startsWith(authorization.date)) {
      throw new S3Error('AuthorizationHeaderMalformed', {
        message:
          `The authorization header is malformed; Invalid credential date "${authorization.date}". ` +
          `This date is not the same as X-Amz-Date: "${text.slice(0, 8)}".`,
      });
    }
    return text;
  }

  #checkSignedHeaders(message: IncomingMessage, authorization: Authorization): void {
    const unsigned = Object.keys(message.headers).filter(
      (name) => (name === 'host' || name.startsWith('x-amz-')) && !authorization.signedHeaders.includes(name),
    );
    if (unsigned.length > 0) {
      throw new S3Error('AccessDenied', {
        message: 'There were headers present in the request which were not signed',
        elements: { HeadersNotSigned: unsigned.join(', ') },
      });
    }
  }

  #checkSignature(
    message: IncomingMessage,
    request: S3Request,
    authorization: Authorization,
    credential: Credential,
    time: string,
    payloadHash: string,
  ): void {
    const { date, region, service, terminator, signedHeaders } = authorization;
    const canonicalRequest = [
      request.method,
      uriEncodePath(request.path),
      canonicalQuery(request),
      ...signedHeaders.map((name) => `${name}:${canonicalValue(message, name) ?? ''}`),
      '',
      signedHeaders.join(';'),
      payloadHash,
    ].join('\n');
    const stringToSign = [
      ALGORITHM,
      time,
      `${date}/${region}/${service}/${terminator}`,
      // The canonical request is made of ASCII, but for header values, which Node decodes as Latin-1.
      hash('sha256', Buffer.from(canonicalRequest, 'latin1')),
    ].join('\n');
    const expected = createHmac('sha256', this.#signingKey(credential, date)).update(stringToSign).digest('hex');
    const given = Buffer.from(authorization.signature, 'latin1');
    if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected, 'latin1'))) {
      throw new S3Error('SignatureDoesNotMatch', {
        elements: {
          AWSAccessKeyId: credential.accessKeyId,
          StringToSign: stringToSign,
          SignatureProvided: authorization.signature,
        },
      });
    }
  }

  #signingKey(credential: Credential, date: string): KeyObject {
    const name = `${date} ${credential.accessKeyId}`;
    let key = this.#signingKeys.get(name);
    if (key === undefined) {
      // Two days at most are within the skew; older ones go.
      if (this.#signingKeys.size >= 2 * this.#credentials.size) this.#signingKeys.clear();
      key = createSecretKey(
        [date, this.#region, 's3', 'aws4_request'].reduce(
          (above, part) => createHmac('sha256', above).update(part).digest(),
          Buffer.from('AWS4' + credential.secretAccessKey, 'utf8'),
        ),
      );
      this.#signingKeys.set(name, key);
    }
    return key;
  }
}

function checkToken(message: IncomingMessage, credential: Credential): void {
  const token = message.headers['x-amz-security-token'];
  if (token === credential.sessionToken) return;
  // S3 does not know a temporary key without its token.
  if (token === undefined) {
    throw new S3Error('InvalidAccessKeyId', { elements: { AWSAccessKeyId: credential.accessKeyId } });
  }
  throw new S3Error('InvalidToken');
}

/**
 * Holds a signed payload hash against the body.
 * @param declared the x-amz-content-sha256 header of a verified request
 * @throws S3Error XAmzContentSHA256Mismatch
 */
export function checkPayload(declared: string | undefined, body: Buffer | null): void {
  if (declared === undefined || declared === 'UNSIGNED-PAYLOAD') return;
  const actual = body === null ? EMPTY_SHA256 : hash('sha256', body);
  if (declared !== actual) {
    throw new S3Error('XAmzContentSHA256Mismatch', {
      elements: { ClientComputedContentSHA256: declared, S3ComputedContentSHA256: actual },
    });
  }
}
