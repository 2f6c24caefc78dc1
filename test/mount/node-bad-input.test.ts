/**
 * What people and programs do wrong with a node's daemon: each is refused in one line that says the way out, and the rest keeps serving.
 */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ApiClient } from '../../src/daemon/api/client/api-client.ts';
import { digestOf } from '../posix/content.ts';
import { execute } from '../posix/execute.ts';
import { Helper } from '../posix/helper.ts';
import { O } from '../posix/linux.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { TempDir } from '../support/files.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { cleanEnvironment, DLFS } from '../support/mount.ts';
import { until } from '../support/process.ts';

const MIB = 1024 * 1024;
const PATIENCE_MS = 20_000;
const SIZE = 300_000;
const FILES = { 'a/file': SIZE, 'a/sub/file': 10, 'b/file': SIZE, 'b/large': 12 * MIB };

/** What a command ended with. */
async function run(socket: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(DLFS, [...args, '--socket', socket], {
    env: cleanEnvironment({}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number | null];
  return { code, out, err };
}

/** Folders of caches. */
async function caches(daemon: DlfsDaemon): Promise<string[]> {
  return (await readdir(daemon.cache)).filter((name) => /^[0-9a-f]{16}$/.test(name));
}

async function serves(origin: ManyOrigin, daemon: DlfsDaemon, helper: Helper, dataset: string): Promise<void> {
  const [digest] = await helper.call('digest', `${daemon.dirOf(dataset)}/file`);
  assert.equal(digest, digestOf(origin.contentOf(`${dataset}/file`, SIZE)));
}

test('a dataset in use is not deleted, and who uses it is named; by force it goes, what is open reads on, and the cache goes, too', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: { 'b.json': origin.manifest('b') } });
  await using helper = new Helper();
  const api = new ApiClient(daemon.socket);
  const apply = async (): Promise<void> => {
    await api.call('apply', { query: {}, body: origin.manifest('a') as Record<string, unknown> });
    await until(async () => (await daemon.mounts()).has(daemon.dirOf('a')), PATIENCE_MS, 'a is mounted');
  };
  await apply();
  const file = `${daemon.dirOf('a')}/file`;
  await helper.with(file, O.O_RDONLY, async (fd) => {
    const refused = await run(daemon.socket, 'delete', 'a');
    assert.equal(refused.code, 8, refused.err);
    assert.match(refused.err, /^dlfs: [^\n]*in use by python3\[\d+\] \(open file [^\n]*file\)[^\n]*--force[^\n]*\n$/);
    await serves(origin, daemon, helper, 'a');
    const forced = await run(daemon.socket, 'delete', 'a', '--force');
    assert.equal(forced.code, 0, forced.err);
    assert.ok(!(await helper.call('listdir', daemon.root)).includes('a'));
    const bytes = await helper.call('pread', fd, 100, SIZE - 100);
    assert.deepEqual(bytes, origin.contentOf('a/file', SIZE).read(SIZE - 100, 100), 'what is open reads on');
  });
  await until(async () => (await caches(daemon)).length === 1, PATIENCE_MS, 'its cache goes with its last user');

  await apply();
  // A mount over one of its directories is a use that no process's descriptors show.
  const other = `${daemon.dirOf('a')}/sub`;
  await execute('mount', ['-t', 'tmpfs', 'tmpfs', other]);
  try {
    const refused = await run(daemon.socket, 'delete', 'a');
    assert.equal(refused.code, 8, refused.err);
    assert.match(refused.err, /in use by a process or another mount that is not seen here/);
  } finally {
    await execute('umount', [other]);
  }
  await serves(origin, daemon, helper, 'a');
  const kept = await run(daemon.socket, 'delete', 'a', '--keep-cache');
  assert.equal(kept.code, 0, kept.err);
  assert.equal((await caches(daemon)).length, 2, 'its cache stays');
  await serves(origin, daemon, helper, 'b');
  const before = origin.requests.filter(({ kind, key }) => kind === 'get' && key.startsWith('a/')).length;
  await apply();
  await serves(origin, daemon, helper, 'a');
  const after = origin.requests.filter(({ kind, key }) => kind === 'get' && key.startsWith('a/')).length;
  assert.equal(after, before, 'and is taken up again');
});

test('of two daemons that start at once on one socket one serves, and the other ends with an error that names it', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using temp = await TempDir.create('socket');
  const socket = temp.join('one.sock');
  const args = ['--socket', socket];
  const both = await Promise.allSettled([
    DlfsDaemon.start({ env: origin.env, args, manifests: { 'a.json': origin.manifest('a') } }),
    DlfsDaemon.start({ env: origin.env, args, manifests: { 'b.json': origin.manifest('b') } }),
  ]);
  await using stack = new AsyncDisposableStack();
  for (const one of both) if (one.status === 'fulfilled') stack.use(one.value);
  const lost = both.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
  assert.equal(lost.length, 1, lost.join('\n'));
  assert.match(lost[0] ?? '', /another process serves .*one\.sock: end it, or choose another path with --socket/);
  assert.match(lost[0] ?? '', /ended with 2/);
  const { datasets } = await new ApiClient(socket).call('listDatasets', {});
  assert.equal(datasets.length, 1, 'the other one answers');
});

test('manifests that are half, huge, or there twice, and names that would leave the root, concern nobody else', async () => {
  await using origin = await ManyOrigin.start(FILES);
  await using daemon = await DlfsDaemon.start({ env: origin.env, manifests: { 'b.json': origin.manifest('b') } });
  await using helper = new Helper();
  const write = (file: string, content: string): Promise<void> => writeFile(join(daemon.config, file), content);
  const manifest = JSON.stringify(origin.manifest('a'));
  await write('half.json', manifest.slice(0, manifest.length / 2));
  await write('huge.json', `${manifest}${' '.repeat(8 * MIB)}`);
  await write('twice.json', JSON.stringify(origin.manifest('b', {}, 'a')));
  await write('out.json', manifest.replace('"name":"a"', '"name":"../../escape"'));
  await mkdir(join(daemon.config, 'folder.json'));
  for (const file of ['half', 'huge', 'twice', 'out']) await daemon.logged(new RegExp(`${file}\\.json`));
  await serves(origin, daemon, helper, 'b');
  assert.deepEqual(await helper.call('listdir', daemon.root), ['b']);
  // What the source of one refuses is named by the manifest's field, not by an option of another command.
  const trusting = origin.manifest('c') as { spec: { source: { s3: Record<string, unknown> } } };
  trusting.spec.source.s3['endpoint'] = origin.url.replace('http:', 'https:');
  trusting.spec.source.s3['caFile'] = '/nonexistent/ca.pem';
  await write('c.json', JSON.stringify(trusting));
  const line = await daemon.logged(/nonexistent\/ca\.pem/);
  assert.match(line, /spec\.source\.s3\.caFile: /);
  assert.doesNotMatch(line, /--ca-file/);
  // The half that was missing comes: it is a dataset like any other.
  await write('half.json', manifest);
  await until(async () => (await daemon.mounts()).has(daemon.dirOf('a')), PATIENCE_MS, 'a is mounted');
  await serves(origin, daemon, helper, 'a');
});

test('globs that match nothing, pins over the quota, and hostile bodies are refused with their exit codes; the daemon serves on', async () => {
  await using origin = await ManyOrigin.start(FILES);
  const quota = { cache: { quota: { bytes: '8MiB' } } };
  await using daemon = await DlfsDaemon.start({
    env: origin.env,
    args: ['--cache-floor', '1MiB'],
    manifests: { 'b.json': origin.manifest('b', quota) },
  });
  await using helper = new Helper();
  for (const command of ['warm', 'evict', 'pin']) {
    const none = await run(daemon.socket, command, 'b', 'no/*.such');
    assert.equal(none.code, 4, none.err);
    assert.match(none.err, /^dlfs: [^\n]*no\/\*\.such[^\n]*\n$/);
  }
  const large = await run(daemon.socket, 'pin', 'b', 'large');
  assert.equal(large.code, 6, large.err);
  assert.match(large.err, /^dlfs: [^\n]*12\.0 MiB in 1 files[^\n]*8\.00 MiB[^\n]*\n$/);
  assert.deepEqual(
    (await new ApiClient(daemon.socket).call('listPins', { params: { namespace: '-', name: 'b' } })).pins,
    [],
  );
  const outside = await run(daemon.socket, 'warm', 'b', '../a');
  assert.equal(outside.code, 2, outside.err);

  const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  for (const [method, path, body] of [
    ['PUT', '/v1/datasets', deep],
    ['PUT', '/v1/datasets', '{"__proto__":{"kind":"Dataset"}}'],
    ['PUT', '/v1/datasets', JSON.stringify(origin.manifest('b')).replace('"name":"b"', '"name":"../b"')],
    ['POST', '/v1/datasets/-/b/warm', `{"globs":[${'"**/*{a,b}",'.repeat(2000)}"x"],"bandwidth":null}`],
    ['POST', '/v1/datasets/-/b/warm', '{"globs":["{{{{{{a,b},c},d},e},f},g}{1..100000}"],"bandwidth":1e400}'],
    ['DELETE', '/v1/datasets/..%2f..%2f/b', ''],
    ['GET', `/v1/datasets/-/b/files?path=${'../'.repeat(500)}etc`, ''],
    ['BREW', '/v1/stats', ''],
  ] as const) {
    const answer = await raw(
      daemon.socket,
      `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, `${method} ${path.slice(0, 60)}: ${answer.slice(0, 300)}`);
  }
  assert.match(await raw(daemon.socket, 'not http at all\r\n\r\n'), /^(?:HTTP\/1\.1 4\d\d |$)/);
  await serves(origin, daemon, helper, 'b');
  const { out } = await run(daemon.socket, 'get');
  assert.match(out, /b +Ready/);
});

/** Sends bytes as they are, and gives back what is answered until the end. */
async function raw(socket: string, bytes: string): Promise<string> {
  const connection = connect(socket);
  connection.on('error', () => undefined); // it may hang up before all is sent
  connection.end(bytes);
  let answer = '';
  connection.setEncoding('utf8').on('data', (piece: string) => (answer += piece));
  await once(connection, 'close');
  return answer;
}
