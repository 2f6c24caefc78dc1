/**
 * Directories of a test's own, and the page cache.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMountinfo } from './mount-table.ts';

/** A directory that is removed, with all in it, on disposal. */
export class TempDir implements AsyncDisposable {
  /** Its absolute path. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * @param purpose a word for its name
   * @param mode 0755 lets other users reach what lies in it: mount points that `nobody` reads through
   */
  static async create(purpose: string, mode = 0o755): Promise<TempDir> {
    const path = await mkdtemp(join(tmpdir(), `dlfs-${purpose}-`));
    await chmod(path, mode);
    return new TempDir(path);
  }

  /** A path below it. */
  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** @throws Error where something is mounted below: deleting would go on into it */
  async [Symbol.asyncDispose](): Promise<void> {
    const mounts = parseMountinfo(await readFile('/proc/self/mountinfo'));
    const below = mounts.find(({ dir }) => dir === this.path || dir.startsWith(`${this.path}/`));
    if (below !== undefined) throw new Error(`still mounted: ${below.type} at ${below.dir}`);
    await rm(this.path, { recursive: true, force: true });
  }
}

/**
 * Drops clean pages of the whole machine's page cache (needs root).
 * @param names whether cached names and attributes are dropped, too
 */
export async function dropCaches(names = false): Promise<void> {
  await writeFile('/proc/sys/vm/drop_caches', names ? '3' : '1');
}
