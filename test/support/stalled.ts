/**
 * A mount whose origin stalls for chosen files and directories, and for nothing else: what a blocked process is blocked by.
 */
import { strict as assert } from 'node:assert';
import type { InjectedFault } from '../../demo/endpoint/index.ts';
import { digestOf, generated, seedOf } from '../posix/content.ts';
import { at } from '../posix/target.ts';
import { Tree } from '../posix/tree.ts';
import { DlfsTarget } from './mount-target.ts';
import type { BlockingCall } from './signals.ts';

const MIB = 1024 * 1024;

/** Where each call's path lies: what has `stalled` in its key or prefix does not arrive while the fault is there. */
export const PATHS = {
  lookup: 'stalled-lookup/name',
  readdir: 'stalled-readdir',
  read: 'files/stalled-read.bin',
  direct: 'files/stalled-direct.bin',
  mmap: 'files/stalled-mmap.bin',
} as const satisfies Partial<Record<BlockingCall, string>>;
/** The calls that can be blocked. */
export const CALLS = Object.keys(PATHS) as (keyof typeof PATHS)[];

function stallingTree(): Tree {
  const stalled = ['stalled-lookup/name', 'stalled-readdir/name', PATHS.read, PATHS.direct, PATHS.mmap];
  const others = ['other/cold.bin', 'other/warm.bin', 'open/name'];
  return new Tree(
    [...stalled, ...others].map((path, i) => ({
      path,
      content: generated(seedOf(path), 2 * MIB + i),
      mtimeMs: Date.UTC(2023, 0, 1 + i),
    })),
  );
}

/** A mount whose directories are listed one by one (the listing of the whole stops at once), and whose origin stalls. */
export class Stalled implements AsyncDisposable {
  readonly target: DlfsTarget;
  readonly #faults: ReadonlyMap<string, InjectedFault>;

  private constructor(target: DlfsTarget, faults: ReadonlyMap<string, InjectedFault>) {
    this.target = target;
    this.#faults = faults;
  }

  /** Mounts; the faults are there before. */
  static async start(open: DlfsTarget['dlfs']['open'], args: readonly string[] = []): Promise<Stalled> {
    const faults = new Map<string, InjectedFault>();
    const target = await DlfsTarget.start(stallingTree(), {
      open,
      args: ['--list-limit', '1', '--refresh', 'never', ...args],
      before: (origin) => {
        for (const [call, path] of Object.entries(PATHS)) {
          // The file's own requests, and every listing or head that would tell what is in the directory.
          const key = origin.key(path.startsWith('stalled-') ? (path.split('/')[0] ?? '') : path);
          const when = (request: { key: string; prefix: string | null }): boolean =>
            request.key.startsWith(key) || (request.prefix ?? '').startsWith(key);
          faults.set(call, origin.faults.inject({ when }, { type: 'stall', after: 'nothing' }));
        }
      },
    });
    return new Stalled(target, faults);
  }

  /** Resolves when the origin holds back what a call waits for: the call cannot end by itself any more. */
  async held(call: keyof typeof PATHS): Promise<void> {
    await this.#faults.get(call)?.hit();
  }

  /** Lets the origin answer what a call waits for. */
  release(call: keyof typeof PATHS): void {
    this.#faults.get(call)?.[Symbol.dispose]();
  }

  /** Reads a file that is not stalled, and compares. */
  async readsWhole(path: string): Promise<void> {
    const { content } = this.target.tree.file(path);
    assert.deepEqual(await this.target.helper.call('digest', at(this.target, path)), [digestOf(content), content.size]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.target[Symbol.asyncDispose]();
  }
}
