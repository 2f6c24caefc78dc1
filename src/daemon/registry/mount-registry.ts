/**
 * The record of this machine's mounts: which process serves which directory.
 *
 * One small JSON file a mount, named by a hash of the directory. The serving process writes it when it serves and removes it
 * when it ends. What a crash leaves behind says that the mount at that directory is dead, which could not be learnt by
 * touching the mount.
 *
 * Invariants:
 * 1. The folder is 0700 and its files 0600; a folder that is somebody else's is refused.
 * 2. A file is complete or not there: it is written beside its place and renamed.
 * 3. What is read is checked; a file that does not fit is treated as not there.
 * 4. The record is about one mount: its device number must fit, too. A stale record (its process ended) is removed by `prune` when its
 *    mount is gone; while the mount is there, the record is the proof of its death and stays.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DlfsError } from '../../base/errors.ts';
import { DLFS_TYPE, mountAt, type KernelMount } from '../mountinfo.ts';
import { isRunning } from './process-identity.ts';

const RECORD = z.object({
  pid: z.int().min(1),
  startTicks: z.int().min(0),
  dir: z.string().startsWith('/'),
  device: z.string(),
  source: z.string(),
  cacheFolder: z.string(),
  log: z.string().nullable(),
  daemon: z.boolean().default(false),
});

/** What is recorded of a mount. */
export interface MountRecord {
  readonly pid: number;
  readonly startTicks: number;
  /** Absolute, without symbolic links. */
  readonly dir: string;
  /** `major:minor` of the mount. */
  readonly device: string;
  /** For people: `s3://bucket/prefix at https://…`. */
  readonly source: string;
  /** The source's own folder in the cache directory. */
  readonly cacheFolder: string;
  /** The log file; null: standard error. */
  readonly log: string | null;
  /** Whether the process is a node's daemon, which serves other mounts, too, and makes this one again. */
  readonly daemon: boolean;
}

/** Whether somebody serves a mount of ours. */
export type Liveness =
  /** `record` where the mount is recorded; else the process was found by its descriptor. */
  | { readonly kind: 'live'; readonly pid: number; readonly record: MountRecord | null }
  | { readonly kind: 'dead'; readonly record: MountRecord }
  /** Neither is proven: its process may live where this one cannot see it. */
  | { readonly kind: 'unknown' };

/** Where the records of a user's mounts are: /run/dlfs for root. */
export function registryFolder(environment: Readonly<Record<string, string | undefined>>, uid: number): string {
  if (uid === 0) return '/run/dlfs';
  return join(environment['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`, 'dlfs');
}

/** See the file's header. */
export class MountRegistry {
  readonly #folder: string;

  /** @param folder absolute; made when the first record is written */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Keeps others from mounting at a directory until disposed, or until this process ends.
   * @param lock flock(2), exclusive and non-blocking: an errno, 0 on success
   * @throws DlfsError `mount-busy` where another is at it; `privilege` where records cannot be kept
   */
  claim(dir: string, lock: (fd: number) => number): Disposable {
    this.#makeFolder();
    const path = `${this.#pathOf(dir)}.claim`;
    for (;;) {
      const fd = openSync(path, 'a', 0o600);
      if (lock(fd) !== 0) {
        closeSync(fd);
        throw new DlfsError(
          'mount-busy',
          `another dlfs is about to mount at ${dir}; wait for it, or choose another directory`,
        );
      }
      // Who had it before us removed the file, perhaps after we opened it: then ours is nobody's.
      if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) {
        return {
          [Symbol.dispose]: () => {
            rmSync(path, { force: true });
            closeSync(fd);
          },
        };
      }
      closeSync(fd);
    }
  }

  /**
   * Records a mount; disposing removes the record.
   * @param onFailure told where it could not be written: the mount serves all the same
   */
  add(record: MountRecord, onFailure: (error: unknown) => void): Disposable {
    const path = this.#pathOf(record.dir);
    const draft = `${path}.${process.pid}`;
    try {
      this.#makeFolder();
      writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      renameSync(draft, path);
    } catch (error) {
      onFailure(error);
    }
    return {
      [Symbol.dispose]: () => {
        // Another mount may have replaced this one's record meanwhile.
        const now = this.find(record.dir);
        if (now?.pid === record.pid && now.startTicks === record.startTicks) this.remove(record.dir);
      },
    };
  }

  /** What is recorded of a directory, whether its process lives or not; null where nothing is. */
  find(dir: string): MountRecord | null {
    const record = readRecord(this.#pathOf(dir));
    return record?.dir === dir ? record : null;
  }

  /** Removes the record of a directory, if there is one. */
  remove(dir: string): void {
    rmSync(this.#pathOf(dir), { force: true });
  }

  /**
   * Removes the records of processes that have ended, unless their mount is still there.
   * @param mounts the kernel's table
   */
  prune(mounts: readonly KernelMount[]): void {
    for (const name of this.#names()) {
      const path = join(this.#folder, name);
      const record = readRecord(path);
      if (record !== null && (isRunning(record) || isAbout(record, mountAt(mounts, record.dir)))) continue;
      rmSync(path, { force: true });
    }
  }

  /**
   * Whether somebody serves a mount of ours; the mount is not touched.
   * @param mount of type `fuse.dlfs`
   */
  liveness(mount: KernelMount): Liveness {
    const record = this.find(mount.dir);
    if (record !== null && isAbout(record, mount)) {
      return isRunning(record) ? { kind: 'live', pid: record.pid, record } : { kind: 'dead', record };
    }
    const pid = holderOfConnection(mount.minor);
    return pid === null ? { kind: 'unknown' } : { kind: 'live', pid, record: null };
  }

  #makeFolder(): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const { uid, mode } = lstatSync(this.#folder);
      if (uid !== process.geteuid?.()) throw new Error(`it belongs to user ${uid}`);
      if ((mode & 0o777) !== 0o700) chmodSync(this.#folder, 0o700);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new DlfsError('privilege', `the records of mounts cannot be kept in ${this.#folder}: ${why}`, {
        cause: error,
      });
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => /^[0-9a-f]{16}\.json$/.test(name));
    } catch {
      return []; // not made yet, or not ours to read: no mounts of ours
    }
  }

  #pathOf(dir: string): string {
    return join(this.#folder, `${createHash('sha256').update(dir).digest('hex').slice(0, 16)}.json`);
  }
}

function readRecord(path: string): MountRecord | null {
  try {
    return RECORD.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

function isAbout(record: MountRecord, mount: KernelMount | null): boolean {
  return mount?.type === DLFS_TYPE && mount.device === record.device;
}

/**
 * The process that holds a FUSE connection's descriptor: newer kernels name the connection in the descriptor's fdinfo.
 * @returns null where no process is seen to, which older kernels make of every mount
 */
function holderOfConnection(minor: number): number | null {
  const mark = new RegExp(`^fuse_connection:\\s*${minor}$`, 'm');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        // The link's text alone: a descriptor's target is never opened.
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== '/dev/fuse') continue;
        if (mark.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))) return Number(pid);
      }
    } catch {
      // It ended, or is not ours to see.
    }
  }
  return null;
}
