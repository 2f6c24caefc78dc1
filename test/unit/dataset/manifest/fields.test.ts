import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MOUNT_ROWS, PROCESS_OPTIONS, SOURCE_ROWS, type GivenOptions } from '../../../../src/cli/option-table.ts';
import { parseMountOptions, type MountOptions } from '../../../../src/cli/mount-options.ts';
import type { ServeOptions } from '../../../../src/daemon/serve-options.ts';
import {
  checkManifest,
  datasetSettings,
  diffManifests,
  FIELDS,
  generationOf,
  IDENTITY_FIELDS,
  MANIFEST_SCHEMAS,
  requireManifest,
  type DatasetSettings,
} from '../../../../src/dataset/manifest/index.ts';
import { fieldsOf } from '../../../../src/dataset/manifest/schema-walk.ts';
import { withBucket, written } from './samples.ts';

/** A manifest that has one option's value in its field. */
const FIELD_OF_OPTION: Readonly<Record<string, (value: string | true) => Record<string, unknown>>> = {
  endpoint: (endpoint) => withBucket({ endpoint }),
  region: (region) => withBucket({ region }),
  profile: (profile) => withBucket({ credentials: { profile } }),
  anonymous: (anonymous) => withBucket({ anonymous }),
  pathStyle: (pathStyle) => withBucket({ pathStyle }),
  caFile: (caFile) => withBucket({ caFile }),
  requesterPays: (requesterPays) => withBucket({ requesterPays }),
  cacheSize: (bytes) => written('x', { cache: { quota: { bytes } } }),
  cacheFiles: (files) => written('x', { cache: { quota: { files } } }),
  blockSize: (blockSize) => written('x', { cache: { blockSize } }),
  open: (open) => written('x', { open }),
  uid: (uid) => written('x', { mode: { uid } }),
  gid: (gid) => written('x', { mode: { gid } }),
  fileMode: (file) => written('x', { mode: { file } }),
  dirMode: (dir) => written('x', { mode: { dir } }),
  refresh: (interval) => written('x', { refresh: interval === 'never' ? { never: true } : { interval } }),
  ioTimeout: (ioTimeout) => written('x', { ioTimeout }),
};

/** Right and wrong values of each, at the edges of their ranges. */
const VALUES: Readonly<Record<string, readonly (string | true)[]>> = {
  endpoint: ['https://s3.example.com/', 'http://127.0.0.1:9000', 'ftp://x', 'x', 'https://a:b@c', 'https://x/?a'],
  region: ['eu-central-1', 'EU', 'eu west', ''],
  profile: ['team', 'a b', 'a]b', ''],
  anonymous: [true],
  pathStyle: [true],
  requesterPays: [true],
  caFile: ['/etc/own.pem', ''],
  cacheSize: ['8MiB', '7MiB', '1.5TB', '9PiB', '-1', 'x'],
  cacheFiles: ['1', '0', 'unlimited', '1.5', 'x'],
  blockSize: ['4KiB', '2KiB', '16MiB', '32MiB', '3MiB', 'x'],
  open: ['auto', 'stateless', 'passthrough', 'fast'],
  uid: ['0', '4294967294', '4294967295', '-1', 'root'],
  gid: ['0', '4294967294', '4294967295', 'x'],
  fileMode: ['0444', '444', '0o777', '1777', '8', 'r'],
  dirMode: ['0555', '000', '01777'],
  refresh: ['1s', '999ms', 'never', '2d', '5', 'x'],
  ioTimeout: ['0', '1ms', '5m', 'never', '5'],
};

/** What a mount makes of its options, in the words of a dataset's settings. */
function comparable(options: MountOptions): Omit<DatasetSettings, 'reserveBytes' | 'prefetch'> {
  const { source, cacheSize, cacheFiles, blockSize, open, uid, gid, fileMode, dirMode, refresh, ioTimeout } = options;
  return {
    source: { ...source, written: 'manifest' },
    cacheBytes: cacheSize,
    cacheFiles,
    blockSize,
    open,
    uid,
    gid,
    fileMode,
    dirMode,
    refreshMs: refresh,
    ioTimeoutMs: ioTimeout,
  };
}

function byMount(given: GivenOptions): object | null {
  try {
    return comparable(parseMountOptions('s3://data', given));
  } catch {
    return null;
  }
}

function byManifest(value: Record<string, unknown>): object | null {
  const { manifest } = checkManifest(value, 'node');
  if (manifest === null) return null;
  const { reserveBytes: _, prefetch: __, ...settings } = datasetSettings(manifest);
  return settings;
}

describe("dlfs mount's options and the manifest's fields", () => {
  const keys = [...SOURCE_ROWS, ...MOUNT_ROWS].map(({ key }) => key);

  test('divide the options: each has a field, or is named as one of the process', () => {
    const withField = FIELDS.flatMap(({ option }) => (option === null || option === 'source' ? [] : [option]));
    assert.deepEqual([...withField, ...PROCESS_OPTIONS].sort(), keys.toSorted());
    assert.deepEqual(Object.keys(FIELD_OF_OPTION).sort(), withField.toSorted());
    assert.deepEqual(Object.keys(VALUES).sort(), withField.toSorted());
  });

  test('have the same defaults', () => {
    assert.deepEqual(byManifest(written('x')), byMount({}));
  });

  for (const [key, values] of Object.entries(VALUES)) {
    test(`${key} takes, means and refuses the same in both`, () => {
      let taken = 0;
      for (const value of values) {
        const expected = byMount({ [key]: value });
        assert.deepEqual(byManifest(FIELD_OF_OPTION[key]!(value)), expected, `${key}: ${value}`);
        if (expected !== null) taken += 1;
      }
      assert.ok(taken > 0);
    });
  }

  test('refuse the same combinations', () => {
    const pairs: readonly (readonly [GivenOptions, Record<string, unknown>])[] = [
      [{ anonymous: true, profile: 'x' }, withBucket({ anonymous: true, credentials: { profile: 'x' } })],
      [{ anonymous: true, requesterPays: true }, withBucket({ anonymous: true, requesterPays: true })],
      [{ endpoint: 'http://x', caFile: '/x' }, withBucket({ endpoint: 'http://x', caFile: '/x' })],
      [
        { blockSize: '16MiB', cacheSize: '127MiB' },
        written('x', { cache: { blockSize: '16MiB', quota: { bytes: '127MiB' } } }),
      ],
    ];
    for (const [given, value] of pairs) {
      assert.equal(byMount(given), null);
      assert.equal(byManifest(value), null);
    }
  });

  test('a dataset has what serving takes beside the options of the process', () => {
    const settings: Omit<
      ServeOptions,
      'dir' | 'cacheDir' | 'cacheFloor' | 'memory' | 'listLimit' | 'transport' | 'logPath'
    > = datasetSettings(requireManifest(written('x'), 'node'));
    assert.equal(settings.source.reference.bucket, 'data');
  });
});

describe('the table of fields', () => {
  test('has each field that means something for serving in one row, itself or as a part', () => {
    for (const profile of ['node', 'kubernetes'] as const) {
      const leaves = fieldsOf(MANIFEST_SCHEMAS[profile]).filter(({ inner }) => !inner);
      for (const { path } of leaves) {
        if ((IDENTITY_FIELDS as readonly string[]).includes(path) || path === 'status') continue;
        const rows = FIELDS.filter((row) => path === row.path || path.startsWith(`${row.path}.`));
        assert.equal(rows.length, 1, path);
      }
    }
  });

  test('names only fields that there are, and each is described', () => {
    const fields = fieldsOf(MANIFEST_SCHEMAS.node);
    for (const { path } of FIELDS)
      assert.ok(
        fields.some((field) => field.path === path),
        path,
      );
    for (const { path, schema } of fields) {
      if (!['metadata', 'spec'].includes(path)) assert.notEqual(schema.description ?? '', '', path);
    }
  });
});

describe('a changed manifest', () => {
  const before = requireManifest(written('x'), 'node');
  const change = (value: Record<string, unknown>): unknown => {
    const after = requireManifest(value, 'node');
    const { fields, effect } = diffManifests(before, after);
    return [fields.map(({ path }) => path), effect];
  };

  test('is no change where it says the same in other words', () => {
    const same = written('x', {
      source: { s3: { prefix: '', bucket: 'data', anonymous: false } },
      cache: { quota: { bytes: 10 * 2 ** 30 }, blockSize: '1024KiB' },
      refresh: { interval: '300s' },
      mode: { file: '444' },
    });
    assert.deepEqual(change(same), [[], null]);
    assert.equal(
      diffManifests(
        requireManifest(withBucket({ prefix: 'a' }), 'node'),
        requireManifest(withBucket({ prefix: 'a/' }), 'node'),
      ).effect,
      null,
    );
  });

  test('takes effect by the heaviest of what changed', () => {
    assert.deepEqual(change(written('x', { cache: { quota: { bytes: '20GiB', files: 5 } } })), [
      ['spec.cache.quota.bytes', 'spec.cache.quota.files'],
      'live',
    ]);
    assert.deepEqual(change(written('x', { refresh: { never: true }, ioTimeout: '1s' })), [
      ['spec.refresh', 'spec.ioTimeout'],
      'live',
    ]);
    assert.deepEqual(change(written('x', {}, { labels: { a: 'b' } })), [['metadata.labels'], 'live']);
    assert.deepEqual(change(withBucket({ credentials: { profile: 'other' } })), [
      ['spec.source.s3.credentials'],
      'reconnect',
    ]);
    assert.deepEqual(change(written('x', { mode: { uid: 3 }, ioTimeout: 0 })), [
      ['spec.ioTimeout', 'spec.mode.uid'],
      'remount',
    ]);
    assert.deepEqual(change(withBucket({ prefix: 'p', region: 'r' })), [
      ['spec.source.s3.region', 'spec.source.s3.prefix'],
      'generation',
    ]);
  });

  test('is a new generation exactly where the source is another', () => {
    assert.deepEqual(generationOf(before), { kind: 's3', endpoint: null, bucket: 'data', prefix: '' });
    for (const row of FIELDS.filter(({ path }) => path.startsWith('spec.source.s3.'))) {
      const other: Readonly<Record<string, unknown>> = {
        endpoint: 'https://other',
        region: 'other',
        bucket: 'other',
        prefix: 'other',
        credentials: { profile: 'other' },
        caFile: '/other',
      };
      const key = row.path.split('.').at(-1)!;
      if (key === 'ca') continue; // takes a certificate
      const after = requireManifest(withBucket({ [key]: other[key] ?? true }), 'node');
      const differs = JSON.stringify(generationOf(after)) !== JSON.stringify(generationOf(before));
      assert.equal(row.effect === 'generation', differs, row.path);
      assert.equal(diffManifests(before, after).effect, row.effect, row.path);
    }
  });
});
