/**
 * Which exit code the command line gives for each code.
 *
 * Codes are grouped by whom the user turns to, so that a script can decide with few numbers:
 *
 * | exit | who is to act |
 * |-----:|---------------|
 * | 0 | nobody: done |
 * | 1 | us: a fault in dlfs |
 * | 2 | the caller: wrong option, argument or combination |
 * | 3 | whoever gives out keys: missing, wrong or not allowed |
 * | 4 | whoever owns the data: no such bucket or object, another region, archived, changed, too many |
 * | 5 | whoever runs the endpoint or the network: unreachable, untrusted, not S3, slow, wrong answers |
 * | 6 | whoever owns the cache's disk: in use, unsuited, full, failing |
 * | 7 | the machine's administrator: privilege, FUSE, limits, kernel |
 * | 8 | whoever uses the mount point: busy, foreign, not mounted |
 * | 130 | nobody: interrupted (128 + SIGINT, as shells count) |
 *
 * A helper of mount(8) has its own numbers (mount(8), "EXIT STATUS"); it maps every failure to 32 and leaves
 * these to `bin/dlfs`.
 */
import type { ErrorCode } from './code.ts';

/** The exit codes by class; the header's table says what each means. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  access: 3,
  data: 4,
  endpoint: 5,
  cache: 6,
  machine: 7,
  mountPoint: 8,
  interrupted: 130,
} as const;

/** One of the exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The table: code → exit code. */
export const EXIT_CODE_OF = {
  'invalid-argument': EXIT.usage,
  unsupported: EXIT.machine,
  'not-found': EXIT.data,
  exists: EXIT.mountPoint,
  gone: EXIT.data,
  'changed-at-origin': EXIT.data,
  archived: EXIT.data,
  'access-denied': EXIT.access,
  unauthenticated: EXIT.access,
  'bucket-not-found': EXIT.data,
  'region-mismatch': EXIT.data,
  'endpoint-unreachable': EXIT.endpoint,
  'endpoint-not-s3': EXIT.endpoint,
  'tls-untrusted': EXIT.endpoint,
  throttled: EXIT.endpoint,
  timeout: EXIT.endpoint,
  protocol: EXIT.endpoint,
  'list-limit': EXIT.data,
  corrupt: EXIT.cache,
  'cache-busy': EXIT.cache,
  'cache-unusable': EXIT.cache,
  'disk-full': EXIT.cache,
  io: EXIT.cache,
  'too-many-files': EXIT.machine,
  privilege: EXIT.machine,
  'no-fuse': EXIT.machine,
  'mount-busy': EXIT.mountPoint,
  'not-a-mount': EXIT.mountPoint,
  conflict: EXIT.usage,
  'no-daemon': EXIT.machine,
  interrupted: EXIT.interrupted,
  internal: EXIT.internal,
} as const satisfies Record<ErrorCode, ExitCode>;
