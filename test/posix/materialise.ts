/**
 * Writes a tree into a plain directory.
 *
 * It is synchronous: the directory is on a local disk, no mount of ours, and a hundred thousand files take seconds so,
 * not minutes.
 *
 * Invariants:
 * 1. Afterwards the directory holds the tree and nothing else: every byte, size, modification time, owner and mode.
 * 2. Directories get their modes last, so that a mode which forbids writing does not stop the writing.
 */
import { chmodSync, chownSync, closeSync, fchmodSync, fchownSync, ftruncateSync, futimesSync, mkdirSync, openSync, utimesSync, writeSync } from 'node:fs';
import { pieces, type Content } from './content.ts';
import { isSparse } from './extremes.ts';
import type { Ownership } from './target.ts';
import type { Tree, TreeFile } from './tree.ts';

/** Directories have no time of their own in a bucket: one for all, so that two runs give the same tree. */
const DIR_TIME_S = Date.UTC(2024, 0, 1) / 1000;

/**
 * @param tree what to write
 * @param root an existing, empty directory
 * @param owner who owns everything, with which modes
 */
export function materialise(tree: Tree, root: string, owner: Ownership): void {
  for (const path of tree.dirs.keys()) mkdirSync(`${root}/${path}`, { recursive: true });
  for (const file of tree.files.values()) writeTreeFile(file, `${root}/${file.path}`, owner);
  for (const path of [...tree.dirs.keys()].reverse()) {
    const dir = `${root}/${path}`;
    utimesSync(dir, DIR_TIME_S, DIR_TIME_S);
    chownSync(dir, owner.uid, owner.gid);
    chmodSync(dir, owner.dirMode);
  }
}

/**
 * Writes one file of a tree.
 * @param to its path, where nothing may be
 */
export function writeTreeFile({ content, mtimeMs }: TreeFile, to: string, owner: Ownership): void {
  const fd = openSync(to, 'wx', owner.fileMode);
  try {
    fill(fd, content);
    fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, owner.fileMode); // after chown, and whatever the umask
    futimesSync(fd, mtimeMs / 1000, mtimeMs / 1000);
  } finally {
    closeSync(fd);
  }
}

function fill(fd: number, content: Content): void {
  const parts: readonly (readonly [number, Content])[] = isSparse(content) ? content.islands : [[0, content]];
  if (isSparse(content)) ftruncateSync(fd, content.size);
  for (const [start, part] of parts) {
    let offset = start;
    for (const piece of pieces(part)) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done, piece.length - done, offset + done);
      offset += piece.length;
    }
  }
}
