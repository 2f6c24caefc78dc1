/**
 * An index in a directory of a test's own, and listings for it.
 */
import { join } from 'node:path';
import { SystemClock } from '../../../src/base/clock.ts';
import {
  CacheIndex,
  ROOT_INO,
  type CacheIndexOptions,
  type ListingOutcome,
  type NameChange,
  type NodeRow,
} from '../../../src/cache/index/index.ts';
import { compareKeys, type ListedObject, type ListPage } from '../../../src/dataset/listing.ts';
import { TempDir } from '../../support/files.ts';

/** Small, so that a few kilobytes are several blocks. */
export const BLOCK = 4096;

/** What a listing tells of a key, where it is not the usual: one block, an etag of the key. */
export type Content = Partial<Omit<ListedObject, 'key'>>;

/** Keys with their content, as an origin has them. */
export type Keys = Readonly<Record<string, Content>>;

/** An index with the folder that it is in. */
export class IndexFixture implements AsyncDisposable {
  readonly folder: TempDir;
  #index: CacheIndex;

  private constructor(folder: TempDir, index: CacheIndex) {
    this.folder = folder;
    this.#index = index;
  }

  static async create(options: Partial<CacheIndexOptions> = {}): Promise<IndexFixture> {
    const folder = await TempDir.create('index');
    return new IndexFixture(folder, await openIn(folder.path, options));
  }

  get index(): CacheIndex {
    return this.#index;
  }

  get file(): string {
    return join(this.folder.path, 'index.db');
  }

  /** Closes the index and opens it again. */
  async reopen(options: Partial<CacheIndexOptions> = {}): Promise<CacheIndex> {
    await this.#index[Symbol.asyncDispose]();
    this.#index = await openIn(this.folder.path, options);
    return this.#index;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#index[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Opens an index in a folder. */
export function openIn(folder: string, options: Partial<CacheIndexOptions> = {}): Promise<CacheIndex> {
  return CacheIndex.open({
    file: join(folder, 'index.db'),
    blockSize: BLOCK,
    prefix: '',
    clock: new SystemClock(),
    ...options,
  });
}

/** A page of a listing, sorted. */
export function pageOf(
  keys: Keys,
  options: { prefixes?: readonly string[]; last?: boolean; undecodable?: number } = {},
): ListPage {
  const objects = Object.entries(keys).map(([key, content]) => ({
    key,
    size: BLOCK,
    mtimeMs: 1000,
    etag: `"${key}"`,
    archived: false,
    ...content,
  }));
  return {
    objects: objects.sort((left, right) => compareKeys(left.key, right.key)),
    prefixes: options.prefixes ?? [],
    undecodable: options.undecodable ?? 0,
    last: options.last ?? true,
  };
}

/** Lists everything in one flat page. */
export async function listAll(index: CacheIndex, keys: Keys, limit = 1_000_000): Promise<ListingOutcome> {
  await using listing = await index.beginFull(limit);
  const shard = await listing.shard('subtree', '');
  await shard.add(pageOf(keys));
  return await listing.finish();
}

/** Lists one directory in one page. */
export async function listDirectory(
  index: CacheIndex,
  directory: number,
  keys: Keys,
  prefixes: readonly string[] = [],
): Promise<{ outcome: ListingOutcome; changes: NameChange[] }> {
  await using listing = await index.beginDirectory(directory);
  const { changes } = await listing.add(pageOf(keys, { prefixes }));
  const told = await gather(changes);
  const outcome = await listing.finish();
  return { outcome, changes: [...told, ...(await gather(outcome.changes))] };
}

/** All that comes. */
export async function gather<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
}

/** The row at a path; null where there is none. */
export function at(index: CacheIndex, path: string): NodeRow | null {
  let row: NodeRow | null = index.node(ROOT_INO);
  for (const name of path.split('/')) row = row === null ? null : index.lookup(row.ino, name);
  return row;
}

/** The number at a path. */
export function inoAt(index: CacheIndex, path: string): number {
  const row = at(index, path);
  if (row === null) throw new Error(`nothing at ${path}`);
  return row.ino;
}

/** All paths that can be seen, directories with a slash. */
export function tree(index: CacheIndex, directory = ROOT_INO, prefix = ''): string[] {
  return index
    .children(directory, 0, 1000)
    .flatMap((row) =>
      row.dir ? [`${prefix}${row.name}/`, ...tree(index, row.ino, `${prefix}${row.name}/`)] : [prefix + row.name],
    )
    .sort(compareKeys);
}

/** Commits the first block of each file. */
export async function commitBlocksOf(index: CacheIndex, inos: readonly number[]): Promise<void> {
  await index.commitBlocks(inos.map((ino) => ({ ino, idx: 0, hash: BigInt(ino) })));
}
