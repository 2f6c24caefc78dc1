import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { endlessListing, makeCertificate, notS3 } from '../../demo/endpoint/index.ts';
import { execute } from '../posix/execute.ts';
import { Ext4Image } from '../support/ext4.ts';
import { DLFS } from '../support/mount.ts';
import { call, CliWorld, KEYS, mountsAt, namesIn, registry, type CallOptions, type Result } from './cli-world.ts';

/** What a user got wrong. */
interface Mistake {
  readonly source?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of `dlfs`. */
  readonly program?: string;
}

/** Makes the mistake, and checks that it is one line, and that nothing is left. */
async function refusal(world: CliWorld, mistake: Mistake, how: CallOptions = {}): Promise<Result> {
  const dir = await world.dir('mnt');
  const args = ['mount', mistake.source ?? 's3://bucket', dir, ...world.args, ...(mistake.args ?? [])];
  const result = await world.call(args, { ...how, ...(mistake.env === undefined ? {} : { env: mistake.env }) });
  await isNothingLeft(world, result);
  return result;
}

async function isNothingLeft(world: CliWorld, { code, out, err }: Result): Promise<void> {
  const dir = world.at('mnt');
  assert.notEqual(code, 0);
  assert.equal(out, '');
  assert.match(err, /^dlfs: [^\n]+\n$/);
  assert.ok(!err.includes(KEYS.secretAccessKey));
  assert.deepEqual(await mountsAt(dir), []);
  assert.equal(registry.find(dir), null);
  assert.deepEqual(
    (await namesIn('/run/dlfs')).filter((name) =>
      name.startsWith(createHash('sha256').update(dir).digest('hex').slice(0, 16)),
    ),
    [],
  );
  for (const folder of await namesIn(world.at('cache'))) {
    assert.ok(!(await namesIn(world.at('cache', folder))).includes('owner.json'), 'the cache is not in use');
  }
}

/** An entry of a listing. */
function contents(key: string, size: string): string {
  return `<Contents><Key>${key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>${size}</Size></Contents>`;
}

describe('the origin', () => {
  test('has no such bucket: exit code 4', async () => {
    await using world = await CliWorld.create();
    const { code, err } = await refusal(world, { source: 's3://bukcet' });
    assert.equal(code, 4);
    assert.match(err, /bukcet/);
  });

  test('does not know the key, or its secret: exit code 3', async () => {
    await using world = await CliWorld.create();
    const wrong = await refusal(world, { env: { AWS_SECRET_ACCESS_KEY: 'a wrong secret' } });
    const unknown = await refusal(world, { env: { AWS_ACCESS_KEY_ID: 'AKIDUNKNOWN' } });
    assert.deepEqual([wrong.code, unknown.code], [3, 3]);
    assert.doesNotMatch(wrong.err, /a wrong secret/);
  });

  test('gets no keys: exit code 3, and the ways to give them', async () => {
    await using world = await CliWorld.create();
    const { code, err } = await refusal(world, { env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' } });
    assert.equal(code, 3);
    assert.match(err, /--profile|AWS_ACCESS_KEY_ID/);
  });

  test('gets a profile that is not there: exit code 2 or 3, and its name', async () => {
    await using world = await CliWorld.create();
    const { code, err } = await refusal(world, { args: ['--profile', 'nowhere'] });
    assert.ok(code === 2 || code === 3, String(code));
    assert.match(err, /nowhere/);
  });

  test('is down: exit code 5', async () => {
    await using world = await CliWorld.create();
    const { code, err } = await refusal(world, { args: ['--endpoint', 'http://127.0.0.1:1'] });
    assert.equal(code, 5);
    assert.match(err, /127\.0\.0\.1:1/);
  });

  test('has a name that does not resolve: exit code 5', async () => {
    await using world = await CliWorld.create();
    const { code, err } = await refusal(world, { args: ['--endpoint', 'http://nowhere.invalid:9000'] });
    assert.equal(code, 5);
    assert.match(err, /nowhere\.invalid/);
  });

  test('is a web server and not S3: exit code 5', async () => {
    await using world = await CliWorld.create();
    world.faults.inject({}, notS3());
    const page = await refusal(world, {});
    assert.equal(page.code, 5);
    assert.match(page.err, /a web page.*check --endpoint/);
    const web = createServer((_, response) => response.writeHead(404).end('<html>nothing here</html>')).listen(
      0,
      '127.0.0.1',
    );
    await once(web, 'listening');
    try {
      const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
      const { code } = await refusal(world, { args: ['--endpoint', url] });
      assert.ok(code === 4 || code === 5, String(code));
    } finally {
      web.close();
      web.closeAllConnections();
    }
  });

  test('has a certificate of an unknown authority: exit code 5, and --ca-file helps', async () => {
    await using folder = await CliWorld.create();
    const { cert, key, ca } = await makeCertificate(await folder.dir('pki'));
    await using world = await CliWorld.create({ cert, key });
    const { code, err } = await refusal(world, {});
    assert.equal(code, 5);
    assert.match(err, /--ca-file/);
    await writeFile(world.at('ca.pem'), ca);
    const dir = world.at('mnt');
    assert.deepEqual((await world.mount(dir, [...world.args, '--ca-file', world.at('ca.pem')])).err, '');
    assert.equal(await world.read(`${dir}/a/x`), 'hello\n');
    await world.call(['umount', dir]);
    assert.equal((await refusal(world, { args: ['--ca-file', world.at('missing.pem')] })).code, 2);
  });

  test('speaks no TLS, or nothing else: exit code 5', async () => {
    await using world = await CliWorld.create();
    assert.equal(
      (await refusal(world, { args: ['--endpoint', world.endpoint.url.replace('http:', 'https:')] })).code,
      5,
    );
  });

  test('is AWS, in no region that anybody named: exit code 2, and --region', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    const result = await world.call(['mount', 's3://bucket', dir, ...world.args.slice(4)]);
    await isNothingLeft(world, result);
    assert.equal(result.code, 2);
    assert.match(result.err, /--region/);
  });

  test('lists without end: exit code 5', async () => {
    await using world = await CliWorld.create();
    world.faults.inject({ kind: 'list' }, endlessListing('bucket'));
    const { code, err } = await refusal(world, {});
    assert.equal(code, 5);
    assert.match(err, /16777216 bytes.*check --endpoint/);
  });

  const hostile: readonly (readonly [what: string, listing: string, message: RegExp])[] = [
    ['two megabytes of XML without an end', '<Contents>'.repeat(200_000), /nests deeper than 16/],
    ['a negative size', contents('k', '-1'), /gives "k" the size "-1"/],
    ['a size beyond all numbers', contents('k', '99999999999999999999'), /gives "k" the size "9{20}"/],
    ['a size that is none', contents('k', '0x10'), /gives "k" the size "0x10"/],
  ];
  for (const [what, listing, message] of hostile) {
    test(`lists ${what}: exit code 5`, async () => {
      await using world = await CliWorld.create();
      world.faults.inject(
        { kind: 'list' },
        {
          type: 'respond',
          status: 200,
          headers: { 'content-type': 'application/xml' },
          body: `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name>${listing}</ListBucketResult>`,
        },
      );
      const { code, err } = await refusal(world, {});
      assert.equal(code, 5);
      assert.match(err, message);
      assert.match(err, /check --endpoint\n$/);
    });
  }
});

describe('the cache directory', () => {
  const cacheDir = (path: string): Mistake => ({ args: ['--cache-dir', path] });

  test('is in memory: exit code 6', async () => {
    await using world = await CliWorld.create();
    const { code, err } = await refusal(world, cacheDir(`/dev/shm/dlfs-test-${process.pid}`));
    await execute('rm', ['-rf', `/dev/shm/dlfs-test-${process.pid}`]);
    assert.equal(code, 6);
    assert.match(err, /tmpfs.*--cache-dir/);
  });

  test('is on overlay: exit code 6', async () => {
    await using world = await CliWorld.create();
    for (const name of ['lower', 'upper', 'work', 'overlay']) await mkdir(world.at(name));
    const layers = `lowerdir=${world.at('lower')},upperdir=${world.at('upper')},workdir=${world.at('work')}`;
    await execute('mount', ['-t', 'overlay', 'overlay', '-o', layers, world.at('overlay')]);
    try {
      const { code, err } = await refusal(world, cacheDir(world.at('overlay', 'cache')));
      assert.equal(code, 6);
      assert.match(err, /overlay.*--cache-dir/);
    } finally {
      await execute('umount', [world.at('overlay')]);
    }
  });

  test('is read-only: exit code 6', async () => {
    await using world = await CliWorld.create();
    await world.dir('disk');
    await execute('mount', ['--bind', world.at('disk'), world.at('disk')]);
    try {
      await execute('mount', ['-o', 'remount,bind,ro', world.at('disk')]);
      const { code, err } = await refusal(world, cacheDir(world.at('disk', 'cache')));
      assert.equal(code, 6);
      assert.match(err, /read-only.*--cache-dir/);
    } finally {
      await execute('umount', [world.at('disk')]);
    }
  });

  test('is full: exit code 6', async () => {
    await using disk = await Ext4Image.create({ bytes: 32 * 1024 * 1024 });
    await using world = await CliWorld.create();
    await disk.fillTo(0);
    const { code, err } = await refusal(world, cacheDir(`${disk.dir}/cache`));
    assert.equal(code, 6);
    assert.match(err, /full.*--cache-dir/);
  });

  test('is a file, or lies below one: exit code 6', async () => {
    await using world = await CliWorld.create();
    await writeFile(world.at('file'), '');
    assert.equal((await refusal(world, cacheDir(world.at('file')))).code, 6);
    const below = await refusal(world, cacheDir(world.at('file', 'cache')));
    assert.match(below.err, /not a directory/);
  });

  test('would lie in the mount itself, or in another mount of ours: refused', async () => {
    await using world = await CliWorld.create();
    assert.equal((await refusal(world, cacheDir(world.at('mnt', 'cache')))).code, 2);
    await world.mount(world.at('other'));
    const below = [...world.args, '--cache-dir', world.at('other', 'cache')];
    const { err } = await world.call(['mount', 's3://bucket', world.at('mnt'), ...below]);
    assert.match(err, /lies in the mount of s3:\/\/bucket/);
    await world.call(['umount', world.at('other')]);
  });
});

describe('the mount point', () => {
  const mountAt = (world: CliWorld, dir: string): Promise<Result> =>
    world.call(['mount', 's3://bucket', dir, ...world.args]);

  test('is not there, a file, or not empty: refused with the way out', async () => {
    await using world = await CliWorld.create();
    await writeFile(world.at('file'), '');
    await mkdir(world.at('full', 'of', 'things'), { recursive: true });
    const missing = await mountAt(world, world.at('missing'));
    const file = await mountAt(world, world.at('file'));
    const full = await mountAt(world, world.at('full'));
    for (const result of [missing, file, full]) await isNothingLeft(world, result);
    assert.deepEqual([missing.code, file.code, full.code], [2, 2, 8]);
    assert.match(missing.err, /mkdir -p/);
  });

  test('has another file system: exit code 8, its name, and it stays', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('foreign');
    await execute('mount', ['-t', 'tmpfs', 'theirs', dir]);
    try {
      const { code, err } = await mountAt(world, dir);
      assert.equal(code, 8);
      assert.match(err, /theirs \(tmpfs\)/);
      assert.deepEqual(
        (await mountsAt(dir)).map(({ source }) => source),
        ['theirs'],
      );
    } finally {
      await execute('umount', [dir]);
    }
  });
});

describe('the options', () => {
  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['--block-size', '3MiB'], /power of two/],
    [['--cache-size', '4MiB'], /8 blocks/],
    [['--memory', '1MiB'], /8 blocks/],
    [['--cache-siez', '1GiB'], /did you mean --cache-size/],
  ];
  for (const [args, message] of wrong) {
    test(`${args.join(' ')} is refused with exit code 2`, async () => {
      await using world = await CliWorld.create();
      const { code, err } = await refusal(world, { args });
      assert.equal(code, 2);
      assert.match(err, message);
      assert.deepEqual(await namesIn(world.at('cache')), []);
    });
  }
});

describe('the machine', () => {
  test('lets only root mount: exit code 7', async () => {
    await using world = await CliWorld.create();
    await chmod(world.path, 0o777);
    const { code, err } = await refusal(world, {}, { uid: 65534 });
    assert.equal(code, 7);
    assert.match(err, /root/);
  });

  test('has no /dev/fuse: exit code 7', async () => {
    await using world = await CliWorld.create();
    const dir = await world.dir('mnt');
    // A /dev of its own, with what a program needs and without that.
    const script = [
      'mount -t tmpfs none /dev',
      'mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/zero c 1 5 && mknod -m 666 /dev/urandom c 1 9',
      'exec "$@"',
    ].join(' && ');
    const command = ['--mount', 'sh', '-c', script, 'sh', DLFS, 'mount', 's3://bucket', dir, ...world.args];
    const result = await call('unshare', command, { env: world.env });
    await isNothingLeft(world, result);
    assert.equal(result.code, 7);
    assert.match(result.err, /\/dev\/fuse.*modprobe fuse/);
  });
});
