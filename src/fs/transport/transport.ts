/**
 * A transport: how the kernel's requests for one dataset reach us, and our answers the kernel.
 *
 * `native/` is ours: a session on raw /dev/fuse whose threads answer reads of resident blocks without JavaScript.
 * `fuse-native/` goes through the npm package of that name and libfuse 2: slower, and it cannot keep all that ours keeps
 * (docs/SEMANTICS.md, chapter 6).
 *
 * Invariants, of every transport:
 * 1. `mount` returns when the kernel has agreed on the protocol, or throws and leaves nothing mounted.
 * 2. The mounted path is never touched from this process.
 * 3. `ended` resolves once, whoever ended the connection.
 * 4. Disposal unmounts; when it is over, nobody is asked or answered any more.
 */
import type { KernelNames } from '../snapshot/kernel-names.ts';

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
}

/** See the file's header. */
export interface Transport extends KernelNames, AsyncDisposable {
  /** The connection has ended: somebody unmounted. */
  readonly ended: Promise<void>;
  /**
   * Mounts.
   * @throws DlfsError `no-fuse`, `privilege`, `mount-busy`, `not-found`, `unsupported`
   */
  mount(wish: MountWish): Promise<void>;
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
