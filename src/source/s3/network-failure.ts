/**
 * What it means when an endpoint gives no answer at all: one mapping for Node's errors (the listings) and one for the native
 * fetcher's words (the GETs).
 *
 * Invariants:
 * 1. Total: anything thrown gives a failure, and each names the endpoint and what to look at.
 * 2. A wrong set-up (untrusted certificate, TLS spoken to a plain port) is not retryable; a broken way is.
 */
import { DlfsError, type ErrorCode } from '../../base/errors.ts';
import type { SourceWords } from '../../dataset/source-words.ts';
import { sourceFailure } from '../source-failure.ts';
import type { SourceFailure, TransportFailureKind } from '../source.ts';

/** Where it was tried. */
export interface Destination {
  /** Scheme, host and port: `https://bucket.s3.example.com`. */
  readonly endpoint: string;
  /** Whether the bucket stands in the host name of an endpoint that the user named: path style may be what is missing. */
  readonly bucketInName: boolean;
  /** The proxy on the way, for messages: `http://host:port`. */
  readonly proxy: string | null;
  /** What the source's options are called where they were written. */
  readonly words: SourceWords;
}

/** Longer foreign texts are cut. */
const MAX_TEXT = 160;

/** What Node threw while a request was on its way. */
export function networkFailure(thrown: unknown, to: Destination): SourceFailure {
  if (thrown instanceof DlfsError)
    return sourceFailure(thrown.code, thrown.message, { retryable: thrown.retryable, cause: thrown });
  const code = codeWithin(thrown, 0) ?? '';
  const text = `${code} ${messageOf(thrown)}`.trim().slice(0, MAX_TEXT);
  const [kind, message, retryable] = meaningOf(code, text, to);
  return sourceFailure(kind, message, { cause: thrown, ...(retryable === undefined ? {} : { retryable }) });
}

type Meaning = readonly [ErrorCode, string, boolean?];

function meaningOf(code: string, text: string, to: Destination): Meaning {
  const { endpoint, proxy, words } = to;
  if (code.startsWith('ERR_PROXY_'))
    return ['endpoint-unreachable', `the proxy ${proxy ?? ''} did not open a way to ${endpoint} (${text})`];
  if (proxy !== null && ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED'].includes(code)) {
    return [
      'endpoint-unreachable',
      `the proxy ${proxy} on the way to ${endpoint} cannot be reached (${code}): check HTTPS_PROXY, HTTP_PROXY and NO_PROXY`,
    ];
  }
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [
        'endpoint-unreachable',
        `the name of ${endpoint} does not resolve (${code}): check ${to.bucketInName ? `${words.endpoint}, or add ${words.pathStyle}` : `${words.endpoint} and ${words.region}`}`,
      ];
    case 'ECONNREFUSED':
      return [
        'endpoint-unreachable',
        `nothing listens at ${endpoint} (${code}): check ${words.endpoint}, and that the server runs`,
      ];
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return ['endpoint-not-s3', `${endpoint} does not speak TLS: write http://, or check the port`, false];
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return [
        'tls-untrusted',
        `the certificate of ${endpoint} is for another name: check ${words.endpoint}${to.bucketInName ? `, or add ${words.pathStyle}` : ''}`,
      ];
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return [
        'tls-untrusted',
        `the certificate of ${endpoint} is not valid now (${code}): renew it, or set this machine's clock`,
      ];
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return [
        'endpoint-unreachable',
        `${endpoint} closed the connection before its answer was complete (${code})${endpoint.startsWith('http:') ? '; if it speaks TLS, write https://' : ''}`,
      ];
    case 'ETIMEDOUT':
      return ['timeout', `no connection to ${endpoint} within the time limit: check ${words.endpoint} and the network`];
    default:
      return meaningOfFamily(code, text, to);
  }
}

function meaningOfFamily(code: string, text: string, { endpoint, words }: Destination): Meaning {
  if (code === 'HPE_HEADER_OVERFLOW')
    return ['protocol', `${endpoint} answers with headers of unreasonable size`, false];
  if (code.startsWith('HPE_')) {
    return [
      'endpoint-not-s3',
      `${endpoint} answers, but not in HTTP${endpoint.startsWith('http:') ? ': if it speaks TLS, write https://' : ''}`,
      false,
    ];
  }
  const known = DlfsError.from({ code }).code;
  if (known === 'tls-untrusted') {
    return [
      'tls-untrusted',
      `the certificate of ${endpoint} is signed by an authority that this machine does not know (${code}): name its file with ${words.caFile}`,
    ];
  }
  if (code.startsWith('ERR_SSL_')) return ['endpoint-unreachable', `no TLS with ${endpoint} (${text})`, false];
  if (known === 'interrupted') return ['interrupted', 'the request was cancelled'];
  return [
    known === 'timeout' ? 'timeout' : 'endpoint-unreachable',
    `no answer from ${endpoint} (${text || 'unknown cause'})`,
    true,
  ];
}

/** What the native fetcher says of a request that ended without an answer. */
export function transportFailure(kind: TransportFailureKind, text: string, to: Destination): SourceFailure {
  const { endpoint } = to;
  const why = text === '' ? '' : ` (${text.slice(0, MAX_TEXT)})`;
  switch (kind) {
    case 'connect_failed':
      return sourceFailure(
        'endpoint-unreachable',
        `no connection to ${endpoint}${to.proxy === null ? '' : ` by way of ${to.proxy}`}${why}`,
      );
    case 'tls_failed':
      return /certificate|issuer|self.signed|verif|host ?name|mismatch|expired/i.test(text)
        ? sourceFailure(
            'tls-untrusted',
            `the certificate of ${endpoint} is not trusted${why}: name its authority with ${to.words.caFile}`,
          )
        : sourceFailure('endpoint-unreachable', `no TLS with ${endpoint}${why}`);
    case 'timeout':
      return sourceFailure('timeout', `no answer from ${endpoint} within the time limit${why}`);
    case 'reset':
      return sourceFailure(
        'endpoint-unreachable',
        `${endpoint} closed the connection before its answer was complete${why}`,
      );
    case 'protocol':
      return sourceFailure('protocol', `${endpoint} broke the contract of a ranged read${why}`);
    case 'cancelled':
      return sourceFailure('interrupted', 'the read was cancelled');
    case 'rejected':
      return sourceFailure(
        'changed-at-origin',
        `${endpoint} answered with another version of the object than the one listed${why}`,
      );
    default:
      return sourceFailure('internal', `a fetch ended in an unknown way: ${String(kind satisfies never)}`);
  }
}

/** The first `code` in an error, its causes, and the errors of an AggregateError. */
function codeWithin(thrown: unknown, depth: number): string | null {
  if (typeof thrown !== 'object' || thrown === null || depth > 5) return null;
  const { code, cause, errors } = thrown as { code?: unknown; cause?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  return codeWithin(cause, depth + 1) ?? (Array.isArray(errors) ? codeWithin(errors[0], depth + 1) : null);
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : '';
}
