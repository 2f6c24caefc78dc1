/**
 * The tree of the differential test, and how it changes at the origin.
 *
 * Invariants:
 * 1. Every version of every path has content of its own, so bytes of two versions never compare equal.
 * 2. A directory is there as long as something lies in it: what a bucket without markers shows.
 */
import {
  closeSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { generated, pieces, seedOf } from '../../posix/content.ts';
import { own } from '../../posix/materialise.ts';
import type { Ownership } from '../../posix/target.ts';
import { parentOf, Tree, type TreeFile } from '../../posix/tree.ts';

const KIB = 1024;

/** Sizes around the edges of pages and of blocks of 64 KiB and 1 MiB. */
export const MODEL_SIZES = [
  0,
  1,
  4095,
  4096,
  65_535,
  65_536,
  65_537,
  200_000,
  1024 * KIB,
  1_500_001,
  3 * 1024 * KIB + 7,
];

/** Files that are read to push others out of a small cache: together more than `EVICTING_CACHE`. */
export const BALLAST = ['ballast/0', 'ballast/1', 'ballast/2'];

/** A cache size, in bytes, that the ballast alone overflows. */
export const EVICTING_CACHE = 12 * 1024 * KIB;

const FIRST_TIME = Date.UTC(2020, 0, 1);

/** One change at the origin. */
export type Change =
  { readonly kind: 'put'; readonly file: TreeFile } | { readonly kind: 'remove'; readonly path: string };

/**
 * A version of a file.
 * @param version 0 is the first; each has its own bytes and its own time
 */
export function versionOf(path: string, size: number, version: number): TreeFile {
  const content = generated(seedOf(`${path}#${String(version)}`), size);
  return { path, content, mtimeMs: FIRST_TIME + version * 3_600_000 };
}

/** The tree before all changes. */
export function modelTree(): Tree {
  const files: TreeFile[] = [];
  for (const [i, size] of MODEL_SIZES.entries()) {
    files.push(versionOf(`f${String(i)}`, size, 0), versionOf(`dir/${String(i)}.bin`, size, 0));
  }
  for (let i = 0; i < 60; i++) files.push(versionOf(`many/${String(i)}`, i * 37, 0));
  for (const path of BALLAST) files.push(versionOf(path, 6 * 1024 * KIB, 0));
  for (const path of ['a/b/c/deep', 'a/b/x', 'a-b/x', 'a.b', 'é/日本']) files.push(versionOf(path, 5000, 0));
  return new Tree(files);
}

/**
 * Applies changes to a plain directory as an object store would show them: each file is replaced as a whole, so who has
 * the old one open keeps it.
 * @param root the directory, writable here
 */
export function applyToDirectory(root: string, owner: Ownership, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.kind === 'put') put(root, owner, change.file);
    else remove(root, change.path);
  }
}

function put(root: string, owner: Ownership, file: TreeFile): void {
  const parents: string[] = [];
  for (let dir = parentOf(file.path); dir !== ''; dir = parentOf(dir)) parents.unshift(dir);
  for (const dir of parents) mkdirSync(`${root}/${dir}`, { recursive: true, mode: owner.dirMode });
  // In the same directory, so that the rename is atomic; the name is seen by nobody who waits for the change.
  const temporary = `${root}/${parentOf(file.path)}/.put`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    for (const piece of pieces(file.content)) writeSync(fd, piece);
    futimesSync(fd, file.mtimeMs / 1000, file.mtimeMs / 1000);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, `${root}/${file.path}`);
  own(new Tree([file]), root, owner);
}

function remove(root: string, path: string): void {
  rmSync(`${root}/${path}`);
  for (let dir = parentOf(path); dir !== '' && readdirSync(`${root}/${dir}`).length === 0; dir = parentOf(dir)) {
    rmdirSync(`${root}/${dir}`);
  }
}
