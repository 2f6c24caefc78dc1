/**
 * The key of a directory, from its row up to the root.
 */
import { ROOT_INO } from '../rows.ts';
import type { Nodes } from './nodes.ts';

/**
 * @param ino a directory
 * @returns its key relative to the mounted prefix: empty for the root, otherwise ending with a slash; null where a row is missing
 */
export function keyOfDirectory(nodes: Nodes, ino: number): string | null {
  const names: string[] = [];
  for (let at = ino; at !== ROOT_INO;) {
    const record = nodes.byIno(at);
    if (record === null) return null;
    names.push(record.name);
    at = record.parent;
  }
  return names.reverse().join('');
}

/**
 * The directory of a key.
 * @param key relative to the mounted prefix: empty, or ending with a slash
 * @param isUsable whether a directory on the way may be entered
 * @returns its number; null where one on the way is missing or not usable
 */
export function directoryOfKey(nodes: Nodes, key: string, isUsable: (ino: number) => boolean): number | null {
  let at = ROOT_INO;
  for (let start = 0; start < key.length;) {
    const end = key.indexOf('/', start) + 1;
    if (end === 0) return null;
    const record = nodes.byName(at, key.slice(start, end))[0];
    if (record === undefined || !isUsable(record.ino)) return null;
    at = record.ino;
    start = end;
  }
  return at;
}
