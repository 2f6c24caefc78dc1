/**
 * The mount of one dataset: made, kept, told what changed, ended.
 *
 * Invariants:
 * 1. `mount` returns when the kernel has agreed on the protocol, or throws and leaves nothing mounted.
 * 2. The mounted path is never touched from this process.
 * 3. `ended` resolves once, whoever ended the connection.
 * 4. A connection that was aborted (`/sys/fs/fuse/connections/N/abort`) leaves no dead mount: it is taken away before `ended`
 *    resolves.
 */
import { mkdirSync } from 'node:fs';
import { DlfsError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { KernelNames } from '../fs/snapshot/kernel-names.ts';
import type { NameChange } from '../cache/index/rows.ts';
import { mountAt, readMounts } from './mountinfo.ts';
import { EVENT, type NativeEvent } from '../native/events.ts';
import type { NativeHost } from '../native/host.ts';
import type { KernelFeatures } from './kernel.ts';
import { deviceOf, setReadahead } from './readahead-knob.ts';

/** What a session is made of. */
export interface SessionOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly dir: string;
  readonly kernel: Pick<KernelFeatures, 'incEpoch' | 'mountBeneath'>;
  readonly log: Logger;
}

/**
 * Where the mount goes.
 *
 * - `empty`: to a directory where nothing is mounted.
 * - `ready`: the same, but nobody sees it before it can answer. The directory is made where it is missing, in the moment before: an
 *   empty one would pass for an empty dataset.
 * - `instead`: in place of the mount that is seen there, in one step: whoever looks sees the one or the other, never the
 *   directory below. On kernels before 6.5 it goes over that one, which stays below until this one is unmounted.
 */
export type MountPlace = 'empty' | 'ready' | 'instead';

/** How to mount. */
export interface MountWish {
  /** What `mount` and `df` show. */
  readonly source: string;
  readonly passthrough: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly dirMode: number;
  readonly ioTimeoutMs: number;
  readonly place: MountPlace;
}

/**
 * Seconds for which the kernel answers a name itself. A changed listing is told to it, so this only bounds how long a file that
 * is read from the kernel's cache alone can look unused to eviction.
 */
const ENTRY_TTL = 600;
const ATTR_TTL = 86_400;
/** Of directories that are made for mounts. */
const DIRECTORY_MODE = 0o755;
const MAX_READAHEAD = 16 * 1024 * 1024;
const EPERM = 1;
const ENOENT = 2;
const EBUSY = 16;
const ENODEV = 19;

/** See the file's header. */
export class MountedSession implements KernelNames, AsyncDisposable {
  readonly ended: Promise<void>;
  readonly #o: SessionOptions;
  readonly #resolveEnded: () => void;
  #handle: (event: NativeEvent) => void = () => undefined;
  #session = 0;
  #registration: Disposable | null = null;
  #live = false;
  /** `major:minor` of the mount; null before it is at its directory. */
  device: string | null = null;
  /** It is not seen at the directory any more: another mount has taken its place. */
  #replaced = false;

  constructor(options: SessionOptions) {
    this.#o = options;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.ended = promise;
    this.#resolveEnded = () => {
      this.#live = false;
      resolve(undefined);
    };
  }

  /** Who answers requests; set before `mount`. */
  onRequest(handle: (event: NativeEvent) => void): void {
    this.#handle = handle;
  }

  /**
   * Mounts.
   * @param onNumber is given the session's number before its first request is handled
   * @throws DlfsError `no-fuse`, `privilege`, `mount-busy`, `not-found`
   */
  async mount(wish: MountWish, onNumber: (session: number) => void): Promise<void> {
    const { host, volume, dir, log } = this.#o;
    const { place, ...request } = wish;
    const result = host.engine.mount(volume, {
      dir,
      allowOther: true,
      detached: place !== 'empty',
      entryTtl: ENTRY_TTL,
      attrTtl: ATTR_TTL,
      maxReadahead: MAX_READAHEAD,
      ...request,
    });
    if (result.errno !== 0) throw mountError(result.errno, result.step, dir);
    this.#session = result.session;
    this.#live = true;
    onNumber(result.session);
    const ready = Promise.withResolvers<NativeEvent>();
    this.#registration = host.on(result.session, (event) => {
      if (event.type === EVENT.sessionReady) ready.resolve({ ...event });
      else if (event.type === EVENT.sessionEnd) {
        ready.reject(new DlfsError('no-fuse', 'the kernel ended the connection before it was ready'));
        this.#takeAwayDead();
        this.#resolveEnded();
      } else this.#handle(event);
    });
    const agreed = await ready.promise;
    log.debug('mounted', { protocol: `7.${agreed.b}` });
    const device = place === 'empty' ? await deviceOf(dir) : this.#attach(place);
    this.device = device;
    if (device !== null) await setReadahead(device, log);
  }

  /** @returns the device of the mount, which is at the directory now */
  #attach(place: Exclude<MountPlace, 'empty'>): string {
    const { host, dir, log, kernel } = this.#o;
    const { engine, binding } = host;
    const beneath = place === 'instead' && kernel.mountBeneath;
    if (place === 'ready') mkdirSync(dir, { recursive: true, mode: DIRECTORY_MODE });
    const { errno, device } = engine.attachMount(this.#session, dir, beneath);
    if (errno !== 0) throw mountError(errno, 'attach', dir);
    if (!beneath) return device;
    const left = binding.unmount(dir, true);
    if (left !== 0) log.warn('the mount before this one could not be taken away', { dir, errno: left });
    return device;
  }

  /** Another mount has taken its place: it goes on for those who hold something of it, and ends with the last of them. */
  replaced(): void {
    this.#replaced = true;
  }

  /** Another limit for waits, milliseconds; 0: wait for ever. */
  setIoTimeout(ioTimeoutMs: number): void {
    if (this.#live) this.#o.host.engine.setIoTimeout(this.#session, ioTimeoutMs);
  }

  /** References that the kernel holds to an inode. */
  lookups(ino: number): number {
    return this.#o.host.engine.lookupCount(this.#session, ino);
  }

  /** Tells the kernel which names mean something else now. */
  async forget(changes: readonly NameChange[], directories: readonly number[], everything: boolean): Promise<void> {
    if (!this.#live) return;
    const epoch = this.#o.kernel.incEpoch;
    const named = epoch ? [] : changes;
    if (!epoch && everything) {
      this.#o.log.warn(
        'too many changes to tell this kernel one by one: some names show their old version until they expire',
        {
          seconds: ENTRY_TTL,
        },
      );
    }
    await this.#o.host.task((task) => {
      this.#o.host.engine.invalidate(
        this.#session,
        task,
        epoch,
        Float64Array.from(directories),
        Float64Array.from(named, (change) => change.parent),
        named.map((change) => change.name),
      );
    });
  }

  /** The connection has ended: what is still mounted there is dead, and would answer everybody with ENOTCONN. */
  #takeAwayDead(): void {
    const { host, dir, log } = this.#o;
    if (!this.#live || this.device === null || mountAt(readMounts(), dir)?.device !== this.device) return;
    const errno = host.binding.unmount(dir, true);
    log.error(
      errno === 0
        ? 'the connection to the kernel was aborted from outside: the dead mount is taken away'
        : 'the connection to the kernel was aborted from outside, and the dead mount could not be taken away: umount -l',
      { dir, ...(errno === 0 ? {} : { errno }) },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session === 0) return;
    const { host, dir, log } = this.#o;
    if (this.#live && !this.#replaced) {
      // Whoever still reads keeps the mount busy: then it is detached, and ends when they let go of it.
      const errno = host.binding.unmount(dir, false);
      if (errno !== 0) {
        log.warn('the mount is in use: it is detached, and readers get errors from here on', { dir, errno });
        host.binding.unmount(dir, true);
      }
    }
    host.engine.removeSession(this.#session);
    this.#registration?.[Symbol.dispose]();
    this.#resolveEnded();
  }
}

function mountError(errno: number, step: string, dir: string): DlfsError {
  if (step === 'open /dev/fuse') {
    if (errno === ENOENT || errno === ENODEV) {
      return new DlfsError(
        'no-fuse',
        'there is no /dev/fuse: load the module (modprobe fuse), or give the container the device',
      );
    }
    return new DlfsError('privilege', `/dev/fuse cannot be opened (errno ${errno}): run as root`);
  }
  if (errno === EPERM) return new DlfsError('privilege', `mounting at ${dir} needs root (CAP_SYS_ADMIN)`);
  if (errno === ENOENT) return new DlfsError('not-found', `the directory ${dir} does not exist: mkdir -p ${dir}`);
  if (errno === EBUSY) return new DlfsError('mount-busy', `${dir} is busy`);
  return new DlfsError('internal', `mounting at ${dir} failed (errno ${errno})`);
}
