/**
 * A tree: which files and directories a mount must show, and what stands in them.
 *
 * It is a value. `materialise.ts` writes it into a plain directory, an S3 endpoint serves it as objects, and the rows of
 * the table compare a mount with it.
 *
 * Invariants:
 * 1. Paths are relative, without a leading or trailing slash; the root is the empty string.
 * 2. Each directory on the way to a file is in `dirs`; a directory that holds nothing exists by its marker only.
 * 3. No path is both a file and a directory.
 */
import type { Content } from './content.ts';

/** A file of the tree. */
export interface TreeFile {
  readonly path: string;
  readonly content: Content;
  /** LastModified in milliseconds since the epoch; a whole second, since S3 knows nothing smaller. */
  readonly mtimeMs: number;
  /** The origin's ETag with its quotes, where an origin has given it one. */
  readonly etag?: string;
}

/** A directory of the tree. */
export interface TreeDir {
  readonly path: string;
  /** Whether an object of its own (`path/`, empty) stands for it at the origin. */
  readonly marker: boolean;
}

/** One entry of a directory. */
export interface TreeEntry {
  readonly name: string;
  readonly kind: 'file' | 'dir';
}

/** The directory part of a path ('' for what lies in the root). */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** See the file's header. */
export class Tree {
  readonly #files = new Map<string, TreeFile>();
  readonly #dirs = new Map<string, TreeDir>([['', { path: '', marker: false }]]);
  readonly #children = new Map<string, Map<string, TreeEntry>>([['', new Map()]]);

  /**
   * @param files in any order
   * @param markers paths of directories that an object of their own stands for
   * @throws Error where a path is invalid, given twice, or both a file and a directory
   */
  constructor(files: Iterable<TreeFile>, markers: Iterable<string> = []) {
    for (const path of markers) this.#addDir(path, true);
    for (const file of files) {
      check(file.path);
      if (this.#files.has(file.path)) throw new Error(`given twice: ${file.path}`);
      this.#files.set(file.path, file);
      this.#addDir(parentOf(file.path), false);
      this.#link(file.path, 'file');
    }
  }

  /** All files by path. */
  get files(): ReadonlyMap<string, TreeFile> {
    return this.#files;
  }

  /** All directories by path, the root ('') included. */
  get dirs(): ReadonlyMap<string, TreeDir> {
    return this.#dirs;
  }

  /**
   * The file at a path.
   * @throws Error where the tree has none: the test asks for something it did not make
   */
  file(path: string): TreeFile {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`the tree has no file ${path}`);
    return file;
  }

  /**
   * The entries of a directory by name, without `.` and `..`.
   * @throws Error where the tree has no such directory
   */
  children(dir: string): ReadonlyMap<string, TreeEntry> {
    const children = this.#children.get(dir);
    if (children === undefined) throw new Error(`the tree has no directory ${dir}`);
    return children;
  }

  /** The names in a directory, sorted by their bytes. */
  names(dir: string): string[] {
    return sortedByBytes(this.children(dir).keys());
  }

  #addDir(path: string, marker: boolean): void {
    if (path === '') return;
    check(path);
    const known = this.#dirs.get(path);
    if (known !== undefined && (known.marker || !marker)) return;
    this.#dirs.set(path, { path, marker });
    if (known !== undefined) return;
    this.#children.set(path, new Map());
    this.#addDir(parentOf(path), false);
    this.#link(path, 'dir');
  }

  #link(path: string, kind: 'file' | 'dir'): void {
    const siblings = this.#children.get(parentOf(path));
    const name = nameOf(path);
    if (siblings === undefined) throw new Error(`no parent of ${path}`);
    if (siblings.has(name)) throw new Error(`both a file and a directory: ${path}`);
    siblings.set(name, { name, kind });
  }
}

function check(path: string): void {
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..' || part.includes('\0')) throw new Error(`not a path: ${path}`);
    if (!part.isWellFormed()) throw new Error(`not UTF-8: ${path}`);
  }
}

/** Names in the order of their UTF-8 bytes, which is S3's; JavaScript's own compares UTF-16 units. */
export function sortedByBytes(names: Iterable<string>): string[] {
  return [...names]
    .map((name) => ({ name, bytes: Buffer.from(name, 'utf8') }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name);
}
