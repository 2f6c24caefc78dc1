/**
 * A transport: how the kernel's requests for one dataset reach us, and our answers the kernel.
 *
 * `native/` is ours: a session on raw /dev/fuse whose threads answer reads of resident blocks without JavaScript.
 * `fuse-native/` goes through the npm package of that name and libfuse 2: slower, and it cannot keep all that ours keeps
 * (docs/SEMANTICS.md, chapter 8).
 *
 * Invariants, of every transport:
 * 1. `mount` returns when the kernel has agreed on the protocol, or throws and leaves nothing mounted.
 * 2. The mounted path is never touched from this process.
 * 3. `ended` resolves once, whoever ended the connection.
 * 4. Disposal unmounts; when it is over, nobody is asked or answered any more.
 * 5. A connection that was aborted (`/sys/fs/fuse/connections/N/abort`) leaves no dead mount: it is taken away before `ended`
 *    resolves.
 */
import type { KernelNames } from '../snapshot/kernel-names.ts';

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
  /** Permission bits. */
  readonly fileMode: number;
  readonly dirMode: number;
  /** 0: wait for ever. */
  readonly ioTimeoutMs: number;
  readonly place: MountPlace;
}

/** See the file's header. */
export interface Transport extends KernelNames, AsyncDisposable {
  /** The connection has ended: somebody unmounted. */
  readonly ended: Promise<void>;
  /** `major:minor` of the mount; null before it is at its directory. */
  readonly device: string | null;
  /** Whether it goes on showing names that mean something else by now: another mount would show what they mean. */
  readonly isBehind: boolean;
  /**
   * Mounts.
   * @throws DlfsError `no-fuse`, `privilege`, `mount-busy`, `not-found`, `unsupported`
   */
  mount(wish: MountWish): Promise<void>;
  /** Another mount has taken its place: it goes on for those who hold something of it, and ends with the last of them. */
  replaced(): void;
  /** Another limit for waits, milliseconds; 0: wait for ever. */
  setIoTimeout(ioTimeoutMs: number): void;
}

/** One of the transports, as `--transport` takes it. */
export type TransportName = 'native' | 'fuse-native';

/**
 * Seconds for which the kernel answers a name itself. A changed listing is told to it, or cannot change, so this only bounds how
 * long a file that is read from the kernel's cache alone can look unused to eviction.
 */
export const ENTRY_TTL = 600;

/** Seconds for which the kernel answers attributes itself. */
export const ATTR_TTL = 86_400;
