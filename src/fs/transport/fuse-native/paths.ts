/**
 * Paths, as libfuse names files, to what they stand for.
 *
 * libfuse knows its files by path and asks by path, the whole of it each time: `/a/b/c` is looked up part by part. Directories
 * on the way are remembered.
 *
 * Invariants:
 * 1. The names do not change (`FixedView`): a directory that was found at a path is there for as long as the mount lives.
 * 2. What is remembered is bounded; only directories are.
 */
import type { NodeRow } from '../../../cache/index/rows.ts';
import { ROOT_INO } from '../../../cache/index/rows.ts';
import type { Names } from '../../names/names.ts';

/** Directories that are remembered: some 200 bytes each. */
const MAX_KNOWN = 16_384;

/** See the file's header. */
export class Paths {
  readonly #names: Names;
  /** By path without the slash at its end; the least recently used first. */
  readonly #known = new Map<string, number>();

  constructor(names: Names) {
    this.#names = names;
  }

  /**
   * What is at a path; null where nothing is.
   * @param path absolute within the mount, as libfuse writes it
   * @throws DlfsError (by the promise) when a directory on the way cannot be listed
   */
  find(path: string): NodeRow | null | Promise<NodeRow | null> {
    if (path === '/') return this.#names.node(ROOT_INO);
    const slash = path.lastIndexOf('/');
    const parent = this.#directory(path.slice(0, slash));
    const name = path.slice(slash + 1);
    if (parent instanceof Promise) return this.#findLater(parent, name);
    return parent === null ? null : this.#names.lookup(parent, name);
  }

  async #findLater(parent: Promise<number | null>, name: string): Promise<NodeRow | null> {
    const found = await parent;
    return found === null ? null : await this.#names.lookup(found, name);
  }

  /** The number of the directory at a path without its last slash. */
  #directory(path: string): number | null | Promise<number | null> {
    if (path === '') return ROOT_INO;
    const known = this.#known.get(path);
    if (known !== undefined) {
      this.#known.delete(path);
      this.#known.set(path, known);
      return known;
    }
    const found = this.find(path);
    return found instanceof Promise ? found.then((row) => this.#keep(path, row)) : this.#keep(path, found);
  }

  #keep(path: string, row: NodeRow | null): number | null {
    if (row?.dir !== true) return null;
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value ?? '');
    this.#known.set(path, row.ino);
    return row.ino;
  }
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
