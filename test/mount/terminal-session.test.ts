/**
 * A session at a terminal as a new user has it, against a running daemon: apply two datasets, look at them, warm one, break the
 * credentials and mend them, evict, pin, corrupt a block and repair it, restart, delete. And the same questions to a mount.
 */
import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { digestOf } from '../posix/content.ts';
import { Helper } from '../posix/helper.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { TempDir } from '../support/files.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { cleanEnvironment, DLFS, DlfsMount } from '../support/mount.ts';
import { until } from '../support/process.ts';

const SIZE = 300_000;
const PATIENCE_MS = 20_000;
const FILES = Object.fromEntries(
  ['photos/a/1', 'photos/a/2', 'photos/b/3', 'texts/x', 'texts/y'].map((key) => [key, SIZE]),
);

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `dlfs` against a socket. */
function dlfs(socket: string, args: readonly string[], input = ''): Promise<Said> {
  return new Promise((resolve) => {
    const env = { ...cleanEnvironment(), DLFS_SOCKET: socket };
    const child = execFile(DLFS, args, { env, timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
    child.stdin?.end(input);
  });
}

/** The same, and it must succeed. */
async function ok(socket: string, args: readonly string[], input = ''): Promise<string> {
  const { code, out, err } = await dlfs(socket, args, input);
  assert.equal(code, 0, `dlfs ${args.join(' ')}: ${out}${err}`);
  return out;
}

test('a new user applies datasets, warms, watches, breaks and mends keys, evicts, pins, verifies, repairs, deletes', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using temp = await TempDir.create('session');
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: {} });
  await using helper = new Helper();
  const say = (...args: string[]): Promise<string> => ok(daemon.socket, args);
  const keys = temp.join('credentials');
  const writeKeys = async (secret: string): Promise<void> => {
    const { AWS_ACCESS_KEY_ID: id } = origin.env;
    await writeFile(keys, `[default]\naws_access_key_id = ${id ?? ''}\naws_secret_access_key = ${secret}\n`, {
      mode: 0o600,
    });
  };
  await writeKeys(origin.env['AWS_SECRET_ACCESS_KEY'] ?? '');

  assert.equal((await say('get')).trim(), 'no datasets');
  const photos = origin.manifest('photos') as { spec: { source: { s3: Record<string, unknown> } } };
  photos.spec.source.s3['credentials'] = { file: keys };
  const file = temp.join('datasets.yaml');
  await writeFile(
    file,
    `${JSON.stringify(photos)}\n---\n${JSON.stringify(origin.manifest('team/texts', {}, 'texts'))}\n`,
  );
  assert.match(await say('apply', '-f', file, '--dry-run'), /^photos created \(dry run\)\nteam\/texts created/);
  assert.equal(await say('apply', '-f', file), 'photos created\nteam/texts created\n');
  assert.match(await say('apply', '-f', file), /^photos unchanged\nteam\/texts unchanged/);
  await until(async () => /photos +Ready .*\n.*texts +Ready/.test(await say('get')), PATIENCE_MS, 'both are ready');

  // What is shown applies again unchanged, and a mistake is named with its line.
  const shown = await say('get', '-o', 'yaml');
  assert.equal(parseAllDocuments(shown).length, 2);
  assert.match(await ok(daemon.socket, ['apply', '-f', '-'], shown), /unchanged\n.*unchanged/);
  const wrong = await dlfs(daemon.socket, ['apply', '-f', '-'], shown.replace('bucket:', 'buckte:'));
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^dlfs: .*-:\d+:\d+: .*bucket/);
  assert.match(await say('describe', 'photos'), /Ready +True[\s\S]*Recent errors: none/);
  assert.match(await say('get', 'texts', '-n', 'team', '-o', 'wide'), /team\/texts +Ready/);

  // Warm, and read without a request.
  assert.match(await say('warm', 'photos', 'a/**'), /^2 files of 586 KiB: 0 B were cached, 586 KiB fetched/);
  const gets = (): number => origin.requests.filter(({ kind }) => kind === 'get').length;
  const before = gets();
  const read = async (path: string): Promise<string> => (await helper.call('digest', daemon.dirOf(path)))[0];
  assert.equal(await read('photos/a/1'), digestOf(origin.contentOf('photos/a/1', SIZE)));
  assert.equal(gets(), before);
  assert.match(await say('ls', 'photos', 'a', '-l'), /293 KiB +100% .*a\/1\n/);
  const stats = JSON.parse(await say('stats', 'photos', '-o', 'json')) as {
    cache: { files: number };
    reads: { hitRequests: number };
  };
  assert.equal(stats.cache.files, 2);
  assert.ok(stats.reads.hitRequests > 0);
  assert.match(await say('stats'), /2 datasets {2}2 Ready/);
  assert.match(await say('logs', '--lines', '50'), /serving|mounted/);
  const none = await dlfs(daemon.socket, ['warm', 'photos', 'nothing/**']);
  assert.notEqual(none.code, 0);
  assert.match(none.err, /^dlfs: .*nothing/);

  // Broken keys are an error with a name; mended keys need no restart.
  await writeKeys('wrong');
  origin.put('photos/new', SIZE);
  const refused = await dlfs(daemon.socket, ['refresh', 'photos']);
  if (refused.code !== 0) assert.match(refused.err, /^dlfs: .*key/i);
  await writeKeys(origin.env['AWS_SECRET_ACCESS_KEY'] ?? '');
  await until(
    async () => (await dlfs(daemon.socket, ['refresh', 'photos'])).code === 0,
    PATIENCE_MS * 4,
    'the mended keys are used',
  );
  assert.match(await say('ls', 'photos'), /new/);

  // Pins stay, the rest goes.
  assert.match(await say('pin', 'photos', 'a/1'), /1 files/);
  assert.match(await say('pin', 'photos'), /a\/1 +1 +293 KiB +100%/);
  assert.match(await say('evict', 'photos', '--all'), /1 files evicted[\s\S]*1 pinned files stay/);
  assert.match(await say('unpin', 'photos', '--all'), /^1 pins/);

  // A damaged block is found, and repaired.
  const view = JSON.parse(await say('get', 'photos', '-o', 'json')) as { status: { generation: { id: string } } };
  const cache = CacheFiles.of(`${daemon.cache}/${view.status.generation.id}`);
  const [file0] = await cache.files();
  assert.ok(file0 !== undefined);
  await cache.flip(file0.ino, 100);
  const found = await dlfs(daemon.socket, ['verify', 'photos']);
  assert.equal(found.code, 6, found.out + found.err);
  assert.match(found.out, /1 blocks are damaged/);
  assert.match(await say('verify', 'photos', '--repair'), /nothing is damaged|fetched again/);
  assert.equal(await read('photos/a/1'), digestOf(origin.contentOf('photos/a/1', SIZE)));

  // A restart picks everything up.
  await daemon.terminate();
  const away = await dlfs(daemon.socket, ['get']);
  assert.equal(away.code, 7);
  assert.match(away.err, /^dlfs: no daemon/);
  await daemon.startAgain();
  assert.match(await say('get'), /photos +Ready/);
  assert.equal(await read('team/texts/x'), digestOf(origin.contentOf('texts/x', SIZE)));

  assert.match(await say('delete', 'team/texts'), /^team\/texts deleted/);
  assert.doesNotMatch(await say('get'), /texts/);
  assert.equal((await dlfs(daemon.socket, ['delete', 'nobody'])).code, 4);
});

test('a mount of dlfs mount answers the same questions', async () => {
  await using origin = await ManyOrigin.start({ 'm/a/1': SIZE, 'm/a/2': SIZE });
  await using temp = await TempDir.create('asked');
  for (const dir of ['m', 'cache']) await mkdir(temp.join(dir));
  await using mount = await DlfsMount.start({
    source: 's3://node/m',
    dir: temp.join('m'),
    args: ['--cache-dir', temp.join('cache'), '--endpoint', origin.url, '--path-style'],
    env: origin.env,
  });
  const say = (...args: string[]): Promise<string> => ok('', args);
  assert.match(await say('get', mount.dir), new RegExp(`Ready +${mount.dir} `));
  const manifest = parse(await say('get', mount.dir, '-o', 'yaml')) as { kind: string };
  assert.equal(manifest.kind, 'Dataset');
  assert.match(await say('warm', mount.dir), /2 files/);
  assert.match(await say('stats', mount.dir), /cached .*2 files/);
  assert.match(await say('ls', mount.dir, '-l'), /a\//);
  const refused = await dlfs('', ['delete', mount.dir]);
  assert.match(refused.err, /^dlfs: .*dlfs umount/);
});

test('completion offers commands, options, shells and datasets', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: { 'p.json': origin.manifest('photos') } });
  await using temp = await TempDir.create('completion');
  await mkdir(temp.join('x'));
  const offered = async (...words: string[]): Promise<string[]> =>
    (await ok(daemon.socket, ['complete', '--', ...words])).split('\n').filter(Boolean);
  assert.deepEqual(await offered('des'), ['describe']);
  assert.deepEqual(await offered('describe', 'ph'), ['photos']);
  assert.deepEqual(await offered('get', '-o', ''), ['table', 'wide', 'json', 'yaml']);
  assert.ok((await offered('mount', '--cache-s')).includes('--cache-size'));
  assert.deepEqual(await offered('completion', 'f'), ['fish']);
  assert.match(await ok(daemon.socket, ['completion', 'bash']), /complete -F _dlfs dlfs/);
  assert.match(await readFile(`/proc/${daemon.pid}/cmdline`, 'latin1'), /daemon/);
});
