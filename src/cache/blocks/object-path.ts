/**
 * Where a cache file lies: `<objects>/<last byte of its number in hex>/<number>`; the data plane's side is
 * native/src/block/cache_dir.cc.
 */
import { join } from 'node:path';

/** Subfolders of the folder of cache files. */
export const SUBFOLDERS = 256;

/** Name of one of the subfolders. */
export function subfolderName(number: number): string {
  return number.toString(16).padStart(2, '0');
}

/** Path of the cache file of an object. */
export function objectPath(objects: string, ino: number): string {
  return join(objects, subfolderName(ino % SUBFOLDERS), String(ino));
}
