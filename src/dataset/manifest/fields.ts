/**
 * The fields of a manifest as data: which option of `dlfs mount` says the same, and what a change of it takes.
 *
 * Invariants:
 * 1. Each field of the schemas that means something for serving is in one row, itself or as a part of it; a test holds that.
 * 2. Rows with the effect `generation` are exactly the source's identity (`source-identity.ts`).
 */
import type { CompleteManifest } from './schema.ts';

/**
 * What a change takes:
 *
 * | effect | |
 * |---|---|
 * | `live` | the running dataset takes it over |
 * | `reconnect` | the source is opened anew; mount, listing and cache stay |
 * | `remount` | a new mount over the old one, on the same cache |
 * | `generation` | another source: a new mount and a new cache; the old ones live until their last user is gone |
 */
export type ChangeEffect = 'live' | 'reconnect' | 'remount' | 'generation';

/** The effects, the lightest first. */
export const EFFECTS: readonly ChangeEffect[] = ['live', 'reconnect', 'remount', 'generation'];

/** One field, or several that change together. */
export interface FieldRow {
  readonly path: string;
  /** Key of the option in `cli/option-table.ts` that says the same; null: only a manifest can. */
  readonly option: string | null;
  readonly effect: ChangeEffect;
  /** Its value, defaults included. */
  readonly of: (manifest: CompleteManifest) => unknown;
}

type Source = CompleteManifest['spec']['source']['s3'] & Readonly<Record<string, unknown>>;

const ofSource = (key: string, option: string | null, effect: ChangeEffect): FieldRow => ({
  path: `spec.source.s3.${key}`,
  option,
  effect,
  of: ({ spec }) => (spec.source.s3 as Source)[key],
});

/** All of them, in the order of the schema. */
export const FIELDS: readonly FieldRow[] = [
  { path: 'metadata.labels', option: null, effect: 'live', of: ({ metadata }) => metadata.labels },
  ofSource('endpoint', 'endpoint', 'generation'),
  ofSource('region', 'region', 'reconnect'),
  ofSource('bucket', 'source', 'generation'),
  ofSource('prefix', 'source', 'generation'),
  ofSource('pathStyle', 'pathStyle', 'reconnect'),
  ofSource('requesterPays', 'requesterPays', 'reconnect'),
  ofSource('anonymous', 'anonymous', 'reconnect'),
  ofSource('credentials', 'profile', 'reconnect'),
  ofSource('caFile', 'caFile', 'reconnect'),
  ofSource('ca', null, 'reconnect'),
  { path: 'spec.cache.quota.bytes', option: 'cacheSize', effect: 'live', of: ({ spec }) => spec.cache.quota.bytes },
  { path: 'spec.cache.quota.files', option: 'cacheFiles', effect: 'live', of: ({ spec }) => spec.cache.quota.files },
  { path: 'spec.cache.reserve.bytes', option: null, effect: 'live', of: ({ spec }) => spec.cache.reserve.bytes },
  { path: 'spec.cache.blockSize', option: 'blockSize', effect: 'remount', of: ({ spec }) => spec.cache.blockSize },
  { path: 'spec.cache.prefetch', option: null, effect: 'live', of: ({ spec }) => spec.cache.prefetch },
  { path: 'spec.refresh', option: 'refresh', effect: 'live', of: ({ spec }) => spec.refresh },
  { path: 'spec.open', option: 'open', effect: 'remount', of: ({ spec }) => spec.open },
  { path: 'spec.ioTimeout', option: 'ioTimeout', effect: 'live', of: ({ spec }) => spec.ioTimeout },
  { path: 'spec.mode.uid', option: 'uid', effect: 'remount', of: ({ spec }) => spec.mode.uid },
  { path: 'spec.mode.gid', option: 'gid', effect: 'remount', of: ({ spec }) => spec.mode.gid },
  { path: 'spec.mode.file', option: 'fileMode', effect: 'remount', of: ({ spec }) => spec.mode.file },
  { path: 'spec.mode.dir', option: 'dirMode', effect: 'remount', of: ({ spec }) => spec.mode.dir },
];

/** Fields that say which dataset and which schema: two manifests that differ there are two datasets. */
export const IDENTITY_FIELDS = ['apiVersion', 'kind', 'metadata.name', 'metadata.namespace'] as const;
