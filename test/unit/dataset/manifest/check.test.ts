import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../../../demo/endpoint/index.ts';
import { DlfsError } from '../../../../src/base/errors.ts';
import {
  checkManifest,
  describeProblem,
  requireManifest,
  servingSettings,
  sourceOptions,
  type Profile,
} from '../../../../src/dataset/manifest/index.ts';
import { withBucket, written } from './samples.ts';

/** What is wrong, one line each. */
function problemsOf(value: unknown, profile: Profile = 'node'): string[] {
  return checkManifest(value, profile).problems.map((problem) => describeProblem(problem, null));
}

const S3 = 'spec.source.s3';

test('the smallest manifest has the defaults of dlfs mount', () => {
  const manifest = requireManifest(written('imagenet'), 'node');
  assert.deepEqual([manifest.fullName, manifest.namespace, manifest.labels], ['imagenet', null, {}]);
  assert.deepEqual(servingSettings(manifest), {
    cacheBytes: 10 * 2 ** 30,
    cacheFiles: Infinity,
    reserveBytes: 0,
    blockSize: 2 ** 20,
    prefetch: 'readahead',
    open: 'auto',
    uid: 0,
    gid: 0,
    fileMode: 0o444,
    dirMode: 0o555,
    refreshMs: 300_000,
    ioTimeoutMs: 300_000,
  });
  assert.deepEqual(sourceOptions(manifest), {
    reference: { kind: 's3', bucket: 'data', prefix: '' },
    endpoint: null,
    region: null,
    profile: null,
    keys: null,
    anonymous: false,
    pathStyle: false,
    caFile: null,
    caPem: null,
    requesterPays: false,
    written: 'manifest',
  });
});

test('every field is taken as written', () => {
  const manifest = requireManifest(
    {
      ...written('imagenet', {}, { namespace: 'vision', labels: { 'example.com/team': 'a', tier: '' } }),
      spec: {
        source: {
          s3: {
            endpoint: 'https://S3.Example.com/',
            region: 'eu-central-1',
            bucket: 'research',
            prefix: 'a/b',
            pathStyle: true,
            requesterPays: true,
            credentials: { file: '/etc/dlfs/keys', profile: 'team' },
            caFile: '/etc/ssl/own.pem',
          },
        },
        cache: {
          quota: { bytes: '200GiB', files: 1000 },
          reserve: { bytes: 1024 },
          blockSize: '64KiB',
          prefetch: 'all',
        },
        refresh: { never: true },
        open: 'passthrough',
        ioTimeout: 0,
        mode: { uid: 1000, gid: '1001', file: '0440', dir: '0o550' },
      },
      status: { conditions: [], anything: { goes: true } },
    },
    'node',
  );
  assert.equal(manifest.fullName, 'vision/imagenet');
  assert.deepEqual(manifest.labels, { 'example.com/team': 'a', tier: '' });
  assert.equal('status' in manifest.written, false);
  assert.deepEqual(servingSettings(manifest), {
    cacheBytes: 200 * 2 ** 30,
    cacheFiles: 1000,
    reserveBytes: 1024,
    blockSize: 65_536,
    prefetch: 'all',
    open: 'passthrough',
    uid: 1000,
    gid: 1001,
    fileMode: 0o440,
    dirMode: 0o550,
    refreshMs: 'never',
    ioTimeoutMs: 0,
  });
  assert.deepEqual(sourceOptions(manifest), {
    reference: { kind: 's3', bucket: 'research', prefix: 'a/b/' },
    endpoint: 'https://s3.example.com',
    region: 'eu-central-1',
    profile: null,
    keys: { kind: 'file', path: '/etc/dlfs/keys', profile: 'team' },
    anonymous: false,
    pathStyle: true,
    caFile: '/etc/ssl/own.pem',
    caPem: null,
    requesterPays: true,
    written: 'manifest',
  });
});

describe('keys are named', () => {
  const keysOf = (credentials: object): unknown[] => {
    const { profile, keys } = sourceOptions(requireManifest(withBucket({ credentials }), 'node'));
    return [profile, keys];
  };

  test('by a profile, a file, variables, or as whatever the node has', () => {
    assert.deepEqual(keysOf({ profile: 'team' }), ['team', null]);
    assert.deepEqual(keysOf({ ambient: true }), [null, null]);
    assert.deepEqual(keysOf({ file: '/k' }), [null, { kind: 'file', path: '/k', profile: 'default' }]);
    assert.deepEqual(keysOf({ env: { accessKeyId: 'A_ID', secretAccessKey: 'A_KEY' } }), [
      null,
      { kind: 'environment', accessKeyId: 'A_ID', secretAccessKey: 'A_KEY', sessionToken: null },
    ]);
  });

  for (const credentials of [
    {},
    { profile: 'a', ambient: true },
    { file: '/a', env: { accessKeyId: 'A', secretAccessKey: 'B' } },
  ]) {
    test(`in one way: ${JSON.stringify(credentials)} is refused`, () => {
      assert.deepEqual(problemsOf(withBucket({ credentials })), [
        `${S3}.credentials: write one of profile, file (with or without profile), env, or ambient: true`,
      ]);
    });
  }
});

describe('a key in a manifest is refused with the way out, and never repeated', () => {
  const places: readonly (readonly [string, unknown])[] = [
    ['beside the bucket', withBucket({ accessKeyId: 'HUNTER2', secretAccessKey: 'HUNTER2' })],
    ['among the credentials', withBucket({ credentials: { aws_secret_access_key: 'HUNTER2' } })],
    ["as Datashim's manifests have it", written('x', { local: { type: 'COS', accessKeyID: 'HUNTER2' } })],
    ['as a label', written('x', {}, { labels: { 'session-token': 'HUNTER2' } })],
    [
      'in place of a variable',
      withBucket({ credentials: { env: { accessKeyId: 'AKIAHUNTER2HUNTER2AB', secretAccessKey: 'B' } } }),
    ],
    ['under another name', withBucket({ credentials: { profile: 'AKIAHUNTER2HUNTER2AB' } })],
    [
      'as a secret in place of a variable',
      withBucket({ credentials: { env: { accessKeyId: 'A', secretAccessKey: 'HUNTER2/x+y' } } }),
    ],
    ['in the endpoint', withBucket({ endpoint: 'https://me:HUNTER2@s3.example.com' })],
  ];
  for (const [where, value] of places) {
    test(where, () => {
      for (const profile of ['node', 'kubernetes'] as const) {
        const problems = problemsOf(value, profile);
        assert.ok(problems.length > 0);
        assert.doesNotMatch(problems.join('\n'), /HUNTER2/);
      }
    });
  }

  test('the way out is that of the profile', () => {
    const value = withBucket({ accessKeyId: 'HUNTER2' });
    assert.match(problemsOf(value)[0]!, /^spec\.source\.s3: keys do not belong .*credentials: \{profile: NAME\}/);
    assert.match(problemsOf(value, 'kubernetes')[0]!, /put them into a Secret .*secretRef/);
  });
});

test('the kubernetes profile can name nothing of the node', () => {
  const inNamespace = (s3: object): unknown =>
    written('x', { source: { s3: { bucket: 'b', ...s3 } } }, { namespace: 'n' });
  const secret = { credentials: { secretRef: { name: 'keys' } } };
  const allowed = requireManifest(inNamespace({ ...secret, ca: { configMap: { name: 'cas' } } }), 'kubernetes');
  assert.deepEqual(allowed.complete.spec.source.s3.ca, { configMap: { name: 'cas', key: 'ca.crt' } });
  for (const credentials of [
    { profile: 'x' },
    { file: '/etc/shadow' },
    { env: { accessKeyId: 'A', secretAccessKey: 'B' } },
    { ambient: true },
  ]) {
    const [problem] = problemsOf(inNamespace({ credentials }), 'kubernetes').filter(
      (line) => !line.includes('missing'),
    );
    assert.match(problem!, /cannot use what the node has: write secretRef/);
  }
  assert.match(
    problemsOf(inNamespace({ ...secret, caFile: '/etc/shadow' }), 'kubernetes')[0]!,
    /cannot name a file of the node/,
  );
  assert.deepEqual(problemsOf(inNamespace({}), 'kubernetes'), [
    `${S3}.credentials: is missing: write {secretRef: {name: …}}, or anonymous: true for a public bucket`,
  ]);
  assert.deepEqual(problemsOf(inNamespace({ anonymous: true }), 'kubernetes'), []);
  assert.match(problemsOf(inNamespace(secret))[0]!, /there are no Secrets on a node/);
});

test('metadata that the API server adds is passed over', () => {
  const value = written(
    'x',
    { source: { s3: { bucket: 'b', anonymous: true } } },
    { namespace: 'n', uid: '1', managedFields: [{}] },
  );
  assert.deepEqual(requireManifest(value, 'kubernetes').written.metadata, { name: 'x', namespace: 'n' });
  assert.match(problemsOf(value)[0]!, /^metadata\.uid: unknown field/);
});

describe('certificate authorities as text', () => {
  let ca = '';
  let folder = '';
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dlfs-ca-'));
    ({ ca } = await makeCertificate(folder));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('reach the source', () => {
    assert.equal(sourceOptions(requireManifest(withBucket({ ca: { pem: ca } }), 'node')).caPem, ca);
  });

  test('are refused where they are none, broken, or a private key', () => {
    const broken = ca.replace(/\n[A-Za-z0-9+/]{10}/, '\nAAAAAAAAAA');
    assert.match(problemsOf(withBucket({ ca: { pem: 'hello' } }))[0]!, /ca\.pem: holds no certificate/);
    assert.match(problemsOf(withBucket({ ca: { pem: broken } }))[0]!, /certificate 1 cannot be read/);
    assert.match(problemsOf(withBucket({ ca: { pem: `${ca}-----BEGIN PRIVATE KEY-----` } }))[0]!, /private key/);
    assert.match(problemsOf(withBucket({ ca: {} }))[0]!, /write pem/);
  });
});

const refusals: readonly (readonly [value: unknown, problem: string | RegExp])[] = [
  ['text', 'must have fields of its own'],
  [{}, /^apiVersion is missing: write dlfs/],
  [{ ...written('x'), apiVersion: 'v1' }, 'apiVersion: write dlfs.io/v1alpha1'],
  [{ ...written('x'), kind: 'Pod' }, 'kind: write Dataset'],
  [{ ...written('x'), spec: {} }, 'spec: source is missing'],
  [written('x', { source: { s3: {} } }), `${S3}: bucket is missing`],
  [written('x', { sorce: 1 }), 'spec.sorce: unknown field; did you mean "source"?'],
  [written('x', { cache: { qouta: { bytes: 1 } } }), 'spec.cache.qouta: unknown field; did you mean "quota"?'],
  [written('x', { cache: { blocksize: 1 } }), 'spec.cache.blocksize: unknown field; did you mean "blockSize"?'],
  [written('x', { bucket: 'b' }), 'spec.bucket: unknown field here; did you mean spec.source.s3.bucket?'],
  [written('x', { cacheSize: '1GiB' }), 'spec.cacheSize: unknown field here; did you mean spec.cache.quota.bytes?'],
  [
    written('x', { zzzzzz: 1 }),
    'spec.zzzzzz: unknown field; known here: source, cache, refresh, open, ioTimeout, mode',
  ],
  [written('x', { cache: { quota: null } }), 'spec.cache.quota: has no value: write one, or leave the field out'],
  [written('a/b'), /^metadata\.name: has no slash: the namespace is a field of its own/],
  [written('..'), /^metadata\.name: write small letters/],
  [written('Upper'), /^metadata\.name: write small letters/],
  [written('x'.repeat(254)), 'metadata.name: is longer than 253 characters'],
  [written(7 as never), 'metadata.name: must be text: put it in quotes'],
  [written('x', {}, { namespace: 'a.b' }), /^metadata\.namespace: write small letters, digits and "-" only/],
  [written('x', {}, { namespace: 'a'.repeat(64) }), 'metadata.namespace: is longer than 63 characters'],
  [
    written('x', {}, { labels: { 'a b': 'c' } }),
    'metadata.labels.a b: is no key of a label: write [PREFIX/]NAME of letters, digits, "-", "_" and ".", at most 63',
  ],
  [written('x', {}, { labels: { a: 1 } }), 'metadata.labels.a: must be text: put it in quotes'],
  [written('x', {}, { labels: { a: 'b c' } }), /^metadata\.labels\.a: write at most 63/],
  [withBucket({ bucket: 'a/b' }), `${S3}.bucket: has no slash: write what follows it as prefix`],
  [withBucket({ bucket: 's3://a' }), `${S3}.bucket: has no slash: write what follows it as prefix`],
  [withBucket({ bucket: 'a b' }), /bucket: cannot be a bucket's name/],
  [withBucket({ prefix: 'a\nb' }), `${S3}.prefix: holds control characters`],
  [withBucket({ endpoint: 's3.example.com' }), /endpoint: write a URL like/],
  [withBucket({ region: 'eu west' }), `${S3}.region: write a region like eu-central-1`],
  [withBucket({ pathStyle: 'yes' }), `${S3}.pathStyle: must be true or false`],
  [
    withBucket({ anonymous: true, credentials: { profile: 'x' } }),
    `${S3}.anonymous: goes without keys, so it cannot go together with credentials`,
  ],
  [withBucket({ anonymous: true, requesterPays: true }), /requesterPays: needs keys of who pays/],
  [
    withBucket({ endpoint: 'http://x', caFile: '/x' }),
    `${S3}.caFile: has no use with a plain http:// endpoint; write https://`,
  ],
  [withBucket({ caFile: 'own.pem' }), `${S3}.caFile: write an absolute path`],
  [withBucket({ credentials: { file: '/a/../b' } }), /file: write the path without/],
  [withBucket({ credentials: { env: { accessKeyId: 'A' } } }), `${S3}.credentials.env: secretAccessKey is missing`],
  [
    withBucket({ credentials: { env: { accessKeyId: 'my-id', secretAccessKey: 'B' } } }),
    /credentials\.env: accessKeyId must be the name of a variable/,
  ],
  [
    written('x', { cache: { quota: { bytes: '7MiB' } } }),
    'spec.cache.quota.bytes: must hold 8 blocks at least: give more, or a smaller blockSize',
  ],
  [
    written('x', { cache: { quota: { bytes: 'much' } } }),
    'spec.cache.quota.bytes: not a size: "much"; write it like 512MiB or 10GiB',
  ],
  [written('x', { cache: { quota: { bytes: -1 } } }), 'spec.cache.quota.bytes: write a size like 10GiB'],
  [written('x', { cache: { quota: { bytes: 2 ** 60 } } }), 'spec.cache.quota.bytes: write a size like 10GiB'],
  [written('x', { cache: { quota: { files: 0 } } }), 'spec.cache.quota.files: write a whole number ≥ 1, or unlimited'],
  [written('x', { cache: { reserve: { bytes: '11GiB' } } }), /^spec\.cache\.reserve\.bytes: is more than quota\.bytes/],
  [written('x', { cache: { blockSize: '3MiB' } }), /^spec\.cache\.blockSize: a block is a power of two/],
  [written('x', { cache: { prefetch: 'none' } }), 'spec.cache.prefetch: write readahead or all'],
  [written('x', { refresh: {} }), 'spec.refresh: write one of interval and never: true'],
  [written('x', { refresh: { interval: 'never' } }), /^spec\.refresh\.interval: write "never: true"/],
  [written('x', { refresh: { interval: '10ms' } }), /^spec\.refresh\.interval: write 1s or longer/],
  [written('x', { refresh: '5m' }), 'spec.refresh: must have fields of its own'],
  [written('x', { open: 'fast' }), 'spec.open: write auto, stateless or passthrough'],
  [written('x', { ioTimeout: 5 }), 'spec.ioTimeout: write a span of time like 5m, or 0 for ever'],
  [written('x', { ioTimeout: 'never' }), /^spec\.ioTimeout: not a span of time/],
  [written('x', { mode: { uid: 2 ** 32 } }), /^spec\.mode\.uid: write a user id/],
  [written('x', { mode: { file: 444 } }), 'spec.mode.file: write permissions in octal and in quotes, like "0444"'],
  [written('x', { mode: { dir: '0999' } }), /^spec\.mode\.dir: write permissions in octal/],
];
for (const [value, problem] of refusals) {
  test(`${JSON.stringify(value).slice(0, 140)} is refused in one line: ${String(problem)}`, () => {
    const [first] = problemsOf(value);
    if (typeof problem === 'string') assert.equal(first, problem);
    else assert.match(first!, problem);
    assert.doesNotMatch(first!, /\n/);
  });
}

test('all that is wrong is named at once, and as an error the first with the count of the others', () => {
  const value = { ...written('x', { opne: 'auto', mode: { uid: 'me' } }, { namespace: 'n' }), status: 3 };
  assert.equal(problemsOf(value).length, 3);
  assert.throws(
    () => requireManifest(value, 'node'),
    (error: unknown) =>
      error instanceof DlfsError &&
      error.code === 'invalid-argument' &&
      error.dataset === 'n/x' &&
      error.message.endsWith('(and 2 more)'),
  );
});

test('hostile values are refused, not followed', () => {
  const deep: Record<string, unknown> = {};
  for (let at = deep, depth = 0; depth < 1000; depth++) at = at['x'] = {} as Record<string, unknown>;
  for (const value of [
    null,
    undefined,
    [],
    [written('x')],
    3,
    deep,
    JSON.parse('{"__proto__": {"spec": {}}}'),
    { ...written('x'), constructor: 1 },
  ]) {
    assert.ok(problemsOf(value).length > 0);
  }
  const polluted = checkManifest(
    JSON.parse(JSON.stringify(written('x')).replace('"name"', '"__proto__":{"a":1},"name"')),
    'node',
  );
  assert.equal(polluted.manifest, null);
});
