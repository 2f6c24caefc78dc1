/**
 * The embedded S3 endpoint: read-only S3 over a folder or over objects in memory, for the demo and for tests.
 *
 * `S3Endpoint` runs in the caller's process and takes faults; `EndpointProcess` runs in a child process for speed.
 */

export type { ByteString } from './byte-string.ts';
export { byteString, byteStringOf, textOf } from './byte-string.ts';
export type { Certificate } from './certificate.ts';
export { makeCertificate } from './certificate.ts';
export type { ChildOptions, VirtualObject } from './child-protocol.ts';
export type { Content, ContentReader, Generator } from './content.ts';
export { BytesContent, FileContent, VirtualContent, pattern, zeros } from './content.ts';
export type { CounterValues, KindCounters } from './counters.ts';
export type { Bucket, EndpointOptions, RequestRecord } from './endpoint.ts';
export { S3Endpoint } from './endpoint.ts';
export type { EndpointProcessOptions } from './endpoint-process.ts';
export { EndpointProcess } from './endpoint-process.ts';
export type {
  ActiveFault,
  CutFault,
  DelayFault,
  DripFault,
  EndlessFault,
  ErrorFault,
  EtagFault,
  Fault,
  FaultHook,
  FaultMatch,
  HeadersFault,
  IgnoreRangeFault,
  LengthFault,
  RawFault,
  RequestInfo,
  RespondFault,
  StallFault,
} from './faults.ts';
export {
  Faults,
  InjectedFault,
  endlessError,
  endlessHeaders,
  endlessListing,
  garbageStatusLine,
  internalError,
  notS3,
  permanentRedirect,
  slowDown,
} from './faults.ts';
export type { FolderOptions } from './folder.ts';
export { folderObjects } from './folder.ts';
export type { ListedOverride, ObjectAttributes, StorageClass, StoredObject } from './object-store.ts';
export { ObjectStore, storedObject } from './object-store.ts';
export type { Policy } from './policy.ts';
export { fullReadPolicy, readPolicy } from './policy.ts';
export type { RequestKind } from './request.ts';
export type { Credential } from './sigv4.ts';
