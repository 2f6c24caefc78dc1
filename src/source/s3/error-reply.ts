/**
 * Reads the body of an S3 error answer.
 *
 * Invariants:
 * 1. Total: any bytes give a result; what cannot be read is absent. A body cut at 64 KiB gives the fields before the cut.
 * 2. What is given back is short and printable: fit for a message. Elements that could echo a signature or a key
 *    (StringToSign, AWSAccessKeyId, …) are not read.
 */
import { XmlReader } from './xml.ts';

/** What kind of body it is. */
export type ErrorBodyKind = 'empty' | 's3' | 'html' | 'other';

/** The fields of an S3 error that are of use. */
export interface ErrorReply {
  readonly kind: ErrorBodyKind;
  /** For example `NoSuchKey`; null where the body is none of S3's. */
  readonly code: string | null;
  /** The server's own sentence. */
  readonly message: string | null;
  /** The region that the signature should have named. */
  readonly region: string | null;
  /** The server's time in a complaint about ours. */
  readonly serverTime: string | null;
}

/** Longer bodies say nothing more; the fetcher keeps no more either. */
const MAX_BODY = 65_536;

const CODE = /^[A-Za-z0-9._-]{1,80}$/;
const REGION = /^[a-z0-9-]{1,64}$/;

/** Reads the body of a failed request. */
export function parseErrorReply(body: Uint8Array): ErrorReply {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, MAX_BODY)).toString('utf8');
  const found = new Map<string, string>();
  const isS3 = readFields(text, found);
  const code = found.get('Code')?.trim() ?? '';
  const region = found.get('Region')?.trim() ?? '';
  return {
    kind: isS3 && code !== '' ? 's3' : kindOf(text),
    code: CODE.test(code) ? code : null,
    message: sentence(found.get('Message')),
    region: REGION.test(region) ? region : null,
    serverTime: sentence(found.get('ServerTime')),
  };
}

const READ: ReadonlySet<string> = new Set(['Code', 'Message', 'Region', 'ServerTime']);

/** @returns whether the document's root is an error */
function readFields(text: string, found: Map<string, string>): boolean {
  let isS3 = false;
  try {
    const xml = new XmlReader(text, 'the error');
    isS3 = xml.next() === 'Error';
    for (let name = isS3 ? xml.next() : null; name !== null; name = xml.next()) {
      if (READ.has(name) && !found.has(name)) found.set(name, xml.leaf());
      else xml.skip();
    }
  } catch {
    // Cut or not XML: what was read before stands (invariant 1).
  }
  return isS3;
}

function kindOf(text: string): ErrorBodyKind {
  if (text.trim() === '') return 'empty';
  return /^\s*(?:<!--[\s\S]{0,1000}?-->\s*)?<(?:!doctype\s+html|html|head|body)/i.test(text) ? 'html' : 'other';
}

function sentence(text: string | undefined): string | null {
  // eslint-disable-next-line no-control-regex -- control characters are what this takes out
  const line = text?.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim() ?? '';
  return line === '' ? null : line.slice(0, 200);
}
