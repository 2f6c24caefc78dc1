/**
 * What a row of the table is run over: any directory that claims to show a tree read-only.
 */
import type { Helper } from './helper.ts';
import type { Subject } from './permissions.ts';
import type { Tree } from './tree.ts';

/** Who owns everything in the mount, with which modes. */
export interface Ownership extends Subject {
  readonly fileMode: number;
  readonly dirMode: number;
}

/** What a dlfs mount promises beyond a read-only directory of another kind. */
export interface DlfsTraits {
  /** How the connection opens files, or the transport that is not ours; a row never depends on it unless it says so. */
  readonly open: 'stateless' | 'passthrough' | 'fuse-native';
}

/** A mount (or a plain directory) with what it must show. */
export interface Target {
  /** The mount point. Rows touch it through `helper` and through programs alone (see `helper.ts`). */
  readonly dir: string;
  readonly tree: Tree;
  readonly owner: Ownership;
  readonly helper: Helper;
  /** null where the directory is not a dlfs mount. */
  readonly dlfs: DlfsTraits | null;
  /** A new, empty directory on a writable disk; removed with the target. */
  scratch(): Promise<string>;
}

/** One row: passes by returning, fails by throwing, says by `Missing` that this machine lacks a program it needs. */
export type Row = (target: Target) => Promise<void>;

/** Rows by name; a name is a sentence about what a reader can rely on. */
export type Rows = Readonly<Record<string, Row>>;

/** Thrown by a row that needs a program which is not installed. */
export class Missing extends Error {
  constructor(program: string) {
    super(`${program} is not installed`);
    this.name = 'Missing';
  }
}

/** The absolute path of something in the mount. */
export function at(target: Target, path: string): string {
  return path === '' ? target.dir : `${target.dir}/${path}`;
}
