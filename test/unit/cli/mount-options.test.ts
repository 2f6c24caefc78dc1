import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MOUNT_ROWS, SOURCE_ROWS, longName, toArguments, type GivenOptions } from '../../../src/cli/option-table.ts';
import { parseMountOptions } from '../../../src/cli/mount-options.ts';

const MIB = 1024 * 1024;

describe('options of a mount', () => {
  test('have the defaults that the help names', () => {
    const { source, cacheFloor, logLevel, ...rest } = parseMountOptions('s3://bucket/prefix', {});
    assert.deepEqual(source.reference, { kind: 's3', bucket: 'bucket', prefix: 'prefix/' });
    assert.deepEqual(cacheFloor, { kind: 'share', share: 0.15 });
    assert.deepEqual(logLevel, { level: 'info', modules: {} });
    assert.deepEqual(rest, {
      cacheDir: '/var/cache/dlfs',
      cacheSize: 10 * 1024 * MIB,
      cacheFiles: Infinity,
      blockSize: MIB,
      memory: 512 * MIB,
      transport: 'native',
      open: 'auto',
      uid: 0,
      gid: 0,
      fileMode: 0o444,
      dirMode: 0o555,
      refresh: 300_000,
      listLimit: 10_000_000,
      ioTimeout: 300_000,
      foreground: false,
      logFile: null,
    });
  });

  test('are taken as written', () => {
    const options = parseMountOptions('s3://b', {
      endpoint: 'http://127.0.0.1:9000/',
      pathStyle: true,
      cacheSize: '64MiB',
      cacheFiles: '1000',
      cacheFloor: '1GiB',
      blockSize: '4KiB',
      memory: '16MiB',
      open: 'passthrough',
      uid: '65534',
      fileMode: '400',
      dirMode: '0o500',
      refresh: 'never',
      ioTimeout: '0',
      logLevel: 'warn,cache=debug',
    });
    assert.equal(options.source.endpoint, 'http://127.0.0.1:9000');
    assert.equal(options.source.pathStyle, true);
    assert.deepEqual(options.cacheFloor, { kind: 'size', bytes: 1024 * MIB });
    assert.deepEqual(
      [options.cacheSize, options.cacheFiles, options.blockSize, options.memory, options.open, options.uid],
      [64 * MIB, 1000, 4096, 16 * MIB, 'passthrough', 65534],
    );
    assert.deepEqual(
      [options.fileMode, options.dirMode, options.refresh, options.ioTimeout],
      [0o400, 0o500, 'never', 0],
    );
  });

  const refusals: readonly (readonly [given: GivenOptions, message: RegExp])[] = [
    [{ blockSize: '3MiB' }, /^--block-size: a block is a power of two from 4.00 KiB to 16.0 MiB, .* not "3MiB"$/],
    [{ blockSize: '0' }, /^--block-size: .*power of two/],
    [{ blockSize: '2KiB' }, /^--block-size: .*power of two/],
    [{ blockSize: '32MiB' }, /^--block-size: .*power of two/],
    [{ cacheSize: '7MiB' }, /^--cache-size: must hold 8 blocks at least/],
    [{ cacheSize: '64MiB', blockSize: '16MiB' }, /^--cache-size: must hold 8 blocks at least/],
    [{ cacheSize: 'much' }, /^--cache-size: not a size: "much"/],
    [{ cacheSize: '-1' }, /^--cache-size: not a size/],
    [{ cacheFiles: '0' }, /^--cache-files: write a whole number/],
    [{ cacheFiles: '1.5' }, /^--cache-files: write a whole number/],
    [{ cacheFiles: 'many' }, /^--cache-files: write a whole number/],
    [{ cacheFloor: '101%' }, /^--cache-floor: not a percentage/],
    [{ cacheFloor: '100%' }, /^--cache-floor: leaves nothing/],
    [{ memory: '1MiB' }, /^--memory: must hold 8 blocks at least/],
    [{ memory: '8MiB', blockSize: '64KiB' }, /^--memory: must be 16.0 MiB at least/],
    [{ transport: 'nfs' }, /^--transport: write native or fuse-native$/],
    [{ transport: 'fuse-native', open: 'stateless' }, /^--open: is of --transport native: leave it out/],
    [{ open: 'fast' }, /^--open: write auto, stateless or passthrough$/],
    [{ uid: 'nobody' }, /^--uid: write a user id as a whole number/],
    [{ gid: '4294967295' }, /^--gid: write a group id/],
    [{ fileMode: '0999' }, /^--file-mode: write permissions in octal/],
    [{ fileMode: '4755' }, /^--file-mode: write permissions in octal/],
    [{ dirMode: 'r-xr-xr-x' }, /^--dir-mode: write permissions in octal/],
    [{ refresh: '10ms' }, /^--refresh: write 1s or longer/],
    [{ refresh: '5' }, /^--refresh: not a span of time/],
    [{ listLimit: '0' }, /^--list-limit: write names as a whole number/],
    [{ ioTimeout: 'never' }, /^--io-timeout: not a span of time/],
    [{ logLevel: 'loud' }, /^--log-level: unknown log level "loud"/],
    [{ cacheDir: '' }, /^--cache-dir: write the path/],
    [{ logFile: '' }, /^--log-file: write the path/],
    [{ endpoint: 'localhost:9000' }, /^--endpoint: write a URL/],
    [{ endpoint: 'https://key:secret@host' }, /^--endpoint: keys do not belong into the URL/],
    [{ anonymous: true, profile: 'p' }, /^--anonymous: /],
    [{ region: 'not a region' }, /^--region: /],
  ];
  for (const [given, message] of refusals) {
    test(`${toArguments(given).join(' ')} is refused in one line that says what to write`, () => {
      assert.throws(
        () => parseMountOptions('s3://b', given),
        (error: Error & { code?: unknown }) => {
          assert.equal(error.code, 'invalid-argument');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /\n|secret/);
          return true;
        },
      );
    });
  }

  for (const source of [
    '',
    'bucket',
    's3:/b',
    's3://',
    's3:///x',
    'https://s3.example.com/b',
    's3://a b',
    's3://b/\u0007',
  ]) {
    test(`the source ${JSON.stringify(source)} is refused`, () => {
      assert.throws(() => parseMountOptions(source, {}), { code: 'invalid-argument' });
    });
  }
});

describe('the table of options', () => {
  test('has each option once', () => {
    const keys = [...SOURCE_ROWS, ...MOUNT_ROWS].map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length);
  });

  test('names exactly what the schemas take', () => {
    const { source, ...mount } = parseMountOptions('s3://b', {});
    assert.deepEqual(new Set(MOUNT_ROWS.map(({ key }) => key)), new Set(Object.keys(mount)));
    // What only a manifest can say, and that this is none.
    const { reference: _, keys: __, caPem: ___, written: ____, ...ofSource } = source;
    assert.deepEqual(new Set(SOURCE_ROWS.map(({ key }) => key)), new Set(Object.keys(ofSource)));
  });

  test('makes arguments that say the same again', () => {
    assert.deepEqual(toArguments({ cacheSize: '1GiB', pathStyle: true, logFile: '/a b' }), [
      '--cache-size=1GiB',
      '--path-style',
      '--log-file=/a b',
    ]);
    assert.equal(longName('ioTimeout'), 'io-timeout');
  });
});
