/**
 * Programs: what people run over a directory, with the answers that they give over a local disk.
 */
import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { COMMITS, committed, DATABASE, DATABASE_ROWS, gitEnvironment, REPOSITORY } from '../assets.ts';
import { digestOf } from '../content.ts';
import { execute, type Executed } from '../execute.ts';
import { DEEP, EMPTY_DIR, NAMES, SCRIPT, SMALL, WIDE } from '../standard-tree.ts';
import { at, type Rows, type Target } from '../target.ts';
import type { Tree } from '../tree.ts';
import type { ManifestLine } from '../calls.ts';

const byPath = ([a]: ManifestLine, [b]: ManifestLine): number => (a < b ? -1 : a > b ? 1 : 0);

/** What a copy of the tree below `dir` must hold, sorted by path. */
function manifestOf(tree: Tree, dir = ''): ManifestLine[] {
  const prefix = dir === '' ? '' : `${dir}/`;
  const lines: ManifestLine[] = [];
  for (const path of tree.dirs.keys()) {
    if (path !== dir && path.startsWith(prefix)) lines.push([path.slice(prefix.length), 'dir', 0, '']);
  }
  for (const { path, content } of tree.files.values()) {
    if (path.startsWith(prefix)) lines.push([path.slice(prefix.length), 'file', content.size, digestOf(content)]);
  }
  return lines.sort(byPath);
}

async function sameTree(t: Target, copy: string, dir = ''): Promise<void> {
  const found = await t.helper.call('manifest', copy);
  assert.deepEqual(found.sort(byPath), manifestOf(t.tree, dir));
}

/** Programs speak the C locale: their output must not depend on the machine's. */
function run(program: string, args: readonly string[], how: { cwd?: string; input?: Buffer } = {}): Promise<Executed> {
  return execute(program, args, { ...how, env: { ...process.env, LC_ALL: 'C.UTF-8' } });
}

async function git(t: Target, ...args: string[]): Promise<string> {
  const home = await t.scratch();
  // A repository that belongs to somebody else is read only where its owner is named as safe.
  await writeFile(join(home, 'config'), '[safe]\n\tdirectory = *\n');
  const env = { ...gitEnvironment(home), GIT_CONFIG_GLOBAL: join(home, 'config') };
  return (await execute('git', args, { env })).stdout.toString();
}

/** See the file's header. */
export const programs: Rows = {
  'every byte of every file is there, walked as one tree': async (t) => {
    await sameTree(t, t.dir);
  },
  'ls shows each name, with -l and -R too': async (t) => {
    const { stdout } = await run('ls', ['-f', '-1', at(t, WIDE)]);
    assert.deepEqual(stdout.toString().trimEnd().split('\n').sort(), ['.', '..', ...t.tree.names(WIDE)].sort());
    for (const args of [
      ['-la', at(t, 'names')],
      ['-laR', at(t, 'order')],
      ['-lai', at(t, SMALL)],
    ]) {
      const { stderr } = await run('ls', args);
      assert.equal(stderr, '');
    }
  },
  'find sees every path with its type, size and time': async (t) => {
    const { stdout } = await run('find', [t.dir, '-mindepth', '1', '-printf', '%P\\0%y\\0%s\\0%T@\\0']);
    const fields = stdout.toString().split('\0');
    const found = new Map<string, string>();
    for (let i = 0; i + 3 < fields.length; i += 4) {
      const [path = '', type = '', size = '', time = ''] = fields.slice(i, i + 4);
      found.set(path, type === 'f' ? `f ${size} ${time}` : type);
    }
    const expected = new Map<string, string>();
    for (const path of t.tree.dirs.keys()) if (path !== '') expected.set(path, 'd');
    for (const { path, content, mtimeMs } of t.tree.files.values()) {
      expected.set(path, `f ${String(content.size)} ${String(mtimeMs / 1000)}.0000000000`);
    }
    assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()));
  },
  'find goes down into directories whatever their link count': async (t) => {
    const { stdout } = await run('find', [at(t, 'd0'), '-name', 'leaf', '-printf', '%P']);
    assert.equal(`d0/${stdout.toString()}`, `${DEEP}/leaf`);
    assert.equal(
      (await run('find', [at(t, EMPTY_DIR), '-empty', '-type', 'd', '-printf', 'x'])).stdout.toString(),
      'x',
    );
  },
  'cp -r copies the tree': async (t) => {
    const copy = join(await t.scratch(), 'copy');
    await run('cp', ['-r', '--no-preserve=mode', t.dir, copy]);
    await sameTree(t, copy);
  },
  'cp --sparse=always and --reflink=auto copy the bytes': async (t) => {
    const scratch = await t.scratch();
    await run('cp', [
      '-r',
      '--no-preserve=mode',
      '--sparse=always',
      '--reflink=auto',
      at(t, 'sizes'),
      join(scratch, 'sizes'),
    ]);
    await sameTree(t, join(scratch, 'sizes'), 'sizes');
  },
  'tar -S packs every byte: no file looks sparse that is not': async (t) => {
    const copy = join(await t.scratch(), 'copy');
    await mkdir(copy);
    const archive = `${copy}.tar`;
    await run('tar', ['-S', '-c', '-f', archive, '-C', t.dir, '.']);
    await run('tar', ['-x', '-f', archive, '-C', copy, '--no-same-owner', '--mode=u+rwX', '--no-same-permissions']);
    await sameTree(t, copy);
  },
  'rsync copies the tree, and then finds nothing more to copy': async (t) => {
    const copy = join(await t.scratch(), 'copy');
    await run('rsync', ['-rt', '--checksum', `${t.dir}/`, `${copy}/`]);
    await sameTree(t, copy);
    const { stdout } = await run('rsync', ['-rtn', '--itemize-changes', '--omit-dir-times', `${t.dir}/`, `${copy}/`]);
    assert.equal(stdout.toString(), '');
  },
  'du --apparent-size counts the bytes of the files': async (t) => {
    const { stdout } = await run('find', [t.dir, '-type', 'f', '-print0']);
    const result = await run('du', ['-b', '-c', '--files0-from=-'], { input: stdout });
    const total = [...t.tree.files.values()].reduce((sum, { content }) => sum + content.size, 0);
    assert.equal(result.stdout.toString().trimEnd().split('\n').at(-1), `${String(total)}\ttotal`);
  },
  'df and stat -f show the mount': async (t) => {
    assert.match((await run('df', ['-P', t.dir])).stdout.toString(), /\n.*\d+%?/);
    await run('df', ['-i', '-P', t.dir]);
    assert.match((await run('stat', ['-f', '-c', '%l', t.dir])).stdout.toString(), /^255\n$/);
  },
  'sha256sum, cat, head, tail, wc and cmp read what is there': async (t) => {
    const path = `${SMALL}/2/6.jpg`;
    const { content } = t.tree.file(path);
    assert.match((await run('sha256sum', [at(t, path)])).stdout.toString(), new RegExp(`^${digestOf(content)} `));
    assert.deepEqual((await run('cat', [at(t, path)])).stdout, content.read(0, content.size));
    assert.deepEqual((await run('head', ['-c', '1000', at(t, path)])).stdout, content.read(0, 1000));
    assert.deepEqual((await run('tail', ['-c', '1000', at(t, path)])).stdout, content.read(content.size - 1000, 1000));
    assert.match((await run('wc', ['-c', at(t, path)])).stdout.toString(), new RegExp(`^${String(content.size)} `));
    const copy = join(await t.scratch(), 'copy');
    await writeFile(copy, content.read(0, content.size));
    await run('cmp', [at(t, path), copy]);
  },
  'programs take names that look like options or hold line breaks, where they are given whole': async (t) => {
    const names = NAMES.filter((name) => name.length < 100);
    const { stdout } = await run('cat', ['--', ...names], { cwd: at(t, 'names') });
    const expected = names
      .map((name) => t.tree.file(`names/${name}`).content)
      .map((content) => content.read(0, content.size));
    assert.deepEqual(stdout, Buffer.concat(expected));
  },
  "Node's fs.cp copies a directory": async (t) => {
    const copy = join(await t.scratch(), 'copy');
    const program =
      'await (await import("node:fs/promises")).cp(process.argv[1], process.argv[2], { recursive: true })';
    await run(process.execPath, ['--input-type=module', '-e', program, at(t, 'order'), copy]);
    await sameTree(t, copy, 'order');
  },
  'SQLite reads a database, with mode=ro and with immutable=1': async (t) => {
    for (const parameters of ['mode=ro', 'mode=ro&immutable=1']) {
      const uri = `file:${encodeURI(at(t, DATABASE))}?${parameters}`;
      const query = (statement: string, ...values: number[]) => t.helper.call('sqlite_query', uri, statement, values);
      assert.deepEqual(await query('PRAGMA integrity_check'), [['ok']], parameters);
      assert.deepEqual(await query('SELECT count(*), sum(k) FROM t'), [
        [DATABASE_ROWS, (DATABASE_ROWS * (DATABASE_ROWS - 1)) / 2],
      ]);
      assert.deepEqual(await query('SELECT w FROM t WHERE k = ?', 12_345), [[String(12_345).padStart(40, '0')]]);
      assert.deepEqual(await query("SELECT count(*) FROM t WHERE v >= 'value 5' AND v < 'value 6'"), [[1111]]);
    }
  },
  'SQLite refuses to write, and says that the file system is read-only': async (t) => {
    const [row] = await t.helper.call('sqlite_query', `file:${encodeURI(at(t, DATABASE))}`, 'DELETE FROM t', []);
    assert.deepEqual(row, ['error', 'SQLITE_READONLY']);
  },
  'the sqlite3 program reads a database': async (t) => {
    const { stdout } = await run('sqlite3', ['-readonly', at(t, DATABASE), 'SELECT count(*) FROM t']);
    assert.equal(stdout.toString().trim(), String(DATABASE_ROWS));
  },
  'git reads a bare repository: log, fsck, grep and show': async (t) => {
    const repository = at(t, REPOSITORY);
    const log = await git(t, '-C', repository, 'log', '--format=%s', 'main');
    assert.deepEqual(
      log.trimEnd().split('\n'),
      Array.from({ length: COMMITS }, (_, n) => `commit ${String(COMMITS - 1 - n)}`),
    );
    await git(t, '-C', repository, 'fsck', '--full', '--strict');
    assert.equal(await git(t, '-C', repository, 'show', 'v1:file-3.txt'), committed(3));
    const hits = await git(t, '-C', repository, 'grep', '-c', 'file 7', 'main');
    assert.equal(hits, `main:file-7.txt:${String(committed(7).trimEnd().split('\n').length)}\n`);
  },
  'git clones a bare repository': async (t) => {
    const clone = join(await t.scratch(), 'clone');
    await git(t, 'clone', '-q', at(t, REPOSITORY), clone);
    assert.equal(await git(t, '-C', clone, 'show', 'HEAD:file-11.txt'), committed(11));
    assert.equal(await git(t, '-C', clone, 'status', '--porcelain'), '');
  },
  'a script is run by its interpreter, and by its name where the file mode says that it may': async (t) => {
    assert.equal((await run('sh', [at(t, SCRIPT), 'hello'])).stdout.toString(), 'hello');
    if ((t.owner.fileMode & 0o111) !== 0) {
      assert.equal((await run(at(t, SCRIPT), ['hello'])).stdout.toString(), 'hello');
    } else {
      await assert.rejects(run(at(t, SCRIPT), ['hello']), { code: 'EACCES' });
    }
  },
};
