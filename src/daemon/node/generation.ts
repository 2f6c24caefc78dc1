/**
 * One generation of a dataset: a server for one source, with a cache folder of its own.
 *
 * Invariants:
 * 1. The same source of the same dataset is the same generation, also over restarts: its id names its cache folder.
 * 2. A folder that is to go with its generation carries a mark: what a crash leaves of it is removed at the next start.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fingerprint, type CacheIdentity } from '../../cache/folder/fingerprint.ts';
import type { DatasetServer } from '../dataset/dataset-server.ts';

/** A generation that is served. */
export interface Generation {
  /** See invariant 1. */
  readonly id: string;
  readonly server: DatasetServer;
  /** Its folder is removed when its last user is gone. */
  isDoomed: boolean;
}

/** Says that a cache folder goes with its generation. */
const MARK = 'superseded';
/** What is being removed is called so, before its name; as `dlfs cache rm` does. */
const REMOVING = '.removing-';
/** Names of cache folders. */
const FOLDER = /^[0-9a-f]{16}$/;

/** The id of a generation. */
export function generationId(identity: CacheIdentity): Promise<string> {
  return fingerprint(identity);
}

/** Notes that a folder goes with its generation, or that it stays after all. @throws Error where the disk refuses */
export function markFolder(folder: string, isDoomed: boolean): void {
  if (isDoomed) writeFileSync(join(folder, MARK), '', { mode: 0o600 });
  else rmSync(join(folder, MARK), { force: true });
}

/**
 * Removes a cache folder that nobody serves from any more. It is out of the way at once.
 * @throws Error where the disk refuses
 */
export async function removeFolder(cacheDir: string, id: string): Promise<void> {
  const doomed = join(cacheDir, REMOVING + id);
  await rm(doomed, { recursive: true, force: true });
  await rename(join(cacheDir, id), doomed);
  // A subfolder at a time: millions of files in one call would keep every thread of the pool.
  const objects = join(doomed, 'objects');
  for (const name of namesIn(objects)) await rm(join(objects, name), { recursive: true, force: true });
  await rm(doomed, { recursive: true, force: true });
}

/** Folders of generations that a crash, or a removal that was cut short, has left: their ids. */
export function leftFolders(cacheDir: string): string[] {
  return namesIn(cacheDir).flatMap((name) => {
    if (name.startsWith(REMOVING) && FOLDER.test(name.slice(REMOVING.length))) return [name.slice(REMOVING.length)];
    return FOLDER.test(name) && namesIn(join(cacheDir, name)).includes(MARK) ? [name] : [];
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not made yet, or gone
  }
}
