/**
 * The schema of a Dataset manifest, in two profiles.
 *
 * *node*: written by the node's administrator; may name files, profiles and environment of the node. *kubernetes*: written by
 * anyone with rights in a namespace; has no way to name any of these. Both are made of the same fields, and those of the
 * values that `dlfs mount` has (`option-values.ts`).
 *
 * Invariants:
 * 1. No field takes a key. In the kubernetes profile no field takes a path, a profile, a variable, or "whatever the node has".
 * 2. Objects are strict: an unknown field is an issue. Only `metadata` from Kubernetes and `status` are open.
 * 3. The input is what may be written, the output has all defaults; each field says what it means (`describe`).
 */
import { X509Certificate } from 'node:crypto';
import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import * as values from '../option-values.ts';
import { sourceConflicts } from '../source-options.ts';
import { asDirectory, wrongWithBucket, wrongWithPrefix } from '../source-reference.ts';
import { wrongWithLabelKey, wrongWithLabelValue, wrongWithName, wrongWithNamespace } from './names.ts';

/** The one version there is. */
export const API_VERSION = 'dlfs.io/v1alpha1';

/** The one kind there is. */
export const KIND = 'Dataset';

/** Who may write a manifest. */
export type Profile = 'node' | 'kubernetes';

/** When every file of a new snapshot is fetched without being read. */
export const PREFETCH_MODES = ['readahead', 'all'] as const;

/** Variables of an environment as shells write them; capitals only, so that no key passes for one by mistake. */
const VARIABLE = /^[A-Z_][A-Z0-9_]{0,127}$/;

/** Identifiers of AWS keys look like variables. */
const ACCESS_KEY_ID = /^A[KS]IA[A-Z0-9]{16}$/;

/** The longest path of Linux, its NUL aside. */
const MAX_PATH = 4095;

/** Labels that a dataset may have: each is a line in every list. */
const MAX_LABELS = 64;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** A schema of text by a function that says what is wrong. */
function named(wrong: (text: string) => string | null): z.ZodString {
  return z.string().superRefine((text, context) => {
    const message = wrong(text);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

/** A value that may be written as a number, too: its digits are the text. */
function numeric<T>(schema: values.TextSchema<T>, refusal: string) {
  return z
    .union([z.string(), z.int(refusal).min(0, refusal)], refusal)
    .transform(String)
    .pipe(schema);
}

/** A span of time; a bare 0 needs no quotes. */
function span<T>(schema: values.TextSchema<T>, refusal: string) {
  return z
    .union([z.string(), z.literal(0)], refusal)
    .transform(String)
    .pipe(schema);
}

function wrongWithPath(path: string): string | null {
  if (!isAbsolute(path)) return 'write an absolute path';
  // eslint-disable-next-line no-control-regex -- control characters are what this refuses
  if (/[\u0000-\u001f\u007f]/.test(path) || path.length > MAX_PATH) return 'cannot be a path';
  return normalize(path) === path ? null : 'write the path without "//", "." and ".."';
}

function wrongWithPem(text: string): string | null {
  if (text.includes('PRIVATE KEY')) return 'holds a private key: certificates of authorities only';
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) return 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)';
  for (const [index, pem] of found.entries()) {
    try {
      new X509Certificate(pem);
    } catch {
      return `certificate ${index + 1} cannot be read`;
    }
  }
  return null;
}

function wrongWithVariables(env: Readonly<Record<string, string | undefined>>): string | null {
  for (const [key, name] of Object.entries(env)) {
    if (name === undefined) continue;
    if (ACCESS_KEY_ID.test(name)) return `${key} is a key itself: write the name of the variable that holds it`;
    if (!VARIABLE.test(name)) return `${key} must be the name of a variable in capitals, for example MY_ACCESS_KEY_ID`;
  }
  return null;
}

const absolutePath = named(wrongWithPath);

/** Names of objects in the same namespace. */
const objectName = named(wrongWithName);

const authorities = {
  pem: named(wrongWithPem).optional().describe('Further trusted certificate authorities, PEM'),
};

const nodeCredentials = z
  .strictObject({
    profile: values.profile
      .optional()
      .describe('Profile of `~/.aws/config`; with `file`, the section in it (default: `default`)'),
    file: absolutePath.optional().describe('Path of a shared credentials file; it is read again at each renewal'),
    env: z
      .strictObject({
        accessKeyId: z.string().describe('Variable that holds the identifier of the key'),
        secretAccessKey: z.string().describe('Variable that holds the key'),
        sessionToken: z.string().optional().describe('Variable that holds the token of a session'),
      })
      .superRefine((env, context) => {
        const message = wrongWithVariables(env);
        if (message !== null) context.addIssue({ code: 'custom', message });
      })
      .optional()
      .describe("Names of variables in the daemon's environment"),
    ambient: z
      .literal(true, 'write true, or leave it out')
      .optional()
      .describe(
        "Whatever the SDK's own chain finds: environment, `~/.aws`, instance role. The same as no `credentials`",
      ),
  })
  .superRefine(({ profile, file, env, ambient }, context) => {
    const kinds = [env, ambient, file ?? profile].filter((kind) => kind !== undefined);
    if (kinds.length !== 1) {
      context.addIssue({
        code: 'custom',
        message: 'write one of profile, file (with or without profile), env, or ambient: true',
      });
    }
  });

const kubernetesCredentials = z.strictObject({
  secretRef: z
    .strictObject({ name: objectName.describe('Name of the Secret') })
    .describe("Secret in the Dataset's namespace with `accessKeyId`, `secretAccessKey` and perhaps `sessionToken`"),
});

const nodeAuthorities = z.strictObject(authorities).superRefine(({ pem }, context) => {
  if (pem === undefined) context.addIssue({ code: 'custom', message: 'write pem: | and the certificates' });
});

const kubernetesAuthorities = z
  .strictObject({
    ...authorities,
    configMap: z
      .strictObject({
        name: objectName.describe('Name of the ConfigMap'),
        key: z
          .string()
          .regex(/^[-._a-zA-Z0-9]{1,253}$/, 'write a key of the ConfigMap')
          .default('ca.crt')
          .describe('Key in it'),
      })
      .optional()
      .describe("ConfigMap in the Dataset's namespace with certificates in PEM form"),
  })
  .superRefine(({ pem, configMap }, context) => {
    if ((pem === undefined) === (configMap === undefined)) {
      context.addIssue({ code: 'custom', message: 'write one of pem and configMap' });
    }
  });

/** What both profiles say of a bucket. */
const bucketFields = {
  endpoint: values.endpoint
    .optional()
    .describe('URL of the S3 endpoint, for example `https://s3.example.com` (default: AWS)'),
  region: values.region.optional().describe("Region of the bucket (default: by the SDK's chain)"),
  bucket: named((bucket) =>
    bucket.includes('/') ? 'has no slash: write what follows it as prefix' : wrongWithBucket(bucket),
  ).describe('Name of the bucket'),
  prefix: named((prefix) => wrongWithPrefix(prefix))
    .transform(asDirectory)
    .prefault('')
    .describe('Directory in the bucket, letter by letter (default: the whole bucket)'),
  pathStyle: z.boolean().default(false).describe('The bucket in the path, not in the host name'),
  requesterPays: z.boolean().default(false).describe('Agree to pay for requests'),
  anonymous: z.boolean().default(false).describe('Send no keys: a public bucket'),
};

interface WrittenSource {
  readonly endpoint?: string | undefined;
  readonly anonymous: boolean;
  readonly requesterPays: boolean;
  readonly credentials?: object | undefined;
  readonly caFile?: string | undefined;
  readonly ca?: object | undefined;
}

function checkSource(source: WrittenSource, context: z.RefinementCtx): void {
  const traits = {
    endpoint: source.endpoint,
    anonymous: source.anonymous,
    requesterPays: source.requesterPays,
    namesKeys: source.credentials !== undefined,
    namesAuthorities: (source.caFile ?? source.ca) !== undefined,
  };
  for (const { trait, message } of sourceConflicts(traits, { keys: 'credentials', anonymous: 'anonymous' })) {
    const field = trait !== 'namesAuthorities' ? trait : source.caFile === undefined ? 'ca' : 'caFile';
    context.addIssue({ code: 'custom', path: [field], message });
  }
}

const nodeBucket = z
  .strictObject({
    ...bucketFields,
    credentials: nodeCredentials.optional().describe("Where the keys are (default: by the SDK's chain)"),
    caFile: absolutePath.optional().describe('PEM file of further trusted certificate authorities'),
    ca: nodeAuthorities.optional().describe('Further trusted certificate authorities, written here'),
  })
  .superRefine(checkSource);

const kubernetesBucket = z
  .strictObject({
    ...bucketFields,
    credentials: kubernetesCredentials.optional().describe('Where the keys are; needed unless `anonymous`'),
    ca: kubernetesAuthorities.optional().describe('Further trusted certificate authorities'),
  })
  .superRefine((source, context) => {
    checkSource(source, context);
    if (source.credentials === undefined && !source.anonymous) {
      const message = 'is missing: write {secretRef: {name: …}}, or anonymous: true for a public bucket';
      context.addIssue({ code: 'custom', path: ['credentials'], message });
    }
  });

const SIZE = 'write a size like 10GiB';

const cache = z
  .strictObject({
    quota: z
      .strictObject({
        bytes: numeric(values.cacheBytes, SIZE)
          .prefault(values.DEFAULTS.cacheBytes)
          .describe('Bytes that the cache of this dataset may occupy'),
        files: numeric(values.cacheFiles, 'write a whole number ≥ 1, or unlimited')
          .prefault(values.DEFAULTS.cacheFiles)
          .describe('Files that it may have'),
      })
      .prefault({})
      .describe('What the cache of this dataset may take'),
    reserve: z
      .strictObject({
        bytes: numeric(values.cacheBytes, SIZE)
          .prefault('0')
          .describe('Bytes below which no other dataset makes this one shrink'),
      })
      .prefault({})
      .describe("What of it is safe from other datasets' needs"),
    blockSize: numeric(values.blockSize, 'write a size like 1MiB')
      .prefault(values.DEFAULTS.blockSize)
      .describe('Unit of fetching and caching, a power of two from 4KiB to 16MiB; a changed one empties the cache'),
    prefetch: z
      .enum(PREFETCH_MODES, 'write readahead or all')
      .default('readahead')
      .describe(
        '`readahead`: what readers will probably want next; `all`: also, in the background, every file of each new snapshot, by a job, into room that is free: nothing that is cached leaves for it',
      ),
  })
  .superRefine(({ quota, reserve, blockSize }, context) => {
    const small = values.cacheTooSmall(quota.bytes, blockSize, 'blockSize');
    if (small !== null) context.addIssue({ code: 'custom', path: ['quota', 'bytes'], message: small });
    if (reserve.bytes > quota.bytes) {
      const message = 'is more than quota.bytes: a dataset cannot keep what it may not have';
      context.addIssue({ code: 'custom', path: ['reserve', 'bytes'], message });
    }
  });

const refresh = z
  .strictObject({
    interval: values.refresh
      .refine((interval) => interval !== 'never', 'write "never: true" instead of an interval')
      .optional()
      .describe(`List the source anew after this time (default: \`${values.DEFAULTS.refresh}\`)`),
    never: z.literal(true, 'write true, or leave it out').optional().describe('Never list it anew by itself'),
  })
  .superRefine(({ interval, never }, context) => {
    if ((interval === undefined) === (never === undefined)) {
      context.addIssue({ code: 'custom', message: 'write one of interval and never: true' });
    }
  });

const mode = z.strictObject({
  uid: numeric(values.uid, 'write a number').prefault(values.DEFAULTS.uid).describe('Owner of all files'),
  gid: numeric(values.gid, 'write a number').prefault(values.DEFAULTS.gid).describe('Group of all files'),
  file: values.permissions.prefault(values.DEFAULTS.fileMode).describe('Permissions of files, octal, in quotes'),
  dir: values.permissions.prefault(values.DEFAULTS.dirMode).describe('Permissions of directories'),
});

/** What both profiles say beside the source. */
const servingFields = {
  cache: cache.prefault({}).describe('The cache on the local disk'),
  refresh: refresh
    .prefault({ interval: values.DEFAULTS.refresh })
    .describe('When changes of the source are looked for'),
  open: values.open
    .default(values.DEFAULTS.open)
    .describe(
      'How files are opened: `stateless` for many small ones, `passthrough` for large ones, `auto` by their sizes',
    ),
  ioTimeout: span(values.ioTimeout, 'write a span of time like 5m, or 0 for ever')
    .prefault(values.DEFAULTS.ioTimeout)
    .describe('How long a read waits for the origin; 0: for ever'),
  mode: mode.prefault({}).describe('Owner and permissions of files and directories'),
};

const name = named(wrongWithName).describe('Name of the dataset, of its directory, and of its claim in Kubernetes');
const namespace = named(wrongWithNamespace);
const labels = z
  .record(named(wrongWithLabelKey), named(wrongWithLabelValue))
  .refine((all) => Object.keys(all).length <= MAX_LABELS, `write at most ${MAX_LABELS} labels`)
  .prefault({})
  .describe('Words for whoever looks for datasets');

const head = {
  apiVersion: z.literal(API_VERSION, `write ${API_VERSION}`).describe('Version of this schema'),
  kind: z.literal(KIND, `write ${KIND}`).describe('Kind of object'),
};

const status = z.looseObject({}).optional().describe('Written by dlfs; what is given here is not looked at');

/** The node administrator's profile. */
export const NODE_MANIFEST = z.strictObject({
  ...head,
  metadata: z.strictObject({
    name,
    namespace: namespace.optional().describe('Namespace; without one the dataset is `/datasets/NAME`'),
    labels,
  }),
  spec: z.strictObject({
    source: z
      .strictObject({ s3: nodeBucket.describe('A bucket of S3, or a directory in it') })
      .describe('Where the data is'),
    ...servingFields,
  }),
  status,
});

/** The profile of objects in Kubernetes. */
export const KUBERNETES_MANIFEST = z.strictObject({
  ...head,
  // The API server owns the rest of the metadata.
  metadata: z.looseObject({ name, namespace: namespace.describe('Namespace'), labels }),
  spec: z.strictObject({
    source: z
      .strictObject({ s3: kubernetesBucket.describe('A bucket of S3, or a directory in it') })
      .describe('Where the data is'),
    ...servingFields,
  }),
  status,
});

/** The schema of each profile. */
export const MANIFEST_SCHEMAS = { node: NODE_MANIFEST, kubernetes: KUBERNETES_MANIFEST } as const;

/** A manifest as it may be written. */
export type WrittenManifest<P extends Profile = Profile> = z.input<(typeof MANIFEST_SCHEMAS)[P]>;

/** A manifest with its defaults; without the status, which says nothing of what is wanted. */
export type CompleteManifest<P extends Profile = Profile> = Omit<z.output<(typeof MANIFEST_SCHEMAS)[P]>, 'status'>;
