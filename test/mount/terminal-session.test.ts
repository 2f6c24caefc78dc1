/**
 * A session at a terminal as a new user has it, against a running daemon: apply two datasets, look at them, warm one, watch, break the
 * credentials and mend them, pin, evict, verify, corrupt a block and repair it, restart under load, delete. And the same questions to a mount.
 */
import { strict as assert } from 'node:assert';
import { statSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { digestOf, type Content } from '../posix/content.ts';
import { execute } from '../posix/execute.ts';
import { Helper } from '../posix/helper.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { TempDir } from '../support/files.ts';
import { LoopingReader } from '../support/looping-reader.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { cleanEnvironment, DLFS, DlfsMount } from '../support/mount.ts';
import { until } from '../support/process.ts';

const SIZE = 300_000;
const TERMINAL = fileURLToPath(new URL('../support/terminal.py', import.meta.url));
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

/** The same on a terminal. @param times how often `pattern` is shown until q is typed. @returns all that the terminal got */
async function onTerminal(
  socket: string,
  columns: number,
  rows: number,
  pattern: string,
  times: number,
  args: readonly string[],
): Promise<string> {
  const env = { ...cleanEnvironment(), DLFS_SOCKET: socket };
  const size = [String(columns), String(rows)];
  const { stdout } = await execute('python3', [TERMINAL, ...size, pattern, String(times), 'q', DLFS, ...args], { env });
  return stdout.toString();
}

/** The first bytes, as a looping reader names them. */
function digestStart(content: Content): string {
  return content.read(0, 16).toString('hex');
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
  const list = await say('get', '-o', 'json');
  assert.equal((JSON.parse(list) as { kind: string }).kind, 'List');
  assert.match(await ok(daemon.socket, ['apply', '-f', '-'], list), /^photos unchanged\nteam\/texts unchanged\n$/);
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

  // A namespace's directory is for every user to pass; what is in a dataset is for its modes to say.
  assert.equal(statSync(`${daemon.root}/team`).mode & 0o777, 0o755);

  // The live screen: drawn again and again, whole lines of the terminal's width, until q; then all is as it was.
  const screen = await onTerminal(daemon.socket, 80, 24, 'ORIGIN', 3, ['stats', '--watch', '--every', '100ms']);
  assert.match(stripVTControlCharacters(screen), /photos +Ready.*\s+team\/texts +Ready/);
  assert.ok(screen.trimEnd().endsWith('\u001b[?1049l'), JSON.stringify(screen.slice(-60)));
  // A job with a bar, on a terminal.
  const bar = await onTerminal(daemon.socket, 80, 24, 'never typed', 1, ['warm', 'team/texts']);
  assert.match(bar, /warm \[[= ]+\]/);
  assert.match(bar, /2 files of 586 KiB/);

  // Broken keys are an error with a name: the origin takes the old ones back, the file has wrong ones. What is cached is read on.
  await writeKeys('wrong');
  origin.put('photos/new', SIZE);
  const refused = async (): Promise<void> => {
    const { code, err } = await dlfs(daemon.socket, ['refresh', 'photos']);
    assert.equal(code, 3, err);
    assert.match(err, /^dlfs: [^\n]*key[^\n]*\n$/i);
  };
  {
    using revoked = origin.faults.inject({}, { type: 'error', status: 403, code: 'InvalidAccessKeyId' });
    await refused();
    assert.ok(revoked.hits > 0);
  }
  await refused();
  assert.match(await say('describe', 'photos'), /Recent errors:\n[\s\S]*does not accept the keys/);
  assert.equal(await read('photos/a/2'), digestOf(origin.contentOf('photos/a/2', SIZE)));
  // What the old keys had begun may still be answered in between: the last answer is what counts.
  await until(
    async () => {
      await refused();
      return /photos +Degraded .*\n.*texts +Ready/.test(await say('get'));
    },
    PATIENCE_MS * 4,
    'its state says that something is wrong, and the other one is well',
  );

  // Mended keys need no restart.
  await writeKeys(origin.env['AWS_SECRET_ACCESS_KEY'] ?? '');
  await until(
    async () => (await dlfs(daemon.socket, ['refresh', 'photos'])).code === 0,
    PATIENCE_MS * 4,
    'the mended keys are used',
  );
  assert.match(await say('ls', 'photos'), /new/);
  await until(async () => /photos +Ready/.test(await say('get')), PATIENCE_MS, 'it is ready again');

  // Pins stay, the rest goes.
  assert.match(await say('pin', 'photos', 'a/1'), /1 files/);
  assert.match(await say('pin', 'photos'), /a\/1 +1 +293 KiB +100%/);
  assert.match(await say('evict', 'photos', '--all'), /1 files evicted[\s\S]*1 pinned files stay/);
  assert.match(await say('unpin', 'photos', '--all'), /^1 pins/);

  // Nothing is damaged; then a block is: it is found, among all datasets, too, and repaired.
  assert.match(await say('verify', 'photos'), /nothing is damaged/);
  const view = JSON.parse(await say('get', 'photos', '-o', 'json')) as { status: { generation: { id: string } } };
  const cache = CacheFiles.of(`${daemon.cache}/${view.status.generation.id}`);
  const [file0] = await cache.files();
  assert.ok(file0 !== undefined);
  await cache.flip(file0.ino, 100);
  const all = await dlfs(daemon.socket, ['verify', '-o', 'json']);
  assert.equal(all.code, 6, all.out + all.err);
  assert.deepEqual(
    (JSON.parse(all.out) as { dataset: string; job: { report: { damaged: { blocks: number } } } }[]).map(
      ({ dataset, job }) => [dataset, job.report.damaged.blocks],
    ),
    [
      ['photos', 1],
      ['team/texts', 0],
    ],
  );
  // What was found damaged is dropped: it is fetched again, and damaged again.
  await say('warm', 'photos', 'a/1');
  await cache.flip(file0.ino, 100);
  const found = await dlfs(daemon.socket, ['verify', 'photos']);
  assert.equal(found.code, 6, found.out + found.err);
  assert.match(found.out, /1 blocks are damaged/);
  await say('warm', 'photos', 'a/1');
  await cache.flip(file0.ino, 100);
  assert.match(await say('verify', 'photos', '--repair'), /1 blocks are damaged.*\n1 blocks fetched again/);
  assert.equal(await read('photos/a/1'), digestOf(origin.contentOf('photos/a/1', SIZE)));

  // A restart under load picks everything up: who loops over the directory goes on, and never read a wrong byte.
  await using reader = await LoopingReader.start(daemon.dirOf('photos/a'), '1');
  await daemon.terminate();
  const away = await dlfs(daemon.socket, ['get']);
  assert.equal(away.code, 7);
  assert.match(away.err, /^dlfs: no daemon/);
  await daemon.startAgain();
  assert.match(await say('get'), /photos +Ready/);
  await using after = await LoopingReader.start(daemon.dirOf('photos/a'), '1');
  const begins = digestStart(origin.contentOf('photos/a/1', SIZE));
  assert.deepEqual(Object.keys((await reader.end()).contents), [begins]);
  const { rounds, contents, errors, empty } = await after.end();
  assert.deepEqual([contents, errors, empty], [{ [begins]: rounds }, {}, 0]);
  assert.equal(await read('team/texts/x'), digestOf(origin.contentOf('texts/x', SIZE)));

  assert.match(await say('delete', 'team/texts'), /^team\/texts deleted/);
  assert.doesNotMatch(await say('get'), /texts/);
  assert.equal((await dlfs(daemon.socket, ['delete', 'nobody'])).code, 4);
});

test('verify looks at all datasets although one cannot be verified, and its exit code tells of it', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    manifests: { 'b.json': origin.manifest('photos'), 'c.json': origin.manifest('texts') },
  });
  // A directory that is not empty is in the way of the first.
  await mkdir(daemon.dirOf('broken/occupied'), { recursive: true });
  await daemon.write('a.json', origin.manifest('broken', {}, 'photos'));
  await until(
    async () => /broken +Failed/.test(await ok(daemon.socket, ['get'])),
    PATIENCE_MS,
    'one dataset is not served',
  );
  await ok(daemon.socket, ['warm', 'photos']);
  const { code, out, err } = await dlfs(daemon.socket, ['verify']);
  assert.match(out, /^broken:\nphotos:\n3 blocks of 3 files[\s\S]*nothing is damaged\ntexts:\n/);
  assert.match(err, /^dlfs: broken: [^\n]+\n$/);
  const document = await dlfs(daemon.socket, ['verify', '-o', 'json']);
  const all = JSON.parse(document.out) as { dataset: string; job: object | null; error: object | null }[];
  assert.deepEqual(
    all.map(({ dataset, job, error }) => [dataset, job !== null, error !== null]),
    [
      ['broken', false, true],
      ['photos', true, false],
      ['texts', true, false],
    ],
  );
  assert.notEqual(code, 0);
  assert.equal(document.code, code);
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
