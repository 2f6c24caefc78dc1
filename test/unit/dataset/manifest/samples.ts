/**
 * Manifests for tests: a small one, and arbitrary right ones.
 */
import fc from 'fast-check';
import { requireManifest, type Manifest } from '../../../../src/dataset/manifest/index.ts';

/** A manifest as plain data. @param spec put over the small one's; @param metadata likewise */
export function written(
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
  metadata: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    apiVersion: 'dlfs.io/v1alpha1',
    kind: 'Dataset',
    metadata: { name, ...metadata },
    spec: { source: { s3: { bucket: 'data' } }, ...spec },
  };
}

/** The same with fields of the bucket. */
export function withBucket(s3: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return written('x', { source: { s3: { bucket: 'data', ...s3 } } });
}

/** A checked manifest of a full name. @param bucket tells two manifests of one name apart */
export function manifestOf(fullName: string, bucket = 'data'): Manifest<'node'> {
  const slash = fullName.indexOf('/');
  const metadata = slash < 0 ? {} : { namespace: fullName.slice(0, slash) };
  return requireManifest(written(fullName.slice(slash + 1), { source: { s3: { bucket } } }, metadata), 'node');
}

/** YAML of a small manifest. */
export function yamlOf(name: string, bucket = 'data'): string {
  return `apiVersion: dlfs.io/v1alpha1\nkind: Dataset\nmetadata: {name: ${name}}\nspec: {source: {s3: {bucket: ${bucket}}}}\n`;
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });

/** Leaves out what is undefined: an absent field is not one without a value. */
function present(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .record(fields)
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));
}

const permissions = fc.integer({ min: 0, max: 0o777 }).map((bits) => bits.toString(8).padStart(4, '0'));

const credentials = fc.oneof(
  fc.record({ profile: fc.stringMatching(/^[A-Za-z0-9 ._#-]{1,20}$/) }),
  present({ file: fc.constant('/etc/dlfs/keys'), profile: some(label) }),
  fc.record({ ambient: fc.constant(true) }),
  fc.record({
    env: present({
      accessKeyId: fc.constant('MY_ID'),
      secretAccessKey: fc.constant('MY_KEY'),
      sessionToken: some(fc.constant('MY_TOKEN')),
    }),
  }),
);

const bucket = present({
  bucket: fc.stringMatching(/^[a-z0-9][a-z0-9-]{1,20}[a-z0-9]$/),
  prefix: some(
    fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text.isWellFormed() && !/\p{Cc}/u.test(text)),
  ),
  endpoint: some(fc.constantFrom('https://s3.example.com', 'https://[::1]:9000/gate/')),
  region: some(fc.constantFrom('eu-central-1', 'on', '1e3')),
  pathStyle: some(fc.boolean()),
  caFile: some(fc.constant('/etc/ssl/own.pem')),
  credentials: some(credentials),
});

const cache = present({
  quota: some(
    present({
      bytes: some(fc.constantFrom('200GiB', '1.5TB', 2 ** 40, '8796093022208')),
      files: some(fc.constantFrom(1000, '1000', 'unlimited')),
    }),
  ),
  reserve: some(present({ bytes: some(fc.constantFrom(0, '0', '1GiB')) })),
  blockSize: some(fc.constantFrom('64KiB', '1MiB', 4096)),
  prefetch: some(fc.constantFrom('readahead', 'all')),
});

/** Right manifests of the node profile, as plain data. */
export const ARBITRARY_MANIFEST: fc.Arbitrary<Record<string, unknown>> = present({
  apiVersion: fc.constant('dlfs.io/v1alpha1'),
  kind: fc.constant('Dataset'),
  metadata: present({
    name: fc.oneof(
      label,
      fc.tuple(label, label).map((parts) => parts.join('.')),
    ),
    namespace: some(label),
    labels: some(
      fc.dictionary(
        fc.oneof(
          label,
          label.map((name) => `example.com/${name}`),
        ),
        fc.oneof(label, fc.constantFrom('', 'yes', '0777', '1.0')),
      ),
    ),
  }),
  spec: present({
    source: fc.record({ s3: bucket }),
    cache: some(cache),
    refresh: some(fc.constantFrom({ interval: '1h30m' }, { never: true })),
    open: some(fc.constantFrom('auto', 'stateless', 'passthrough')),
    ioTimeout: some(fc.constantFrom(0, '0', '90s')),
    mode: some(
      present({
        uid: some(fc.constantFrom(1000, '1000')),
        gid: some(fc.nat(65_534)),
        file: some(permissions),
        dir: some(permissions),
      }),
    ),
  }),
});
