/**
 * The process of one mount, from the check of its mount point to its last line.
 *
 * Steps: claim the mount point → check it → replace what a crash left there → serve → record → announce → wait for a
 * signal or for somebody to unmount → unmount → write down what is held → end.
 *
 * Invariants:
 * 1. When it ends, for whatever reason short of SIGKILL, nothing is mounted and nothing recorded.
 * 2. The first SIGTERM, SIGINT or SIGHUP ends it gracefully, the second at once; then what was not written down yet is
 *    fetched again some day.
 * 3. The mount is never touched from here.
 */
import { getSystemErrorName } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { EXIT } from '../../base/errors/exit.ts';
import { formatDuration } from '../../base/duration.ts';
import type { Logger } from '../../base/log.ts';
import type { NativeBinding } from '../../native/binding.ts';
import { DLFS_TYPE, mountAt, readMounts } from '../mountinfo.ts';
import { describeHolders, holdersOf } from '../registry/holders.ts';
import { checkMountPoint, type MountPoint } from '../registry/mount-point.ts';
import type { MountRegistry } from '../registry/mount-registry.ts';
import { ownIdentity } from '../registry/process-identity.ts';
import type { Serving } from '../serve.ts';
import { StopSignals } from './stop-signals.ts';

/** How long readers may keep the mount busy after it was told to end; service managers kill after 90 s. */
const BUSY_LIMIT_MS = 10_000;

/** Between tries of a busy mount: the kernel does not tell when its last user has gone. */
const BUSY_POLL_MS = 200;

/** How long the kernel may take to end the connection after the unmount. */
const ENDED_LIMIT_MS = 5000;

/** What the process is made of. */
export interface MountProcessOptions {
  /** As the user wrote it. */
  readonly dir: string;
  readonly logPath: string | null;
  readonly registry: MountRegistry;
  readonly native: NativeBinding;
  readonly clock: Clock;
  readonly log: Logger;
  /** Mounts at the directory, which is given absolute and free of links, and serves. */
  readonly serve: (dir: string) => Promise<Serving>;
  /** Told once it serves. */
  readonly onReady: (dir: string, serving: Serving) => void;
}

/**
 * Serves until it is told to end or somebody unmounts.
 * @throws DlfsError for everything that keeps it from serving; told to end before that, the process exits
 */
export async function runMountProcess(options: MountProcessOptions): Promise<void> {
  const { registry, native, log } = options;
  using stop = new StopSignals();
  registry.prune(readMounts());
  const { dir } = checkMountPoint(options.dir, readMounts(), registry);
  let serving: Serving;
  {
    // Between the check and the mount lies a conversation with the origin: nobody else may mount there meanwhile.
    using claim = registry.claim(dir, (fd) => native.lock(fd));
    // Again, now that nobody else is at it.
    replaceDead(checkMountPoint(dir, readMounts(), registry), options);
    serving = await served(dir, options, stop, claim);
  }
  await using _serving = serving;
  const device = mountAt(readMounts(), dir)?.device ?? null;
  using recorded = record(dir, device, serving, options);
  log.info('serving', { dir, source: serving.describe, open: serving.openMode, cache: serving.cacheFolder });
  options.onReady(dir, serving);
  const ended = serving.ended.then(() => null);
  const signal = await stop.orElse(ended);
  if (signal === null) {
    log.info('the mount was ended from outside', { dir });
    return;
  }
  log.info('told to end', { dir, signal });
  using _atOnce = stop.onEach(() => {
    log.warn('told to end again: at once', { dir });
    // Somebody else's, when ours is gone already.
    if (mountAt(readMounts(), dir)?.device === device) native.unmount(dir, true);
    recorded[Symbol.dispose]();
    process.exit(EXIT.ok);
  });
  await unmount(dir, options);
  // The connection's end reaches us by the data plane; before that, the disposal would unmount once more.
  await connectionEnd(dir, serving, options);
}

function connectionEnd(dir: string, serving: Serving, { clock, log }: MountProcessOptions): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.startTimer(ENDED_LIMIT_MS, () => {
      log.warn('somebody still uses the detached mount: readers get errors from here on', { dir });
      resolve();
    });
    void serving.ended.then(() => {
      timer[Symbol.dispose]();
      resolve();
    });
  });
}

/** `serve`, cut short by a signal. */
async function served(
  dir: string,
  options: MountProcessOptions,
  stop: StopSignals,
  claim: Disposable,
): Promise<Serving> {
  using _early = stop.onEach(() => {
    // The way through serve() may wait for the origin; before it has mounted, the kernel's own cleaning up is complete.
    if (mountAt(readMounts(), dir)?.type === DLFS_TYPE) options.native.unmount(dir, true);
    claim[Symbol.dispose]();
    options.log.info('told to end before it served', { dir });
    process.exit(EXIT.interrupted);
  });
  return await options.serve(dir);
}

function replaceDead({ dir, dead }: MountPoint, { native, registry, log }: MountProcessOptions): void {
  if (dead === null) return;
  log.warn('replacing a dead mount', { dir, source: dead.source });
  const errno = native.unmount(dir, true);
  if (errno !== 0) {
    const code = getSystemErrorName(-errno) === 'EPERM' ? 'privilege' : 'mount-busy';
    throw new DlfsError(
      code,
      `the dead mount of ${dead.source} at ${dir} could not be taken away (${getSystemErrorName(-errno)})`,
    );
  }
  registry.remove(dir);
}

function record(
  dir: string,
  device: string | null,
  serving: Serving,
  { registry, log, logPath }: MountProcessOptions,
): Disposable {
  if (device === null) return { [Symbol.dispose]: () => undefined }; // unmounted already: `ended` says so
  const { describe, cacheFolder } = serving;
  return registry.add(
    { ...ownIdentity(), dir, device, source: describe, cacheFolder, log: logPath, daemon: false },
    (error) => {
      log.warn('the mount could not be recorded: after a crash it must be unmounted by hand', { err: error });
    },
  );
}

/** Unmounts; while it is in use, waits; when that takes too long, detaches it. */
async function unmount(dir: string, { native, clock, log }: MountProcessOptions): Promise<void> {
  const deadline = clock.monotonic() + BUSY_LIMIT_MS;
  for (let said = false; ;) {
    const errno = native.unmount(dir, false);
    if (errno === 0) return;
    const name = getSystemErrorName(-errno);
    if (name === 'EINVAL') return; // nothing is mounted there any more
    if (name !== 'EBUSY' || clock.monotonic() > deadline) {
      native.unmount(dir, true);
      log.warn('the mount is detached although it is in use: its readers get errors from here on', {
        dir,
        errno: name,
      });
      return;
    }
    if (!said) {
      said = true;
      const holders = describeHolders(await holdersOf(dir));
      log.info(
        `the mount is in use by ${holders === '' ? 'a process that is not seen here' : holders}; waiting ${formatDuration(BUSY_LIMIT_MS)}`,
        { dir },
      );
    }
    await clock.sleep(BUSY_POLL_MS);
  }
}
