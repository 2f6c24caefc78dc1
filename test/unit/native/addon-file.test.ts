import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';
import { DlfsError } from '../../../src/base/errors.ts';
import { openAddon, processRuntime, type AddonRuntime } from '../../../src/native/addon-file.ts';
import { TempDir } from '../../support/files.ts';

const COMPILED = 'build/Release/dlfs.node';
const PREBUILT = 'prebuilds/linux-x64/dlfs.glibc.node';
const ADDON = { opensslMajor: 3 };

/** A package with these files, and a runtime whose opening is the given one. */
async function world(
  files: readonly string[],
  open: (path: string) => unknown,
  changes: Partial<AddonRuntime> = {},
): Promise<AsyncDisposable & { readonly root: string; readonly opens: () => unknown; readonly refused: () => string }> {
  const temp = await TempDir.create('addon');
  for (const file of files) {
    await mkdir(dirname(temp.join(file)), { recursive: true });
    await writeFile(temp.join(file), 'addon');
  }
  const runtime: AddonRuntime = {
    platform: 'linux',
    arch: 'x64',
    versions: { node: '24.21.0', openssl: '3.5.8' },
    glibc: () => '2.31',
    open: (path) => open(path.slice(temp.path.length + 1)),
    ...changes,
  };
  const opens = (): unknown => openAddon(temp.path, runtime);
  const refused = (): string => {
    try {
      opens();
    } catch (error) {
      assert.ok(error instanceof DlfsError);
      assert.equal(error.code, 'unsupported');
      assert.doesNotMatch(error.message, /\n/);
      return error.message.replaceAll(temp.path, 'ROOT');
    }
    throw new Error('it opened');
  };
  return { root: temp.path, opens, refused, [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose]() };
}

function fails(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

describe('opening the addon', () => {
  test('takes what was compiled on this machine before what came along', async () => {
    await using both = await world([COMPILED, PREBUILT], (path) => ({ ...ADDON, path }));
    assert.deepEqual(both.opens(), { ...ADDON, path: COMPILED });
    await using one = await world([PREBUILT], (path) => ({ ...ADDON, path }));
    assert.deepEqual(one.opens(), { ...ADDON, path: PREBUILT });
  });

  test('goes on to the next where the first does not open, and says what was wrong with the first where none does', async () => {
    const open = (path: string): unknown => (path === PREBUILT ? ADDON : fails('file too short')());
    await using second = await world([COMPILED, PREBUILT], open);
    assert.equal(second.opens(), ADDON);
    await using none = await world([COMPILED, PREBUILT], (path) => fails(`${path}: file too short`)());
    assert.match(
      none.refused(),
      /^the native addon ROOT\/build\/Release\/dlfs.node cannot be used: .*too short; compile/,
    );
  });

  test('says where it looked, when there is none', async () => {
    await using empty = await world([], () => ADDON);
    assert.match(empty.refused(), /is missing: ROOT has no build\/\S+ and no prebuilds\/\S+; .*`npm rebuild dlfs`/);
  });

  for (const [what, message, changes, expected] of [
    [
      'an older C library',
      "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /x.node)\nRequire stack",
      {},
      /it needs a newer glibc \(2\.34 at least\), and this system has 2\.31; compile/,
    ],
    [
      'an older C++ library',
      "/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by /x.node)",
      {},
      /it needs a newer C\+\+ library \(GLIBCXX_3\.4\.30\) than this system has; compile/,
    ],
    [
      'another C library',
      'Error loading shared library ld-linux-x86-64.so.2: No such file or directory',
      { glibc: () => null },
      /it is for glibc, and this system has another C library \(Error loading .*\); compile/,
    ],
    [
      'a Node.js that hides its OpenSSL',
      '/x.node: undefined symbol: SSL_CTX_new',
      {},
      /this Node\.js \(24\.21\.0\) does not export SSL_CTX_new: .*; compile/,
    ],
  ] as const) {
    test(`says so, where the system has ${what}`, async () => {
      await using there = await world([PREBUILT], fails(message), changes);
      assert.match(there.refused(), expected);
    });
  }

  test('refuses an addon for another major version of OpenSSL, and a node that has none', async () => {
    const newer = { versions: { node: '28.0.0', openssl: '4.0.1' } };
    await using other = await world([PREBUILT], () => ADDON, newer);
    assert.match(
      other.refused(),
      /was compiled for OpenSSL 3, and this Node\.js \(28\.0\.0\) has OpenSSL 4\.0\.1; compile/,
    );
    await using none = await world([PREBUILT], () => ADDON, { versions: { node: '24.21.0' } });
    assert.match(none.refused(), /compiled for OpenSSL 3, and this Node\.js \(24\.21\.0\) has none; compile/);
    await using foreign = await world([PREBUILT], () => ({}));
    assert.match(foreign.refused(), /compiled for OpenSSL undefined/);
  });

  test('says that it runs on Linux on x86-64 only', async () => {
    await using arm = await world([PREBUILT], () => ADDON, { arch: 'arm64' });
    assert.match(arm.refused(), /Linux on x86-64 only; this is linux on arm64/);
  });

  test('with this process and a file that is no addon, says what the dynamic loader says', async () => {
    await using real = await world([PREBUILT], () => ADDON);
    assert.throws(
      () => openAddon(real.root, processRuntime()),
      /cannot be used: .*(?:too short|invalid ELF header); compile/,
    );
    assert.match(processRuntime().glibc() ?? '', /^2\.\d+$/);
  });
});
