/**
 * The closed set of error codes.
 *
 * Every failure that leaves a module carries one of these. A code says what is wrong in the
 * user's world, not which call failed; the message says the rest. Three tables give each code
 * its errno (`errno.ts`), gRPC status (`grpc.ts`) and exit code (`exit.ts`).
 *
 * Invariants:
 * 1. The set is closed: a table without a row for each code does not compile.
 * 2. `retryable` is the code's default. It means: the same call may succeed later although
 *    nobody changed anything. An error may override it for itself.
 * 3. A code, once released, keeps its meaning and its name: scripts match on it.
 */

/** What is said of a code in one row. */
export interface CodeInfo {
  /** The user's-world meaning, one sentence, for documentation. */
  readonly meaning: string;
  /** The default of `DlfsError.retryable` (invariant 2). */
  readonly retryable: boolean;
}

/** Each code with its meaning; the documentation's table is made of it. */
export const ERROR_CODES = {
  'invalid-argument': {
    meaning: 'An option, argument or manifest field has a value that can never work.',
    retryable: false,
  },
  unsupported: {
    meaning: 'What was asked for is valid, but this version or this kernel cannot do it.',
    retryable: false,
  },
  'not-found': { meaning: 'No file, object or dataset of that name exists.', retryable: false },
  exists: { meaning: 'Something of that name is there already.', retryable: false },
  gone: {
    meaning: 'The version of the object that the reader holds was superseded, and the origin no longer has it.',
    retryable: false,
  },
  'changed-at-origin': {
    meaning: 'The object at the origin is no longer the version of this snapshot.',
    retryable: false,
  },
  archived: {
    meaning: 'The object is in an archive storage class and must be restored before it can be read.',
    retryable: false,
  },
  'access-denied': { meaning: 'The keys are valid, but not allowed to do this.', retryable: false },
  unauthenticated: { meaning: 'Keys are missing, wrong, or expired.', retryable: false },
  'bucket-not-found': { meaning: 'The endpoint has no bucket of that name.', retryable: false },
  'region-mismatch': { meaning: 'The bucket is in another region than the one configured.', retryable: false },
  'endpoint-unreachable': {
    meaning: 'No connection to the endpoint: name, route, port, or it hung up.',
    retryable: true,
  },
  'endpoint-not-s3': { meaning: 'Something answers at the endpoint, but it does not speak S3.', retryable: false },
  'tls-untrusted': {
    meaning: "The endpoint's certificate is not trusted, expired, or of another name.",
    retryable: false,
  },
  throttled: { meaning: 'The origin asks to slow down (503 SlowDown, 429).', retryable: true },
  timeout: { meaning: 'No answer within the limit.', retryable: true },
  protocol: {
    meaning: 'The origin broke its own contract: a cut body, a wrong range, an oversized or malformed answer.',
    retryable: true,
  },
  'list-limit': { meaning: 'The listing is longer than the configured limit.', retryable: false },
  corrupt: { meaning: 'Bytes on the local disk do not match their recorded hash or format.', retryable: false },
  'cache-busy': { meaning: 'Another process uses this cache folder.', retryable: false },
  'cache-unusable': {
    meaning: 'The cache folder is on a file system that cannot carry it (overlay, tmpfs, read-only), or not writable.',
    retryable: false,
  },
  'disk-full': { meaning: "The cache's disk has no space or no quota left.", retryable: false },
  io: { meaning: 'The local disk failed to read or write.', retryable: false },
  'too-many-files': { meaning: 'The limit of open descriptors is reached.', retryable: true },
  privilege: { meaning: 'The process lacks a privilege of the operating system.', retryable: false },
  'no-fuse': { meaning: 'The kernel offers no FUSE: /dev/fuse is missing or refused.', retryable: false },
  'mount-busy': {
    meaning: 'The mount point is in use: a foreign mount, a mount still read from, or a non-empty directory.',
    retryable: false,
  },
  'not-a-mount': { meaning: 'There is no mount of ours at that directory.', retryable: false },
  conflict: {
    meaning: 'It belongs to somebody else: a configuration file owns it, another process serves it, or a job is at it.',
    retryable: false,
  },
  'no-daemon': { meaning: 'No daemon answers at the socket.', retryable: true },
  interrupted: { meaning: 'The caller gave up: a signal, a cancelled request, a shutdown.', retryable: false },
  internal: { meaning: 'A fault in dlfs itself.', retryable: false },
} as const satisfies Record<string, CodeInfo>;

/** One of the closed set of codes. */
export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * Tells whether a string is a code of ours.
 * @param value anything, for example a field of a parsed API answer
 */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
