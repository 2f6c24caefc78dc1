/**
 * A dlfs mount of a tree as a target of the POSIX table: origin, mount, cache folder and helper in one.
 *
 * Invariants:
 * 1. Each has a cache folder of its own, on the disk of the temporary directories, which must be able to carry one (a
 *    local ext4 or xfs; TMPDIR says where).
 * 2. On disposal the mount ends first, then the origin; then nothing is left.
 */
import { mkdir, mkdtemp } from 'node:fs/promises';
import { Helper } from '../posix/helper.ts';
import type { DlfsTraits, Ownership, Target } from '../posix/target.ts';
import type { Tree } from '../posix/tree.ts';
import { TempDir } from './files.ts';
import { DlfsMount } from './mount.ts';
import { TreeOrigin, type OriginOptions } from './mount-origin.ts';
import { DEFAULT_OWNERSHIP } from './mount-plain.ts';

/** The two ways to open. */
export const OPEN_MODES = ['stateless', 'passthrough'] as const;

/** How the target differs from a plain `dlfs mount`. */
export interface DlfsTargetOptions {
  /** `fuse-native`: the transport of that name, which opens in its own way. */
  readonly open: DlfsTraits['open'];
  readonly owner?: Ownership;
  /** Further options of `dlfs mount`. */
  readonly args?: readonly string[];
  readonly origin?: OriginOptions;
  /** Runs between the start of the origin and that of the mount: for faults that must be there first. */
  readonly before?: (origin: TreeOrigin) => void;
}

/** See the file's header. */
export class DlfsTarget implements Target, AsyncDisposable {
  readonly tree: Tree;
  readonly owner: Ownership;
  readonly helper: Helper;
  readonly dlfs: DlfsTraits;
  readonly mount: DlfsMount;
  readonly origin: TreeOrigin;
  readonly #temp: TempDir;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    resources: AsyncDisposableStack,
    temp: TempDir,
    parts: { mount: DlfsMount; origin: TreeOrigin; helper: Helper },
    owner: Ownership,
    dlfs: DlfsTraits,
  ) {
    this.#resources = resources;
    this.#temp = temp;
    this.mount = parts.mount;
    this.origin = parts.origin;
    this.helper = parts.helper;
    this.tree = parts.origin.tree;
    this.owner = owner;
    this.dlfs = dlfs;
  }

  /** Serves the tree, mounts it, and waits until the mount serves. */
  static async start(tree: Tree, options: DlfsTargetOptions): Promise<DlfsTarget> {
    const { open, owner = DEFAULT_OWNERSHIP, args = [], before } = options;
    await using resources = new AsyncDisposableStack();
    const temp = resources.use(await TempDir.create('mount'));
    const origin = resources.use(await TreeOrigin.start(tree, options.origin));
    for (const dir of ['dir', 'cache', 'scratch']) await mkdir(temp.join(dir));
    before?.(origin);
    const mount = resources.use(
      await DlfsMount.start({
        source: origin.source,
        dir: temp.join('dir'),
        args: [...origin.args, '--cache-dir', temp.join('cache'), ...wayArgs(open), ...ownerArgs(owner), ...args],
        env: origin.env,
      }),
    );
    const helper = resources.use(new Helper());
    return new DlfsTarget(resources.move(), temp, { mount, origin, helper }, owner, { open });
  }

  /** The mount point. */
  get dir(): string {
    return this.mount.dir;
  }

  scratch(): Promise<string> {
    return mkdtemp(this.#temp.join('scratch', 'x-'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function wayArgs(open: DlfsTraits['open']): string[] {
  return open === 'fuse-native' ? ['--transport', 'fuse-native'] : ['--open', open];
}

function ownerArgs({ uid, gid, fileMode, dirMode }: Ownership): string[] {
  const octal = (mode: number): string => `0${mode.toString(8)}`;
  return ['--uid', String(uid), '--gid', String(gid), '--file-mode', octal(fileMode), '--dir-mode', octal(dirMode)];
}
