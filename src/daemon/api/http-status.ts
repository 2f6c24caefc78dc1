/**
 * Which HTTP status the API answers an error with.
 *
 * No table of its own: the gRPC status of the error's code (base/errors/grpc.ts), by the mapping that google.rpc.Code
 * documents for HTTP (googleapis/google/rpc/code.proto).
 */
import type { ErrorCode } from '../../base/errors/code.ts';
import { GRPC_STATUS_OF, type GrpcStatus } from '../../base/errors/grpc.ts';

const HTTP_STATUS_OF_GRPC = {
  1: 499,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
} as const satisfies Record<GrpcStatus, number>;

/** The HTTP status of an error's code. */
export function httpStatusOf(code: ErrorCode): (typeof HTTP_STATUS_OF_GRPC)[GrpcStatus] {
  return HTTP_STATUS_OF_GRPC[GRPC_STATUS_OF[code]];
}
