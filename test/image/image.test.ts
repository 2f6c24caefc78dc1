import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CliWorld, KEYS } from '../mount/cli-world.ts';
import { execute } from '../posix/execute.ts';
import { TempDir } from '../support/files.ts';
import { DlfsMount } from '../support/mount.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const IMAGES = join(CHECKOUT, 'build/images');

/** The bases come from Debian's archive, the packages from npm's registry; then a compiler runs on two cores. */
const BUILD_LIMIT_MS = 15 * 60_000;

/** The search path of a container. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a container is started with. */
interface Config {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

describe('the container image', () => {
  let temp: TempDir;
  let container: string;
  /** The container's root directory. */
  let root: string;

  const buildah = async (...args: string[]): Promise<string> => {
    const env = {
      ...process.env,
      TMPDIR: temp.path,
      CONTAINERS_STORAGE_CONF: join(IMAGES, 'storage.conf'),
      BUILDAH_ISOLATION: 'chroot',
    };
    return (await execute('buildah', args, { env })).stdout.toString().trim();
  };

  before(async () => {
    temp = await TempDir.create('image');
    // Not `execute`: minutes of progress are worth seeing.
    const build = spawn('sh', [join(CHECKOUT, 'scripts/build-image.sh'), '--local'], {
      env: { ...process.env, TMPDIR: temp.path, IMAGE: 'localhost/dlfs:test' },
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: BUILD_LIMIT_MS,
    });
    assert.deepEqual(await once(build, 'exit'), [0, null]);
    container = await buildah('from', 'localhost/dlfs:test');
    root = await buildah('mount', container);
  });

  after(async () => {
    await buildah('rm', container);
    await temp[Symbol.asyncDispose]();
  });

  test('starts dlfs, as nobody, and says what it is', async () => {
    const { OCIv1 } = JSON.parse(await buildah('inspect', '--type', 'image', 'localhost/dlfs:test')) as {
      OCIv1: { config: Config };
    };
    const { User, Entrypoint, Labels } = OCIv1.config;
    assert.deepEqual([User, Entrypoint], ['65532:65532', ['dlfs']]);
    const { version } = JSON.parse(await readFile(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
    assert.equal(Labels['org.opencontainers.image.version'], version);
    assert.equal(Labels['org.opencontainers.image.licenses'], 'Apache-2.0');
    assert.equal(await buildah('run', container, '--', 'id', '-u'), '65532');
    assert.match(
      await buildah('run', container, '--', 'dlfs', 'version'),
      new RegExp(`^dlfs ${version} \\(Node\\.js 24\\.`),
    );
  });

  test('holds no compiler, no npm, no sources, and nothing that its user may write', async () => {
    const names = new Set<string>();
    for (const folder of ['usr/bin', 'usr/local/bin', 'usr/lib/gcc', 'usr/local/lib/node_modules'])
      for (const name of await readdir(join(root, folder)).catch(() => [])) names.add(name);
    for (const name of ['gcc', 'g++', 'cc', 'c++', 'make', 'python3', 'npm', 'npx']) assert.ok(!names.has(name), name);
    assert.deepEqual((await readdir(join(root, 'usr/local/bin'))).sort(), ['dlfs', 'mount.dlfs', 'node']);
    const all = await readdir(join(root, 'opt/dlfs'), { recursive: true });
    assert.deepEqual(
      all.filter((path) => /\.(?:cc|h|ts|c)$/.test(path)),
      [],
    );
    for (const path of all) {
      const { mode, uid } = await lstat(join(root, 'opt/dlfs', path));
      assert.ok((mode & 0o170000) === 0o120000 || (uid === 0 && (mode & 0o022) === 0), path);
    }
  });

  test('has nothing of the machine that built it in its layers', async () => {
    const settings = await readFile(`${process.env['HOME'] ?? ''}/.npmrc`, 'utf8').catch(() => null);
    const names = await readdir(join(root, 'run'));
    assert.ok(!names.includes('secrets'));
    if (settings !== null)
      assert.deepEqual(await readdir(join(root, 'root')).then((all) => all.filter((n) => n === '.npmrc')), []);
  });

  test('mounts a bucket, where it may', async () => {
    await using world = await CliWorld.create();
    // What a runtime does for a privileged container: namespaces of its own, /dev and /proc, another root.
    const program = temp.join('container');
    await writeFile(
      program,
      [
        '#!/bin/sh',
        `exec unshare --mount --propagation private sh -c 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" dlfs "$@"' '${root}' "$@"\n`,
      ].join('\n'),
      { mode: 0o755 },
    );
    const { url, region } = world.endpoint;
    await execute('mkdir', [join(root, 'mnt/data')]);
    await using mount = await DlfsMount.start({
      source: 's3://bucket',
      dir: '/mnt/data',
      args: ['--endpoint', url, '--region', region, '--cache-dir', '/var/cache/dlfs'],
      env: { AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey, PATH, HOME: '/root' },
      program,
    });
    const read = await execute('cat', [`/proc/${mount.pid}/root/mnt/data/a/x`], { limitMs: 20_000 });
    assert.equal(read.stdout.toString(), 'hello\n');
    await mount.terminate();
  });
});
