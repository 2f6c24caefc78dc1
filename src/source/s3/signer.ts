/**
 * Signs GETs of ranges by AWS Signature Version 4 (header form), as the bytes of a request head.
 *
 * How it works: the key of a day (four HMACs over secret, date, region and service) is kept while day and credentials stay
 * the same, and the texts that do not change from one request to the next are put together once; what is left of a request
 * is one SHA-256 and one HMAC. The same fields are signed as by `@aws-sdk/client-s3`, less its own bookkeeping
 * (`amz-sdk-*`, `x-amz-user-agent`, `x-amz-checksum-mode`); a test holds the two together.
 *
 * Invariants:
 * 1. No byte of key, etag, host or credentials can end a header line: keys are percent-encoded, the rest is checked to be
 *    printable ASCII.
 * 2. What is signed is what is sent: the canonical request is made of the same strings as the head.
 * 3. The secret and the derived key leave this object only as an HMAC.
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { DlfsError } from '../../base/errors.ts';
import type { PreparedGet } from '../source.ts';
import { encodeKey } from './key-path.ts';

/** What signs. */
export interface SigningIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Null for a long-lived key. */
  readonly sessionToken: string | null;
}

/** Where the GETs go. */
export interface GetTarget {
  /** Value of the Host field: name, and the port unless it is the scheme's own. */
  readonly host: string;
  /** The encoded path before the key: begins and ends with `/`. */
  readonly basePath: string;
  /** Region and service of the signature's scope. */
  readonly region: string;
  readonly service: string;
  readonly requesterPays: boolean;
  /** For plain HTTP through a proxy: scheme and authority of the absolute form, and the proxy's authorization. */
  readonly forward: { readonly origin: string; readonly authorization: string | null } | null;
}

/** What the object must still be. */
export interface GetCondition {
  /** As listed: If-Match; empty: no such condition. */
  readonly etag: string;
  /** Time of modification as listed, milliseconds since 1970: If-Unmodified-Since; null: no such condition. */
  readonly unmodifiedSinceMs: number | null;
}

/** Name, in lower case, and value. */
type Field = readonly [string, string];

/** SHA-256 of no bytes: the payload of every GET. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** Printable ASCII and spaces: what a header value of ours may be made of. */
const HEADER_VALUE = /^[\x20-\x7e]*$/;

/** Longer etags do not occur (S3's are 34 to 40 characters); a megabyte of one must not reach a head. */
const MAX_ETAG = 1024;

/** See the file's header. One signer serves one target. */
export class GetSigner {
  readonly #target: GetTarget;
  readonly #fields: string;
  #identity: SigningIdentity | null = null;
  #second = Number.NaN;
  #amzDate = '';
  #scope = '';
  #dayKey: KeyObject | null = null;

  /** @throws DlfsError `invalid-argument` where the target could break a head (invariant 1) */
  constructor(target: GetTarget) {
    for (const value of [target.host, target.basePath, target.region, target.service, target.forward?.origin ?? '']) {
      if (!/^[\x21-\x7e]*$/.test(value))
        throw new DlfsError('invalid-argument', 'the endpoint is not a valid host and path');
    }
    if (!target.basePath.startsWith('/') || !target.basePath.endsWith('/')) {
      throw new DlfsError('internal', `not a base path: ${target.basePath}`);
    }
    const proxy = target.forward?.authorization ?? null;
    this.#target = target;
    this.#fields =
      `host: ${target.host}\r\nuser-agent: dlfs\r\naccept-encoding: identity\r\n` +
      (proxy === null ? '' : `proxy-authorization: ${checked(proxy, "the proxy's authorization")}\r\n`);
  }

  /**
   * Signs with these credentials from now on.
   * @param identity null: no signature at all (anonymous)
   * @throws DlfsError `unauthenticated` where they could break a head (invariant 1)
   */
  use(identity: SigningIdentity | null): void {
    if (identity !== null) {
      const { accessKeyId, sessionToken } = identity;
      if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(accessKeyId) || !HEADER_VALUE.test(sessionToken ?? '')) {
        throw new DlfsError(
          'unauthenticated',
          'the access key or session token holds characters that no key has: copied with a line break?',
        );
      }
    }
    this.#identity = identity;
    this.#dayKey = null;
    this.#second = Number.NaN;
  }

  /**
   * The head of a GET.
   * @param key the full key
   * @param condition what the object must still be
   * @param offset first byte, ≥ 0
   * @param length bytes, > 0
   * @param nowMs the origin's wall time: ours, corrected
   * @throws DlfsError `invalid-argument` as `Source.get` says
   */
  prepare(key: string, condition: GetCondition, offset: number, length: number, nowMs: number): PreparedGet {
    const { host, basePath, requesterPays, forward } = this.#target;
    const path = basePath + encodeKey(key);
    const last = offset + length - 1;
    if (!(
      Number.isSafeInteger(offset) &&
      offset >= 0 &&
      Number.isSafeInteger(length) &&
      length > 0 &&
      Number.isSafeInteger(last)
    )) {
      throw new DlfsError('invalid-argument', `not a range: ${length} bytes at ${offset}`, { key });
    }
    const range = `bytes=${offset}-${last}`;
    const conditions = conditionFields(condition, key);
    const lines = [...conditions, ['range', range]].map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const head =
      `GET ${forward === null ? '' : forward.origin}${path} HTTP/1.1\r\n${this.#fields}${lines}` +
      `${requesterPays ? 'x-amz-request-payer: requester\r\n' : ''}${this.#signature(path, range, conditions, nowMs)}\r\n`;
    return { head: Buffer.from(head, 'latin1'), host };
  }

  /** The fields that carry the signature, each with its line's end; empty when anonymous. */
  #signature(path: string, range: string, conditions: readonly Field[], nowMs: number): string {
    const identity = this.#identity;
    if (identity === null) return '';
    const dayKey = this.#at(nowMs, identity);
    const { host, requesterPays } = this.#target;
    const { accessKeyId, sessionToken } = identity;
    const names =
      `host;${conditions.map(([name]) => `${name};`).join('')}range;x-amz-content-sha256;x-amz-date` +
      `${requesterPays ? ';x-amz-request-payer' : ''}${sessionToken === null ? '' : ';x-amz-security-token'}`;
    const canonical =
      `GET\n${path}\n\nhost:${host}\n${conditions.map(([name, value]) => `${name}:${collapse(value)}\n`).join('')}range:${range}\n` +
      `x-amz-content-sha256:${EMPTY_SHA256}\nx-amz-date:${this.#amzDate}\n` +
      (requesterPays ? 'x-amz-request-payer:requester\n' : '') +
      `${sessionToken === null ? '' : `x-amz-security-token:${collapse(sessionToken)}\n`}\n${names}\n${EMPTY_SHA256}`;
    const toSign = `${ALGORITHM}\n${this.#amzDate}\n${this.#scope}\n${hash('sha256', canonical, 'hex')}`;
    const signature = createHmac('sha256', dayKey).update(toSign).digest('hex');
    return (
      `x-amz-content-sha256: ${EMPTY_SHA256}\r\nx-amz-date: ${this.#amzDate}\r\n` +
      (sessionToken === null ? '' : `x-amz-security-token: ${sessionToken}\r\n`) +
      `authorization: ${ALGORITHM} Credential=${accessKeyId}/${this.#scope}, SignedHeaders=${names}, Signature=${signature}\r\n`
    );
  }

  /** Brings date, scope and the day's key up to `nowMs`; nothing to do within the same second. */
  #at(nowMs: number, identity: SigningIdentity): KeyObject {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second && this.#dayKey !== null) return this.#dayKey;
    const day = this.#amzDate.slice(0, 8);
    this.#amzDate = `${new Date(second * 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
    this.#second = second;
    const today = this.#amzDate.slice(0, 8);
    if (this.#dayKey !== null && today === day) return this.#dayKey;
    const { region, service } = this.#target;
    this.#scope = `${today}/${region}/${service}/aws4_request`;
    const dayKey = [today, region, service, 'aws4_request'].reduce(
      (key, part) => createHmac('sha256', key).update(part).digest(),
      Buffer.from(`AWS4${identity.secretAccessKey}`),
    );
    // As a KeyObject: with bytes, each HMAC first finds out what kind of key they are, at five times the HMAC's own cost.
    this.#dayKey = createSecretKey(dayKey);
    return this.#dayKey;
  }
}

/** The fields of a condition, in the order in which they are signed. */
function conditionFields({ etag, unmodifiedSinceMs }: GetCondition, key: string): Field[] {
  const fields: Field[] = [];
  if (etag !== '') fields.push(['if-match', ifMatchOf(etag, key)]);
  if (unmodifiedSinceMs !== null) {
    // The field has whole seconds: the next one lets the listed version pass, wherever in its second it was made.
    const second = new Date(Math.ceil(unmodifiedSinceMs / 1000) * 1000);
    if (!Number.isNaN(second.getTime())) fields.push(['if-unmodified-since', second.toUTCString()]);
  }
  return fields;
}

/** An etag as If-Match wants it: quoted, even where a server lists it bare. */
function ifMatchOf(etag: string, key: string): string {
  const value = etag.trim();
  if (value.length > MAX_ETAG || !HEADER_VALUE.test(value)) {
    throw new DlfsError('invalid-argument', 'the etag holds characters that no etag has', { key });
  }
  return value.startsWith('"') || value.startsWith('W/"') ? value : `"${value}"`;
}

function checked(value: string, what: string): string {
  if (!HEADER_VALUE.test(value)) throw new DlfsError('invalid-argument', `${what} is not printable ASCII`);
  return value;
}

/** SigV4's canonical form of a header value: runs of white space are one space, none at the ends. */
function collapse(value: string): string {
  return value.includes('  ') || value.startsWith(' ') || value.endsWith(' ')
    ? value.trim().replaceAll(/ +/g, ' ')
    : value;
}
