/**
 * A tree as a plain directory on a local disk, mounted read-only over itself: what a mount of ours is compared with, and
 * what the POSIX table is proven over.
 *
 * Invariants:
 * 1. The mount is ro, nosuid and nodev, as ours is.
 * 2. On disposal nothing is left: not the mount, not the directory.
 */
import { mkdir, mkdtemp } from 'node:fs/promises';
import { execute } from '../posix/execute.ts';
import type { Helper } from '../posix/helper.ts';
import { materialise, own } from '../posix/materialise.ts';
import type { Ownership, Target } from '../posix/target.ts';
import type { Tree } from '../posix/tree.ts';
import { TempDir } from './files.ts';

/** Root owns everything, everybody may read: the default of a mount of ours. */
export const DEFAULT_OWNERSHIP: Ownership = { uid: 0, gid: 0, fileMode: 0o444, dirMode: 0o555 };

/** See the file's header. */
export class PlainMount implements Target, AsyncDisposable {
  readonly dir: string;
  /** The directory behind the mount, for changes that the mount then shows. */
  readonly source: string;
  readonly tree: Tree;
  readonly owner: Ownership;
  readonly helper: Helper;
  readonly dlfs = null;
  readonly #temp: TempDir;

  private constructor(temp: TempDir, tree: Tree, owner: Ownership, helper: Helper) {
    this.#temp = temp;
    this.dir = temp.join('mount');
    this.source = temp.join('source');
    this.tree = tree;
    this.owner = owner;
    this.helper = helper;
  }

  /**
   * Writes the tree and mounts it (needs root).
   * @param helper stays the caller's
   */
  static async create(tree: Tree, helper: Helper, owner: Ownership = DEFAULT_OWNERSHIP): Promise<PlainMount> {
    await using stack = new AsyncDisposableStack();
    const temp = stack.use(await TempDir.create('plain'));
    const plain = new PlainMount(temp, tree, owner, helper);
    for (const dir of [plain.dir, plain.source, temp.join('scratch')]) await mkdir(dir);
    materialise(tree, plain.source, owner);
    await execute('mount', ['--bind', plain.source, plain.dir]);
    stack.defer(() => unmounted(plain.dir));
    await execute('mount', ['-o', 'remount,bind,ro,nosuid,nodev,noatime', plain.dir]);
    stack.move();
    return plain;
  }

  /** The same directory under another owner and other modes, as a target; this one then no longer tells the truth. */
  owned(owner: Ownership): Target {
    own(this.tree, this.source, owner);
    const { dir, tree, helper, dlfs } = this;
    return { dir, tree, helper, dlfs, owner, scratch: () => this.scratch() };
  }

  scratch(): Promise<string> {
    return mkdtemp(this.#temp.join('scratch', 'x-'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await unmounted(this.dir);
    await this.#temp[Symbol.asyncDispose]();
  }
}

async function unmounted(dir: string): Promise<void> {
  try {
    await execute('umount', [dir]);
  } catch {
    await execute('umount', ['-l', dir]);
  }
}
