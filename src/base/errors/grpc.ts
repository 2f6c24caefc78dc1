/**
 * Which gRPC status a Container Storage Interface caller sees for each code.
 *
 * Numbers are those of the gRPC core documentation (statuscodes.md); they are fixed by the wire
 * protocol, so no library is needed here. Kubernetes retries every failed publish with backoff; the status decides what
 * it logs, and for ABORTED, UNAVAILABLE and DEADLINE_EXCEEDED that the outcome is not final.
 */
import type { ErrorCode } from './code.ts';

/** The gRPC status numbers in use. */
export const GRPC_STATUS = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** One of the gRPC status numbers in use. */
export type GrpcStatus = (typeof GRPC_STATUS)[keyof typeof GRPC_STATUS];

/** The table: code → gRPC status number. */
export const GRPC_STATUS_OF = {
  'invalid-argument': GRPC_STATUS.invalidArgument,
  unsupported: GRPC_STATUS.unimplemented,
  'not-found': GRPC_STATUS.notFound,
  exists: GRPC_STATUS.alreadyExists,
  gone: GRPC_STATUS.notFound,
  'changed-at-origin': GRPC_STATUS.aborted,
  archived: GRPC_STATUS.failedPrecondition,
  'access-denied': GRPC_STATUS.permissionDenied,
  unauthenticated: GRPC_STATUS.unauthenticated,
  'bucket-not-found': GRPC_STATUS.notFound,
  'region-mismatch': GRPC_STATUS.failedPrecondition,
  'endpoint-unreachable': GRPC_STATUS.unavailable,
  'endpoint-not-s3': GRPC_STATUS.failedPrecondition,
  'tls-untrusted': GRPC_STATUS.failedPrecondition,
  throttled: GRPC_STATUS.unavailable,
  timeout: GRPC_STATUS.deadlineExceeded,
  protocol: GRPC_STATUS.unavailable,
  'list-limit': GRPC_STATUS.outOfRange,
  corrupt: GRPC_STATUS.dataLoss,
  'cache-busy': GRPC_STATUS.aborted,
  'cache-unusable': GRPC_STATUS.failedPrecondition,
  'disk-full': GRPC_STATUS.resourceExhausted,
  io: GRPC_STATUS.internal,
  'too-many-files': GRPC_STATUS.resourceExhausted,
  privilege: GRPC_STATUS.failedPrecondition,
  'no-fuse': GRPC_STATUS.failedPrecondition,
  'mount-busy': GRPC_STATUS.failedPrecondition,
  'not-a-mount': GRPC_STATUS.notFound,
  conflict: GRPC_STATUS.aborted,
  'no-daemon': GRPC_STATUS.unavailable,
  interrupted: GRPC_STATUS.cancelled,
  internal: GRPC_STATUS.internal,
} as const satisfies Record<ErrorCode, GrpcStatus>;
