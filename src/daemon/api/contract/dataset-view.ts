/**
 * A dataset as the API shows it: what was asked for, who owns it, and how it stands.
 */
import { z } from 'zod';

/** Milliseconds since 1970. */
const TIME = z.number();
const COUNT = z.number().min(0);

/** One aspect of a dataset's state, in the manner of Kubernetes' conditions. */
export const CONDITION = z.object({
  /** `Ready`, `OriginReachable`, `SnapshotComplete`, `CacheHealthy`, … */
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  /** One word in CamelCase, for programs. */
  reason: z.string(),
  /** A sentence for people. */
  message: z.string(),
  /** When the status became what it is. */
  since: TIME,
});

/** A line of trouble, newest last; the same message in a row is counted. */
export const RECENT_ERROR = z.object({
  at: TIME,
  level: z.enum(['warn', 'error']),
  module: z.string(),
  message: z.string(),
  /** The error's code where it has one. */
  code: z.string().nullable(),
  count: COUNT,
});

/** Keys that POSIX cannot name, of one reason. */
export const UNREPRESENTABLE = z.object({ reason: z.string(), count: COUNT, sample: z.string() });

/** What is known of the listing. */
export const SNAPSHOT_VIEW = z.object({
  /** Whether the whole source is listed. */
  complete: z.boolean(),
  /** When it was last listed as a whole; null before. */
  listedAt: TIME.nullable(),
  files: COUNT,
  directories: COUNT,
  bytes: COUNT,
  unrepresentable: z.array(UNREPRESENTABLE),
});

/** Where the bytes come from; a change of it makes another generation. */
export const GENERATION_VIEW = z.object({
  /** Fingerprint of endpoint, bucket and prefix; also the name of the cache folder. */
  id: z.string(),
  /** `s3://bucket/prefix at https://…` */
  source: z.string(),
  /** Generations before this one that somebody still uses. */
  superseded: COUNT,
});

/** Who says that the dataset is to be there. */
export const OWNER = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('file'), file: z.string() }),
  z.object({ kind: z.literal('applied') }),
  z.object({ kind: z.literal('mount') }),
]);

/** A word for how a dataset stands. */
export const PHASE = z.enum(['Pending', 'Ready', 'Degraded', 'Failed', 'Terminating']);

/** See the file's header. */
export const DATASET_VIEW = z.object({
  namespace: z.string().nullable(),
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  owner: OWNER,
  /** The manifest as it was given, without status. */
  manifest: z.record(z.string(), z.unknown()),
  /** Where it is seen on this node. */
  directory: z.string(),
  phase: PHASE,
  conditions: z.array(CONDITION),
  generation: GENERATION_VIEW.nullable(),
  openMode: z.enum(['stateless', 'passthrough', 'requested']).nullable(),
  /** How the kernel is served; null while it is not. */
  transport: z.enum(['native', 'fuse-native']).nullable(),
  cacheFolder: z.string().nullable(),
  snapshot: SNAPSHOT_VIEW.nullable(),
  recentErrors: z.array(RECENT_ERROR),
});

/** A dataset as the API shows it. */
export type DatasetView = z.infer<typeof DATASET_VIEW>;
/** One aspect of its state. */
export type Condition = z.infer<typeof CONDITION>;
/** A line of trouble. */
export type RecentError = z.infer<typeof RECENT_ERROR>;
/** A word for how it stands. */
export type Phase = z.infer<typeof PHASE>;
/** Who says that it is to be there. */
export type Owner = z.infer<typeof OWNER>;

/** A manifest that cannot be served as it stands. */
export const PROBLEM = z.object({
  /** The file, or `applied`. */
  file: z.string(),
  line: z.number().nullable(),
  /** Full name, where that much could be read. */
  dataset: z.string().nullable(),
  message: z.string(),
});

/** A manifest that cannot be served as it stands. */
export type Problem = z.infer<typeof PROBLEM>;
