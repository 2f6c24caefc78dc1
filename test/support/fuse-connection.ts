/**
 * The hard end of a FUSE mount, without touching it: abort the kernel's connection, then take the mount away.
 *
 * A call on a mount whose daemon hangs blocks its caller for good; so nothing here looks at the mount point. The table of
 * mounts gives the connection's number, writing to its `abort` file makes every waiting call fail, and only then is the
 * mount detached.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { execute } from '../posix/execute.ts';
import { TempDir } from './files.ts';
import { mountAt, parseMountinfo, type MountEntry } from './mount-table.ts';

/** Where the control file system of FUSE usually is; not every machine mounts it. */
const CONTROL = '/sys/fs/fuse/connections';

/** MNT_DETACH. umount(8) looks at the mount point first; this does not. */
const DETACH =
  'import ctypes,os,sys;r=ctypes.CDLL(None,use_errno=True).umount2(os.fsencode(sys.argv[1]),2);sys.exit(r!=0)';

/** What is mounted at a directory now, from the kernel's table. */
export async function mountedAt(dir: string): Promise<MountEntry | null> {
  return mountAt(parseMountinfo(await readFile('/proc/self/mountinfo')), dir);
}

/**
 * Aborts the FUSE connection behind a mount and detaches all that is mounted at the directory (needs root).
 * @returns whether there was anything
 */
export async function abortAndDetach(dir: string): Promise<boolean> {
  let found = false;
  for (let entry = await mountedAt(dir); entry !== null; entry = await mountedAt(dir)) {
    found = true;
    if (entry.type.startsWith('fuse')) await abort(entry.minor);
    try {
      await execute('python3', ['-c', DETACH, dir]);
    } catch (error) {
      // A process of ours that finds its connection aborted takes its mount away by itself.
      if ((await mountedAt(dir))?.minor === entry.minor) throw error;
    }
  }
  return found;
}

/** Aborts a FUSE connection by the minor number of its device: every call on it fails from then on (needs root). */
export async function abort(minor: number): Promise<void> {
  try {
    await writeFile(`${CONTROL}/${String(minor)}/abort`, '1');
    return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // Not mounted here, or the connection is gone already: a mount of the control file system of our own tells which.
  await using temp = await TempDir.create('fusectl');
  await execute('mount', ['-t', 'fusectl', 'none', temp.path]);
  try {
    await writeFile(temp.join(String(minor), 'abort'), '1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    await execute('umount', [temp.path]);
  }
}
