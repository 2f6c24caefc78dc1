import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { call, CliWorld, kernelMounts, type Result } from '../mount/cli-world.ts';
import { execute } from '../posix/execute.ts';
import { TempDir } from '../support/files.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const PREBUILT = 'prebuilds/linux-x64/dlfs.glibc.node';
const COMPILED = 'build/Release/dlfs.node';

/** npm runs with this node, as it does for a user whose node is new enough. */
const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);

/** npm packs and unpacks tens of megabytes, and compiles: seconds, on a machine that does nothing else. */
const NPM_LIMIT_MS = 600_000;

/** What a lockfile says of a package. */
interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

async function packagesOf(lockfile: string): Promise<Record<string, Locked>> {
  const { packages } = JSON.parse(await readFile(lockfile, 'utf8')) as { packages: Record<string, Locked> };
  return packages;
}

function npm(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  return call('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    limitMs: NPM_LIMIT_MS,
    env: { ...(process.env as Record<string, string>), PATH, NODE_DISABLE_COMPILE_CACHE: '1', ...env },
  });
}

describe('the npm package', () => {
  let temp: TempDir;
  let world: CliWorld;
  let packed: readonly string[];

  /** A path in the package as it is installed. */
  const installed = (...parts: string[]): string => temp.join('node_modules', 'dlfs', ...parts);
  const program = (): string => temp.join('node_modules', '.bin', 'dlfs');

  /** Mounts with the installed program, reads a file, unmounts. */
  const readThroughMount = async (name: string): Promise<string> => {
    const dir = await world.dir(name);
    const env = { ...world.env, PATH };
    const mounted = await world.call(['mount', 's3://bucket', dir, ...world.args], { program: program(), env });
    assert.deepEqual([mounted.code, mounted.err], [0, ''], mounted.out);
    const text = await world.read(`${dir}/a/x`);
    const ended = await world.call(['umount', dir], { program: program(), env });
    assert.deepEqual([ended.code, ended.err], [0, '']);
    assert.ok((await kernelMounts()).every((mount) => mount.dir !== dir));
    return text;
  };

  before(async () => {
    temp = await TempDir.create('package');
    world = await CliWorld.create();
    const { code, out, err } = await npm(CHECKOUT, ['pack', '--json', '--pack-destination', temp.path]);
    assert.equal(code, 0, err);
    // The lifecycle's own lines may stand before the document.
    const [pack] = JSON.parse(out.slice(out.search(/^\[$/m))) as [{ filename: string; files: { path: string }[] }];
    packed = pack.files.map(({ path }) => path);
    await writeFile(temp.join('package.json'), '{ "private": true }\n');
    const cache = { npm_config_cache: temp.join('npm-cache') };
    const install = await npm(temp.path, ['install', '--offline', temp.join(pack.filename)], cache);
    assert.equal(install.code, 0, install.err);
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
    await temp[Symbol.asyncDispose]();
  });

  test('carries what runs, what compiles it and the papers, and nothing of the workshop', () => {
    for (const path of [
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'bin/dlfs',
      'dist/cli/main.js',
      'binding.gyp',
      PREBUILT,
    ])
      assert.ok(packed.includes(path), path);
    const strange = packed.filter(
      (path) => !path.startsWith('node_modules/') && /^(?:src|test|bench|demo|build|\.)|\.ts$/.test(path),
    );
    assert.deepEqual(strange, []);
  });

  test('brings the versions of the lockfile, needs no registry, and compiles nothing where the prebuilt addon works', async () => {
    const [wanted, found] = await Promise.all([
      packagesOf(join(CHECKOUT, 'package-lock.json')),
      packagesOf(temp.join('node_modules', '.package-lock.json')),
    ]);
    const versions = (all: Record<string, Locked>): string[] =>
      Object.entries(all)
        .filter(([path, { dev, optional, devOptional }]) => {
          // What is optional is not bundled: it comes from a registry, where there is one.
          const isBundled = ![dev, optional, devOptional].includes(true);
          return path !== '' && path !== 'node_modules/dlfs' && isBundled;
        })
        .map(([path, { version }]) => `${path.replace('node_modules/dlfs/', '')} ${version ?? ''}`)
        .sort();
    assert.deepEqual(versions(found), versions(wanted));
    assert.ok(!existsSync(installed(COMPILED)));
  });

  test('says its version', async () => {
    const { version } = JSON.parse(await readFile(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
    const { code, out, err } = await call(program(), ['version'], { env: { PATH } });
    assert.deepEqual([code, out, err], [0, `dlfs ${version} (Node.js ${process.versions.node})\n`, '']);
  });

  test('mounts a bucket and reads a file of it, with the prebuilt addon', async () => {
    assert.equal(await readThroughMount('prebuilt'), 'hello\n');
  });

  test('without the optional fuse-native, which it installs without, refuses that transport with the way to get it', async () => {
    assert.ok(!existsSync(temp.join('node_modules/fuse-native')));
    const args = ['mount', '--transport', 'fuse-native', 's3://bucket', await world.dir('optional'), ...world.args];
    const { code, err } = await world.call(args, { program: program(), env: { ...world.env, PATH } });
    assert.notEqual(code, 0);
    assert.match(
      err,
      /^dlfs: the optional package fuse-native is not installed: npm install fuse-native@\d.* --transport native\n$/,
    );
  });

  test('without the prebuilt addon, and with nothing to compile it, says in one line what is missing', async () => {
    await using bare = await TempDir.create('path');
    for (const command of ['sh', 'dirname', 'mktemp', 'rm', 'cat'])
      await symlink(
        (await execute('sh', ['-c', `command -v ${command}`])).stdout.toString().trim(),
        bare.join(command),
      );
    await symlink(process.execPath, bare.join('node'));
    await rm(installed('prebuilds'), { recursive: true });
    const { code, out, err } = await call('/bin/sh', [installed('scripts/install.sh')], { env: { PATH: bare.path } });
    assert.deepEqual([code, out], [1, '']);
    assert.match(
      err,
      /^dlfs: the native addon must be compiled .* missing: python3 make g\+\+ node-gyp .*apt install .* Why: .* is missing: .*\n$/,
    );
    const run = await call(program(), ['umount', temp.path], { env: { PATH } });
    assert.notEqual(run.code, 0);
    assert.match(run.err, /^dlfs: the native addon is missing: .*npm rebuild dlfs.*\n$/);
    const doctor = await call(program(), ['doctor'], { env: { PATH } });
    assert.match(doctor.out, /^fail\tnative addon\tthe native addon is missing: .*npm rebuild dlfs/);
  });

  test('compiles the addon where the prebuilt one does not load, and serves with that', async () => {
    await mkdir(installed(dirname(PREBUILT)), { recursive: true });
    await writeFile(installed(PREBUILT), 'not for this machine');
    // Without optimisation it takes a third of the time.
    const { code, out, err } = await npm(temp.path, ['rebuild', '--foreground-scripts', 'dlfs'], {
      CXXFLAGS: '-O0 -g0',
    });
    assert.equal(code, 0, err);
    assert.match(out, /dlfs: compiling the native addon.* Why: .*cannot be used: .*(?:too short|invalid ELF header)/);
    assert.ok((await stat(installed(COMPILED))).isFile());
    assert.deepEqual(
      (await readdir(installed('build/Release'))).filter((name) => name !== 'dlfs.node'),
      [],
    );
    assert.equal(await readThroughMount('compiled'), 'hello\n');
  });
});

test('a prebuilt addon that needs a newer C library than is promised is not made', async () => {
  const before = (await stat(join(CHECKOUT, PREBUILT))).mtimeMs;
  const { code, err } = await call('sh', [join(CHECKOUT, 'scripts/build-prebuilt.sh')], {
    env: { PATH, GLIBC_FLOOR: '2.17' },
  });
  assert.equal(code, 1);
  assert.match(
    err,
    /^build-prebuilt: compiled here, the addon needs glibc 2\.\d+, and the package promises 2\.17: .*\n$/,
  );
  assert.equal((await stat(join(CHECKOUT, PREBUILT))).mtimeMs, before);
});
