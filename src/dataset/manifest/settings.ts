/**
 * What a manifest means for serving: the options that `dlfs mount` would have for it.
 *
 * Invariants:
 * 1. Defaults and ranges are the schema's; nothing is decided here.
 */
import type { NamedKeys, SourceOptions } from '../source-options.ts';
import type { SourceReference } from '../source-reference.ts';
import type { Manifest } from './manifest.ts';
import type { CompleteManifest, PREFETCH_MODES, Profile } from './schema.ts';
import type { OPEN_MODES } from '../option-values.ts';

/** How a dataset is served, its source aside. Named as in `daemon/serve.ts`. */
export interface ServingSettings {
  /** Allocated bytes that its cache may occupy. */
  readonly cacheBytes: number;
  /** Infinity: as many as there are. */
  readonly cacheFiles: number;
  /** Allocated bytes below which no other dataset makes it shrink; ≤ `cacheBytes`. */
  readonly reserveBytes: number;
  readonly blockSize: number;
  /** `all`: every file of each new snapshot is fetched in the background. */
  readonly prefetch: (typeof PREFETCH_MODES)[number];
  readonly open: (typeof OPEN_MODES)[number];
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly fileMode: number;
  readonly dirMode: number;
  readonly refreshMs: number | 'never';
  /** 0: wait for ever. */
  readonly ioTimeoutMs: number;
}

/** How a dataset is served on a node, its source included. */
export interface DatasetSettings extends ServingSettings {
  readonly source: SourceOptions;
}

/** How a dataset is served, its source aside; of both profiles. */
export function servingSettings({ complete: { spec } }: Manifest): ServingSettings {
  const { cache, refresh, mode } = spec;
  return {
    cacheBytes: cache.quota.bytes,
    cacheFiles: cache.quota.files,
    reserveBytes: cache.reserve.bytes,
    blockSize: cache.blockSize,
    prefetch: cache.prefetch,
    open: spec.open,
    uid: mode.uid,
    gid: mode.gid,
    fileMode: mode.file,
    dirMode: mode.dir,
    refreshMs: refresh.interval ?? 'never',
    ioTimeoutMs: spec.ioTimeout,
  };
}

/** All of a node's dataset: what `serve` takes beside the process's own options. */
export function datasetSettings(manifest: Manifest<'node'>): DatasetSettings {
  return { ...servingSettings(manifest), source: sourceOptions(manifest) };
}

/** Which objects a manifest means; of both profiles. */
export function referenceOf({ complete }: Manifest): SourceReference {
  const { bucket, prefix } = complete.spec.source.s3;
  return { kind: 's3', bucket, prefix };
}

/** The source of a node's dataset. */
export function sourceOptions(manifest: Manifest<'node'>): SourceOptions {
  const { endpoint, region, pathStyle, requesterPays, anonymous, credentials, caFile, ca } =
    manifest.complete.spec.source.s3;
  const keys = keysOf(credentials);
  return {
    reference: referenceOf(manifest),
    endpoint: endpoint ?? null,
    region: region ?? null,
    profile: keys === null ? (credentials?.profile ?? null) : null,
    keys,
    anonymous,
    pathStyle,
    caFile: caFile ?? null,
    caPem: ca?.pem ?? null,
    requesterPays,
    written: 'manifest',
  };
}

type Credentials = CompleteManifest<Profile & 'node'>['spec']['source']['s3']['credentials'];

function keysOf(credentials: Credentials): NamedKeys | null {
  if (credentials?.env !== undefined) {
    const { accessKeyId, secretAccessKey, sessionToken = null } = credentials.env;
    return { kind: 'environment', accessKeyId, secretAccessKey, sessionToken };
  }
  if (credentials?.file === undefined) return null;
  return { kind: 'file', path: credentials.file, profile: credentials.profile ?? 'default' };
}
