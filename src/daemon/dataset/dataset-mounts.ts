/**
 * The mounts of a dataset at its directory: the one that is seen there, and those before it that somebody still holds.
 *
 * A mount's owner, modes and way of opening are fixed when it is made. To change them another one takes its place, on the same
 * volume; the one before goes on for those who have files open or work in it, and ends with the last of them.
 *
 * Invariants:
 * 1. Once the first mount is made, the directory shows a mount of the dataset until `unmount` or disposal.
 * 2. What changed is told to every mount that lives; an inode counts as known while any of them knows it.
 * 3. `ended` resolves when the last of them has ended; a mount made after that has another.
 */
import { constants } from 'node:os';
import { DlfsError } from '../../base/errors.ts';
import type { NameChange } from '../../cache/index/rows.ts';
import type { KernelNames } from '../../fs/snapshot/kernel-names.ts';
import type { MountWish, Transport } from '../../fs/transport/transport.ts';
import type { NativeHost } from '../../native/host.ts';

/** What mounts are made of. */
export interface DatasetMountsOptions {
  readonly host: NativeHost;
  readonly dir: string;
  /** Makes what serves one mount. */
  readonly make: () => Transport;
}

/** See the file's header. Disposing it unmounts and ends all. */
export class DatasetMounts implements KernelNames, AsyncDisposable {
  readonly #o: DatasetMountsOptions;
  #ended = Promise.withResolvers<undefined>();
  #hasEnded = false;
  /** The one that is seen comes last. */
  readonly #live: Transport[] = [];
  #isMounting = false;
  /** Settles when the mounting that was asked for last is over. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: DatasetMountsOptions) {
    this.#o = options;
  }

  /** See invariant 3. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** `major:minor` of the mount that is seen; null where none is. */
  get device(): string | null {
    return this.#live.at(-1)?.device ?? null;
  }

  /** How many mounts live; more than one while somebody holds an older one. */
  get count(): number {
    return this.#live.length;
  }

  /** Whether the mount that is seen shows names as they were; see `Transport.isBehind`. */
  get isBehind(): boolean {
    return this.#live.at(-1)?.isBehind ?? false;
  }

  /** Mounts, in place of the mount before, if there is one. @throws DlfsError as `Transport.mount`; that one stays then */
  mount(wish: MountWish): Promise<void> {
    const mounted = this.#turn.then(() => this.#mount(wish));
    this.#turn = mounted.catch(() => undefined);
    return mounted;
  }

  async #mount(wish: MountWish): Promise<void> {
    const session = this.#o.make();
    const before = this.#live.at(-1);
    let isMounted = false;
    this.#isMounting = true;
    try {
      await session.mount(wish);
      isMounted = true;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    } finally {
      this.#isMounting = false;
      // The last one ended while another was to take its place.
      if (before !== undefined && this.#live.length === 0 && !isMounted) this.#end();
    }
    before?.replaced();
    this.#live.push(session);
    if (this.#hasEnded) this.#ended = Promise.withResolvers<undefined>();
    this.#hasEnded = false;
    void session.ended.then(() => this.#endedOne(session));
  }

  /**
   * Takes the mount away from the directory.
   * @param lazy also where it is in use: it goes on for those who hold something of it
   * @throws DlfsError `mount-busy` where it is in use, `internal`
   */
  unmount(lazy: boolean): void {
    const session = this.#live.at(-1);
    if (session === undefined) return;
    const { host, dir } = this.#o;
    const errno = host.binding.unmount(dir, lazy);
    if (errno === constants.errno.EBUSY) throw new DlfsError('mount-busy', `${dir} is in use`);
    // EINVAL: somebody else has unmounted it.
    if (errno !== 0 && errno !== constants.errno.EINVAL)
      throw new DlfsError('internal', `${dir} could not be unmounted (errno ${errno})`);
    session.replaced();
  }

  /** Another dataset's mount has taken the place of these. */
  replaced(): void {
    for (const session of this.#live) session.replaced();
  }

  /** Another limit for waits, milliseconds; 0: wait for ever. */
  setIoTimeout(ioTimeoutMs: number): void {
    for (const session of this.#live) session.setIoTimeout(ioTimeoutMs);
  }

  lookups(ino: number): number {
    return this.#live.reduce((sum, session) => sum + session.lookups(ino), 0);
  }

  async forget(changes: readonly NameChange[], directories: readonly number[], everything: boolean): Promise<void> {
    await Promise.all(this.#live.map((session) => session.forget(changes, directories, everything)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#live.toReversed()) await session[Symbol.asyncDispose]();
    this.#end();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#ended.resolve(undefined);
  }

  #endedOne(session: Transport): void {
    const at = this.#live.indexOf(session);
    if (at >= 0) this.#live.splice(at, 1);
    void session[Symbol.asyncDispose]();
    if (this.#live.length === 0 && !this.#isMounting) this.#end();
  }
}
