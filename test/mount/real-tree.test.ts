/**
 * A tree that nobody made for this, uploaded by the public SDK to a real server, and compared with itself: by `diff -r` and by
 * SHA-256, in both open modes, through all that can happen to a cache.
 *
 * The tree is Go's own sources and what else is at hand (TREES); 1,500 files of it by default. DLFS_REAL_TREE=full takes 20,000
 * files and makes the one large file a gigabyte (some ten minutes).
 */
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, lstat, mkdir, open, readFile, rename, rm, stat, symlink, truncate } from 'node:fs/promises';
import { globSync, type Dirent } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { execute } from '../posix/execute.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { Ext4Image } from '../support/ext4.ts';
import { dropCaches, TempDir } from '../support/files.ts';
import { cleanEnvironment, DLFS, DlfsMount } from '../support/mount.ts';
import { OPEN_MODES } from '../support/mount-target.ts';
import { until } from '../support/process.ts';
import { VersityGw } from '../support/s3/versitygw.ts';

const MIB = 1024 * 1024;
const FULL = process.env['DLFS_REAL_TREE'] === 'full';

/** How much of the real trees is taken, and how large the one large file becomes. */
const { FILES, LARGE } = FULL ? { FILES: 20_500, LARGE: 1100 * MIB } : { FILES: 1500, LARGE: 12 * MIB };

/** Single files up to this size: the rest of the trees is archives and libraries. */
const MOST = FULL ? 64 * MIB : 256 * 1024;

/** Parts of the multipart upload. */
const PART = FULL ? 64 * MIB : 5 * MIB;

const BUCKET = 'real';
const LIMIT_MS = FULL ? 900_000 : 90_000;
const SOON_MS = 60_000;

/** Uploads under way at once. */
const UPLOADS = 16;

/** Where trees may be; what is missing on a machine is passed over. */
const TREES = [
  '/usr/local/go/src',
  '/usr/lib/go/src',
  '/usr/share/doc',
  join(homedir(), 'go/pkg/mod'),
  '/usr/share',
  '/usr/include',
];

let temp: TempDir;
let server: VersityGw;
let plain: string;
let expected: string;
let bytes = 0;
let count = 0;

before(async () => {
  temp = await TempDir.create('real-tree');
  plain = temp.join('plain');
  await mkdir(plain);
  await gather();
  expected = await digests(plain);
  server = await VersityGw.start();
  await server.createBucket(BUCKET);
  await upload();
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await temp[Symbol.asyncDispose]();
});

/** Copies real files, whole directories in the order of their names, and makes the large one of them. */
async function gather(): Promise<void> {
  const sources: string[] = [];
  for (const tree of TREES) {
    if (sources.length >= FILES) break;
    const found = globSync('**', {
      cwd: tree,
      withFileTypes: true,
      exclude: (entry: Dirent) => entry.isSymbolicLink(),
    });
    for (const entry of found) if (entry.isFile()) sources.push(join(entry.parentPath, entry.name));
  }
  const large = await open(join(plain, 'large.bin'), 'wx');
  try {
    for (const source of sources.sort()) {
      const { size } = await lstat(source);
      if (count >= FILES && bytes >= LARGE) break;
      if (count < FILES && size <= MOST) {
        const target = join(plain, relative('/', source));
        await mkdir(dirname(target), { recursive: true });
        await copyFile(source, target);
        count += 1;
        bytes += size;
      }
    }
    // The same bytes again and again, as an archive would hold them.
    for (let at = 0; at < LARGE;) {
      for (const source of sources.slice(0, FILES)) {
        if (at >= LARGE) break;
        const { bytesWritten } = await large.write(await readFile(source));
        at += bytesWritten;
      }
    }
  } finally {
    await large.close();
  }
  bytes += (await stat(join(plain, 'large.bin'))).size;
  count += 1;
  assert.ok(count > FILES, `this machine has ${count} files for the tree: ${TREES.join(', ')}`);
}

async function upload(): Promise<void> {
  const { accessKeyId, secretAccessKey, url, region } = server;
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    const paths = globSync('**', { cwd: plain, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const left = paths.values();
    const work = async (): Promise<void> => {
      for (const path of left) {
        const Key = relative(plain, path);
        if (Key === 'large.bin') await uploadParts(client, path, Key);
        else await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: await readFile(path) }));
      }
    };
    await Promise.all(Array.from({ length: UPLOADS }, work));
  } finally {
    client.destroy();
  }
}

async function uploadParts(client: S3Client, path: string, Key: string): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }));
  const file = await open(path);
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let PartNumber = 1; ; PartNumber++) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(PART), 0, PART, (PartNumber - 1) * PART);
      if (bytesRead === 0) break;
      const Body = buffer.subarray(0, bytesRead);
      const { ETag } = await client.send(new UploadPartCommand({ Bucket: BUCKET, Key, UploadId, PartNumber, Body }));
      Parts.push({ PartNumber, ETag });
    }
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId, MultipartUpload: { Parts } }),
    );
  } finally {
    await file.close();
  }
}

/** SHA-256 of each file below a directory, sorted by path. */
async function digests(dir: string): Promise<string> {
  const args = ['.', '-type', 'f', '-exec', 'sha256sum', '-z', '--', '{}', '+'];
  const { stdout } = await execute('find', args, { cwd: dir, limitMs: LIMIT_MS });
  return stdout
    .toString('latin1')
    .split('\0')
    .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .join('\n');
}

for (const mode of OPEN_MODES) {
  test(`a real tree is the same as on the local disk: cold, warm, behind a restart, a kill, damage and at the floor, ${mode}`, async (t) => {
    const floor = 32 * MIB;
    await using disk = await Ext4Image.create({ bytes: 2 * bytes + count * 8192 + 256 * MIB });
    await using mountPoint = await TempDir.create('real-mount');
    const cacheDir = `${disk.dir}/cache`;
    await using mount = await DlfsMount.start({
      source: `s3://${BUCKET}`,
      dir: mountPoint.path,
      args: [
        ...['--endpoint', server.url, '--region', server.region, '--path-style', '--refresh', 'never'],
        ...['--cache-dir', cacheDir, '--cache-floor', '32MiB', '--open', mode],
      ],
      env: { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey },
    });
    const cache = await CacheFiles.in(cacheDir);

    /** Compares everything; GETs that it took. */
    const same = async (stage: string): Promise<number> => {
      await dropCaches();
      await server.resetRequests();
      const begun = performance.now();
      try {
        await execute('diff', ['-r', plain, mount.dir], { limitMs: LIMIT_MS });
        assert.equal(await digests(mount.dir), expected, stage);
      } catch (error) {
        throw mount.explain(error);
      }
      const { get } = await server.requests();
      const seconds = (performance.now() - begun) / 1000;
      t.diagnostic(`${stage}: ${count} files, ${Math.round(bytes / MIB)} MiB, ${seconds.toFixed(1)} s, ${get} GETs`);
      return get;
    };
    const restart = async (how: 'clean' | 'kill'): Promise<void> => {
      await (how === 'clean' ? mount.umount() : mount.kill());
      await mount.startAgain();
    };

    assert.ok((await same('cold')) > 0);
    assert.equal(await same('warm'), 0);
    await restart('clean');
    assert.equal(await same('behind a restart'), 0);

    // A fresh cache, killed in the middle of its first pass.
    await mount.umount();
    await execute(DLFS, ['cache', 'rm', '--all', '--cache-dir', cacheDir], { env: cleanEnvironment() });
    await mount.startAgain();
    await killedInTheMiddle(mount, async () => (await cache.stats().catch(() => null))?.cache.bytes ?? 0);
    await mount.startAgain();
    assert.ok((await same('behind kill -9 in the middle of the first pass')) > 0);

    // Structure is checked on every hit, bytes where they were written shortly before an unclean stop.
    await mount.umount();
    const damaged = await damage(await cache.files());
    await mount.startAgain();
    const again = await same(`with ${damaged} cache files cut, deleted or replaced`);
    assert.ok(again > 0);
    await until(() => cache.recentBlocks().length >= again, SOON_MS, 'what was fetched again is committed');
    await mount.kill();
    const flipped = cache.recentBlocks().filter((_, i) => i % 5 === 0);
    assert.ok(flipped.length > 0);
    for (const { ino, idx } of flipped) await cache.flip(ino, idx * MIB);
    await mount.startAgain();
    assert.equal(await same(`with a bit flipped in ${flipped.length} blocks`), flipped.length);
    assert.equal((await cache.freshStats()).cache.lostBlocks, flipped.length);

    await disk.fillTo(floor / 2);
    await until(async () => (await disk.free()) >= floor, SOON_MS, 'the cache gives the floor back');
    await same('with the disk at its floor');
    await until(async () => (await disk.free()) >= floor, SOON_MS, 'the floor is kept');
    await mount.umount();
  });
}

/** Reads everything, and kills the serving process when a third of it is cached. */
async function killedInTheMiddle(mount: DlfsMount, cached: () => Promise<number>): Promise<void> {
  const reader = spawn('diff', ['-r', plain, mount.dir], { stdio: 'ignore' });
  const ended = once(reader, 'close');
  await until(async () => (await cached()) > bytes / 3 || reader.exitCode !== null, LIMIT_MS, 'a third is cached');
  await mount.kill();
  await ended;
}

/** Damages each twentieth cache file, in turns; how many. */
async function damage(files: readonly { readonly path: string; readonly size: number }[]): Promise<number> {
  const chosen = files.filter((_, i) => i % 20 === 0);
  for (const [i, { path, size }] of chosen.entries()) {
    if (i % 3 === 0) await truncate(path, Math.floor(size / 2));
    else if (i % 3 === 1) await rm(path);
    else {
      await rename(path, `${path}.old`);
      await symlink('/etc/hostname', path);
      await rm(`${path}.old`);
    }
  }
  return chosen.length;
}
