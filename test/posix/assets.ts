/**
 * Files that only their own programs can make: a bare git repository and a SQLite database.
 *
 * They are built in a temporary directory and taken as bytes, so that they can be put anywhere: into a plain directory or
 * under keys of a bucket.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute } from './execute.ts';
import type { Helper } from './helper.ts';

/** One file (or, with null for bytes, one directory that needs a marker because nothing lies in it). */
export interface Asset {
  readonly path: string;
  readonly bytes: Buffer | null;
}

/** Where the repository lies in the tree. */
export const REPOSITORY = 'assets/repo.git';

/** How many commits it has. */
export const COMMITS = 12;

/** Where the database lies in the tree. */
export const DATABASE = 'assets/table.db';

/** How many rows its table `t` has. */
export const DATABASE_ROWS = 20_000;

/** The content of `file-<n>.txt` in the repository after the last commit. */
export function committed(n: number): string {
  return `file ${String(n)}\n`.repeat(50 + n);
}

/**
 * Builds the assets.
 * @throws Missing where git is not installed
 */
export async function makeAssets(helper: Helper): Promise<Asset[]> {
  const work = await mkdtemp(join(tmpdir(), 'dlfs-assets-'));
  try {
    await helper.call('sqlite_create', join(work, 'table.db'), DATABASE_ROWS);
    await makeRepository(work);
    return [
      { path: DATABASE, bytes: await readFile(join(work, 'table.db')) },
      ...(await taken(join(work, 'repo.git'), REPOSITORY)),
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeRepository(work: string): Promise<void> {
  const source = join(work, 'source');
  const git = async (directory: string, ...args: string[]): Promise<void> => {
    await execute('git', ['-C', directory, ...args], { env: gitEnvironment(work) });
  };
  await execute('git', ['init', '-q', '-b', 'main', '--template=', source], { env: gitEnvironment(work) });
  for (let n = 0; n < COMMITS; n++) {
    await writeFile(join(source, `file-${String(n)}.txt`), committed(n));
    await git(source, 'add', '-A');
    await git(source, 'commit', '-q', '-m', `commit ${String(n)}`);
    // Half of the history in a pack, the rest as loose objects: both ways of reading.
    if (n === COMMITS / 2) await git(source, 'repack', '-a', '-d', '-q');
  }
  await git(source, 'tag', '-a', '-m', 'a tag', 'v1');
  // --local with a template of nothing copies the objects as they are: packs and loose ones.
  await execute(
    'git',
    ['clone', '-q', '--bare', '--local', '--no-hardlinks', '--template=', source, join(work, 'repo.git')],
    {
      env: gitEnvironment(work),
    },
  );
}

/** An environment in which git depends on nothing of the user's, with names and dates that are always the same. */
export function gitEnvironment(home: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'A Reader',
    GIT_AUTHOR_EMAIL: 'reader@example.org',
    GIT_AUTHOR_DATE: '2020-01-02T03:04:05Z',
    GIT_COMMITTER_NAME: 'A Reader',
    GIT_COMMITTER_EMAIL: 'reader@example.org',
    GIT_COMMITTER_DATE: '2020-01-02T03:04:05Z',
  };
}

async function taken(directory: string, path: string): Promise<Asset[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  if (entries.length === 0) return [{ path, bytes: null }];
  const assets = await Promise.all(
    entries.map(async (entry): Promise<Asset[]> => {
      const [from, to] = [join(directory, entry.name), `${path}/${entry.name}`];
      return entry.isDirectory() ? await taken(from, to) : [{ path: to, bytes: await readFile(from) }];
    }),
  );
  return assets.flat();
}
