/**
 * Writes a tree into a plain directory.
 *
 * It is synchronous: the directory is on a local disk, no mount of ours, and a hundred thousand files take seconds so,
 * not minutes.
 *
 * Invariants:
 * 1. Afterwards the directory holds the tree and nothing else: every byte, size, modification time, owner and mode.
 * 2. Owners and modes are set last, so that a mode which forbids writing does not stop the writing.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  utimesSync,
  writeSync,
} from 'node:fs';
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
  for (const file of tree.files.values()) writeTreeFile(file, `${root}/${file.path}`);
  for (const path of tree.dirs.keys()) utimesSync(`${root}/${path}`, DIR_TIME_S, DIR_TIME_S);
  own(tree, root, owner);
}

/** Gives a written tree to another owner, with other modes. */
export function own(tree: Tree, root: string, { uid, gid, fileMode, dirMode }: Ownership): void {
  const give = (path: string, mode: number): void => {
    chownSync(`${root}/${path}`, uid, gid);
    chmodSync(`${root}/${path}`, mode); // after chown, which may clear bits, and whatever the umask
  };
  for (const path of tree.files.keys()) give(path, fileMode);
  for (const path of tree.dirs.keys()) give(path, dirMode);
}

function writeTreeFile({ content, mtimeMs }: TreeFile, to: string): void {
  const fd = openSync(to, 'wx', 0o600);
  try {
    fill(fd, content);
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
      for (let done = 0; done < piece.length;) done += writeSync(fd, piece, done, piece.length - done, offset + done);
      offset += piece.length;
    }
  }
}
