/**
 * Ends a mount of ours from outside: what `dlfs umount` does.
 *
 * Invariants:
 * 1. Only a mount of type `fuse.dlfs` is ever unmounted.
 * 2. The mount is found in the kernel's table and never touched; `umount2` itself does not ask it.
 */
import { getSystemErrorName } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { formatDuration } from '../../base/duration.ts';
import { DLFS_TYPE, mountAt, readMounts, type KernelMount } from '../mountinfo.ts';
import { describeHolders, holdersOf, type Holder } from './holders.ts';
import { quoted } from './mount-point.ts';
import type { MountRegistry } from './mount-registry.ts';
import { isRunning, startTicksOf, type ProcessIdentity } from './process-identity.ts';
import { resolvePath } from './resolve-path.ts';

/** How long the serving process may take to write down what it holds and end. */
const EXIT_LIMIT_MS = 30_000;

/** How long a lazy unmount waits for it: longer only when somebody uses the mount who is not seen here. */
const LAZY_EXIT_LIMIT_MS = 3000;

/** How often it is looked at: the kernel announces the end of another's child to nobody. */
const POLL_MS = 20;

/** What unmounting needs. */
export interface UnmountParts {
  readonly registry: MountRegistry;
  readonly clock: Clock;
  /** umount2(2): an errno, 0 on success. */
  readonly unmount: (dir: string, lazy: boolean) => number;
}

/** How a mount ended. */
export interface Unmounted {
  readonly dir: string;
  readonly source: string;
  /** Whether its process has ended; if not, it does with the last user. */
  readonly ended: boolean;
  /** Processes that used it when a lazy one began. */
  readonly holders: readonly Holder[];
  /** Further directories where the same mount is seen, by bind mounts. */
  readonly elsewhere: readonly string[];
}

/**
 * Unmounts, and waits until the serving process has ended.
 * @param dir as the user wrote it
 * @param lazy take it out of the directory tree at once, also where it is in use; it ends with its last user
 * @throws DlfsError `not-a-mount`, `mount-busy` with who holds it, `privilege`, `timeout` where the process does not end
 */
export async function unmount(dir: string, lazy: boolean, parts: UnmountParts): Promise<Unmounted> {
  const { registry } = parts;
  const mount = ourMountAt(dir);
  const liveness = registry.liveness(mount);
  if (liveness.kind === 'live' && liveness.record?.daemon === true) {
    throw new DlfsError(
      'conflict',
      `${mount.dir} is served by the daemon (process ${liveness.pid}), which would mount it again: dlfs delete, or remove its manifest`,
    );
  }
  const pid = liveness.kind === 'live' ? liveness.pid : null;
  const startTicks = pid === null ? null : startTicksOf(pid);
  const holders = lazy ? await holdersOf(mount.dir) : [];
  // A dead mount cannot be waited for: whoever has files open there gets errors already.
  const errno = parts.unmount(mount.dir, lazy || liveness.kind === 'dead');
  if (errno !== 0) throw await failure(errno, mount);
  if (liveness.kind === 'dead') registry.remove(mount.dir);
  const elsewhere = readMounts()
    .filter(({ device, type }) => device === mount.device && type === DLFS_TYPE)
    .map((other) => other.dir);
  const result = { dir: mount.dir, source: mount.source, holders, elsewhere };
  if (pid === null || startTicks === null) return { ...result, ended: true };
  if (holders.length > 0 || elsewhere.length > 0) return { ...result, ended: false };
  const ended = await hasEnded({ pid, startTicks }, lazy ? LAZY_EXIT_LIMIT_MS : EXIT_LIMIT_MS, parts.clock);
  if (ended || lazy) return { ...result, ended };
  throw new DlfsError(
    'timeout',
    `${mount.dir} is unmounted, but its process ${pid} has not ended after ${formatDuration(EXIT_LIMIT_MS)}; its log says why`,
  );
}

function ourMountAt(dir: string): KernelMount {
  const mounts = readMounts();
  const { path, kind, mount } = resolvePath(dir, mounts);
  if (mount?.type === DLFS_TYPE) return mount;
  if (kind === 'missing')
    throw new DlfsError('not-a-mount', `there is no ${path}; mounts of dlfs are listed by: findmnt -t ${DLFS_TYPE}`);
  if (mount !== null)
    throw new DlfsError(
      'not-a-mount',
      `${path} is a mount of ${mount.source} (${mount.type}), not of dlfs; use umount`,
    );
  throw new DlfsError(
    'not-a-mount',
    `nothing is mounted at ${path}; mounts of dlfs are listed by: findmnt -t ${DLFS_TYPE}`,
  );
}

async function failure(errno: number, mount: KernelMount): Promise<DlfsError> {
  const name = getSystemErrorName(-errno);
  if (name === 'EPERM') return new DlfsError('privilege', `unmounting ${mount.dir} takes root (CAP_SYS_ADMIN)`);
  if (name === 'EINVAL' && mountAt(readMounts(), mount.dir) === null) {
    return new DlfsError('not-a-mount', `${mount.dir} was unmounted by somebody else just now`);
  }
  if (name !== 'EBUSY') return new DlfsError('internal', `unmounting ${mount.dir} failed: ${name}`);
  const holders = await holdersOf(mount.dir);
  const lazy = `dlfs umount --lazy ${quoted(mount.dir)} detaches it all the same`;
  if (holders.length === 0) {
    return new DlfsError(
      'mount-busy',
      `${mount.dir} is in use, by a process or another mount that is not seen here; ${lazy}`,
    );
  }
  return new DlfsError('mount-busy', `${mount.dir} is in use by ${describeHolders(holders)}; end them, or: ${lazy}`);
}

async function hasEnded(identity: ProcessIdentity, limitMs: number, clock: Clock): Promise<boolean> {
  const deadline = clock.monotonic() + limitMs;
  while (isRunning(identity)) {
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
}
