import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { TempDir } from '../../support/files.ts';
import { cleanEnvironment, DLFS } from '../../support/mount.ts';

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function call(args: readonly string[], program = DLFS): Promise<Result> {
  return new Promise((resolve) => {
    execFile(program, args, { env: cleanEnvironment() }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}

describe('the command line', () => {
  const wrong: readonly (readonly [words: string, message: RegExp])[] = [
    ['', /^dlfs: a command is missing; see: dlfs --help$/],
    ['cache', /^dlfs: a command is missing; see: dlfs cache --help$/],
    ['mout', /^dlfs: unknown command 'mout'; did you mean mount\?$/],
    ['mount --cach-size 1GiB s3://b /m', /^dlfs: unknown option '--cach-size'; did you mean --cache-size\?$/],
    ['mount --secret x s3://b /m', /^dlfs: unknown option '--secret'/],
    ['mount s3://b', /^dlfs: missing required argument 'dir'$/],
    ['mount s3://b /m /n', /^dlfs: too many arguments for 'mount'/],
    ['mount s3://b /m --cache-dir', /^dlfs: option '--cache-dir <DIR>' argument missing$/],
    ['mount b /m', /^dlfs: not a source: "b"/],
    [
      'mount s3://b /nonexistent/m',
      /^dlfs: there is no directory \/nonexistent\/m; make it: mkdir -p \/nonexistent\/m$/,
    ],
    ['umount', /^dlfs: missing required argument 'dir'$/],
    [
      'cache ls -o xml',
      /^dlfs: option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are table, json.$/,
    ],
    ['cache rm', /^dlfs: write which caches to remove/],
    ['doctor --profile p', /^dlfs: --profile is of no use without a source/],
  ];
  for (const [words, message] of wrong) {
    test(`refuses "dlfs ${words}" in one line with exit code 2`, async () => {
      const { code, out, err } = await call(words.split(' ').filter((word) => word !== ''));
      assert.match(err.trimEnd(), message);
      assert.deepEqual([code, out, err.split('\n').length], [2, '', 2]);
    });
  }

  test('shows an example with the help of each command', async () => {
    const commands = [[], ['mount'], ['umount'], ['cache', 'ls'], ['cache', 'rm'], ['doctor'], ['version']];
    for (const command of commands) {
      const { code, out, err } = await call([...command, '--help']);
      assert.match(out, new RegExp(`Example:\\n  dlfs ${command.join(' ')}`));
      assert.deepEqual([code, err], [0, '']);
    }
  });

  test('says its version', async () => {
    assert.match((await call(['version'])).out, /^dlfs \d+\.\d+\.\d+ \(Node\.js \d+/);
    assert.match((await call(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
  });

  test('works through links, from anywhere', async () => {
    await using temp = await TempDir.create('link');
    await mkdir(temp.join('bin'));
    await symlink(DLFS, temp.join('bin', 'one'));
    await symlink('one', temp.join('bin', 'two'));
    assert.match((await call(['version'], temp.join('bin', 'two'))).out, /^dlfs /);
  });

  test('names what is mounted nowhere', async () => {
    await using temp = await TempDir.create('umount');
    for (const dir of [temp.path, temp.join('missing'), '/proc']) {
      const { code, err } = await call(['umount', dir]);
      assert.equal(code, 8);
      assert.match(err, /^dlfs: [^\n]+\n$/);
    }
  });

  test('lists and removes caches', async () => {
    await using temp = await TempDir.create('caches');
    assert.equal((await call(['cache', 'ls', '--cache-dir', temp.path])).out, `no caches in ${temp.path}\n`);
    assert.equal((await call(['cache', 'ls', '-o', 'json', '--cache-dir', temp.path])).out, '[]\n');
    assert.equal((await call(['cache', 'rm', '--all', '--cache-dir', temp.path])).code, 0);
    assert.equal((await call(['cache', 'rm', 'x', '--cache-dir', temp.path])).code, 4);
  });

  test('examines the machine as lines for programs and as JSON', async () => {
    await using temp = await TempDir.create('doctor');
    // Other tests' mounts come and go between the two calls; everything else is asked about in each.
    const { out } = await call(['doctor', '--cache-dir', temp.path]);
    const lines = out.trimEnd().split('\n');
    for (const line of lines) assert.match(line, /^(?:ok|warn|fail)\t[^\t]+\t[^\t]+$/);
    const findings = JSON.parse((await call(['doctor', '-o', 'json', '--cache-dir', temp.path])).out) as {
      name: string;
    }[];
    const apart = (names: readonly (string | undefined)[]) => names.filter((name) => name !== 'mount');
    const named = apart(findings.map(({ name }) => name));
    assert.ok(named.length > 5);
    assert.deepEqual(apart(lines.map((line) => line.split('\t')[1])), named);
  });

  test('of the doctor ends with the exit code of the first failure', async () => {
    await using temp = await TempDir.create('doctor');
    await writeFile(temp.join('file'), '');
    assert.equal((await call(['doctor', '--cache-dir', temp.join('file')])).code, 6);
  });
});

describe('the helper of mount(8)', () => {
  const HELPER = DLFS.replace(/dlfs$/, 'mount.dlfs');

  test('has the exit codes of mount(8), and mounts nothing with -f', async () => {
    await using temp = await TempDir.create('helper');
    const unknown = await call(['s3://b', temp.path, '-o', 'rw,nope=1'], HELPER);
    assert.deepEqual(
      [unknown.code, unknown.err],
      [1, 'mount.dlfs: -o nope is not an option of dlfs; see: dlfs mount --help\n'],
    );
    assert.equal((await call(['s3://b', temp.path, '-o', 'block_size=3'], HELPER)).code, 1);
    assert.equal((await call(['s3://b', temp.join('missing'), '-o', 'rw,_netdev'], HELPER)).code, 32);
    assert.deepEqual(await call(['s3://b', temp.path, '-fsvo', 'rw,nope=1,nofail'], HELPER), {
      code: 0,
      out: 'mount.dlfs: ignored: nope\n',
      err: '',
    });
  });
});
