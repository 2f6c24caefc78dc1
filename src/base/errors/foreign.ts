/**
 * Reads the error code out of whatever was thrown at us by Node, libuv, OpenSSL or undici.
 *
 * How it works: by the `name` of an abort or timeout, by the `code` string of a system, TLS or HTTP client error, then by
 * the `cause` or the first of `errors` inside (fetch and happy-eyeballs connects wrap theirs), to a bounded depth.
 * S3's own error bodies are not read here: that is the source's knowledge.
 *
 * Invariants:
 * 1. Total: any value, hostile ones included (throwing getters, cycles, revoked proxies), gives an answer and never throws.
 * 2. A guess is not made: what is not in the table gives null.
 */
import type { ErrorCode } from './code.ts';

/** Deeper chains are not followed: real ones have two or three links. */
const MAX_DEPTH = 8;

const BY_NAME: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['AbortError', 'interrupted'],
  ['TimeoutError', 'timeout'],
]);

const BY_CODE: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  // Files (errno names, man 2 open, read, write).
  ['ENOENT', 'not-found'],
  ['ENOTDIR', 'not-found'],
  ['EEXIST', 'exists'],
  ['EACCES', 'access-denied'],
  ['EPERM', 'privilege'],
  ['EROFS', 'cache-unusable'],
  ['ENOSPC', 'disk-full'],
  ['EDQUOT', 'disk-full'],
  ['EMFILE', 'too-many-files'],
  ['ENFILE', 'too-many-files'],
  ['EIO', 'io'],
  ['EINVAL', 'invalid-argument'],
  ['ENAMETOOLONG', 'invalid-argument'],
  ['ENOSYS', 'unsupported'],
  ['EOPNOTSUPP', 'unsupported'],
  ['ENOTSUP', 'unsupported'],
  ['EBUSY', 'mount-busy'],
  ['ESTALE', 'gone'],
  // The network.
  ['ECONNREFUSED', 'endpoint-unreachable'],
  ['ECONNRESET', 'endpoint-unreachable'],
  ['ECONNABORTED', 'endpoint-unreachable'],
  ['EPIPE', 'endpoint-unreachable'],
  ['ENOTFOUND', 'endpoint-unreachable'],
  ['EAI_AGAIN', 'endpoint-unreachable'],
  ['EHOSTUNREACH', 'endpoint-unreachable'],
  ['EHOSTDOWN', 'endpoint-unreachable'],
  ['ENETUNREACH', 'endpoint-unreachable'],
  ['ENETDOWN', 'endpoint-unreachable'],
  ['EADDRNOTAVAIL', 'endpoint-unreachable'],
  ['ETIMEDOUT', 'timeout'],
  // The HTTP clients (Node's parser and undici).
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_SOCKET', 'endpoint-unreachable'],
  ['UND_ERR_ABORTED', 'interrupted'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'protocol'],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'protocol'],
  ['UND_ERR_HEADERS_OVERFLOW', 'protocol'],
  ['ABORT_ERR', 'interrupted'],
  // TLS (OpenSSL's X.509 verification names as Node spells them).
  ['UNABLE_TO_GET_ISSUER_CERT', 'tls-untrusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls-untrusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls-untrusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls-untrusted'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls-untrusted'],
  ['CERT_SIGNATURE_FAILURE', 'tls-untrusted'],
  ['CERT_NOT_YET_VALID', 'tls-untrusted'],
  ['CERT_HAS_EXPIRED', 'tls-untrusted'],
  ['CERT_UNTRUSTED', 'tls-untrusted'],
  ['CERT_REVOKED', 'tls-untrusted'],
  ['INVALID_CA', 'tls-untrusted'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls-untrusted'],
]);

/** Prefixes of whole families of codes. */
const BY_PREFIX: readonly (readonly [string, ErrorCode])[] = [
  ['HPE_', 'protocol'], // llhttp: what answered is not HTTP, or broken HTTP
  ['ERR_SSL_', 'endpoint-unreachable'], // a failed handshake, for example TLS spoken to a plain port
];

/** Reads a property of anything; a throwing getter or proxy reads as undefined (invariant 1). */
export function peek(value: unknown, property: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[property];
  } catch {
    return undefined;
  }
}

/**
 * The code of a foreign error.
 * @param value anything that was thrown
 * @returns null where nothing in it is known
 */
export function codeOfForeign(value: unknown): ErrorCode | null {
  return search(value, 0);
}

function search(value: unknown, depth: number): ErrorCode | null {
  if (depth >= MAX_DEPTH || typeof value !== 'object' || value === null) return null;
  const code = peek(value, 'code');
  const name = peek(value, 'name');
  const own =
    (typeof code === 'string' ? (BY_CODE.get(code) ?? byPrefix(code)) : null) ??
    (typeof name === 'string' ? (BY_NAME.get(name) ?? null) : null);
  return own ?? search(peek(value, 'cause'), depth + 1) ?? search(peek(peek(value, 'errors'), '0'), depth + 1);
}

function byPrefix(code: string): ErrorCode | null {
  return BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1] ?? null;
}
