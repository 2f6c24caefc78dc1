/**
 * An ext4 file system of a size of one's own, in a file: for what happens when a disk is full.
 *
 * Invariants:
 * 1. On disposal it is unmounted (lazily where something is still open), its loop device is free and the file is gone.
 */
import { open } from 'node:fs/promises';
import { mkdir, statfs } from 'node:fs/promises';
import { execute } from '../posix/execute.ts';
import { TempDir } from './files.ts';

/** How the file system is made. */
export interface Ext4Options {
  /** Size of the image in bytes; ext4 keeps a part for itself. */
  readonly bytes: number;
  /** How many inodes it has, where files are what runs out. */
  readonly inodes?: number;
}

/** See the file's header. */
export class Ext4Image implements AsyncDisposable {
  /** Where it is mounted, read-write. */
  readonly dir: string;
  readonly #temp: TempDir;

  private constructor(temp: TempDir, dir: string) {
    this.#temp = temp;
    this.dir = dir;
  }

  /** Makes and mounts one (needs root and the loop driver). */
  static async create({ bytes, inodes }: Ext4Options): Promise<Ext4Image> {
    await using stack = new AsyncDisposableStack();
    const temp = stack.use(await TempDir.create('ext4'));
    const image = temp.join('image');
    const file = await open(image, 'wx', 0o600);
    try {
      await file.truncate(bytes);
    } finally {
      await file.close();
    }
    // No blocks reserved for root: what df shows as free is free. No lazy initialisation: no writes behind our back.
    const extended = 'lazy_itable_init=0,lazy_journal_init=0';
    await execute('mkfs.ext4', [
      ...['-q', '-F', '-m', '0', '-E', extended],
      ...(inodes === undefined ? [] : ['-N', String(inodes)]),
      image,
    ]);
    const dir = temp.join('disk');
    await mkdir(dir);
    await execute('mount', ['-o', 'loop', image, dir]);
    stack.move();
    return new Ext4Image(temp, dir);
  }

  /** Bytes that are free. */
  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.dir);
    return bavail * bsize;
  }

  /**
   * Fills the disk with one file until so many bytes are free.
   * @param name of the file, in the root of the disk
   */
  async fillTo(freeBytes: number, name = 'ballast'): Promise<void> {
    const length = (await this.free()) - freeBytes;
    if (length > 0) await execute('fallocate', ['-l', String(length), `${this.dir}/${name}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await execute('umount', [this.dir]);
    } catch {
      await execute('umount', ['-l', this.dir]);
    }
    await this.#temp[Symbol.asyncDispose]();
  }
}
