/**
 * A bounded sample of somebody's own bucket, found by walking the mount.
 *
 * Invariants:
 * 1. At most `MAX_FILES` files, `MAX_BYTES` bytes and `MAX_NAMES` names are looked at, however large the bucket is.
 */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Part } from './dataset.ts';

const MAX_FILES = 2000;
const MAX_BYTES = 2 ** 30;
/** Of one file: a large one is sampled by its beginning. */
const MAX_FILE_BYTES = 64 * 2 ** 20;
const MAX_NAMES = 20_000;

/** Picks files, breadth first, so that one deep folder does not fill the sample. */
export async function sample(root: string, signal: AbortSignal): Promise<Part[]> {
  const parts: Part[] = [];
  const folders = [''];
  let [bytes, names] = [0, 0];
  for (const folder of folders) {
    for await (const entry of await opendir(join(root, folder))) {
      signal.throwIfAborted();
      if (++names > MAX_NAMES || parts.length >= MAX_FILES || bytes >= MAX_BYTES) return parts;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        folders.push(path);
        continue;
      }
      const { size } = await lstat(join(root, path));
      const length = Math.min(size, MAX_FILE_BYTES, MAX_BYTES - bytes);
      if (length === 0) continue;
      parts.push({ path, offset: 0, length });
      bytes += length;
    }
  }
  return parts;
}
