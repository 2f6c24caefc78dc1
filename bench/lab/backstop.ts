/**
 * The hard end for mounts that hang: a process that waits for a dead or stuck FUSE server ignores SIGKILL, and only the
 * kernel's abort of the connection frees it.
 *
 * Invariants:
 * 1. Only directories that were added here are ever aborted, and none of them is touched by name.
 */
import { abortAndDetach } from '../../test/support/fuse-connection.ts';

/** See the file's header. */
export class Backstop {
  readonly #dirs = new Set<string>();

  /** Guards a mount point until the result is disposed of. */
  guard(dir: string): Disposable {
    this.#dirs.add(dir);
    return { [Symbol.dispose]: () => this.#dirs.delete(dir) };
  }

  /** Aborts and detaches all that is mounted at guarded directories. */
  async abortAll(): Promise<void> {
    for (const dir of this.#dirs) await abortAndDetach(dir);
  }
}
