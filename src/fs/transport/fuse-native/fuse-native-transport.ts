/**
 * The transport over the npm package fuse-native and libfuse 2: for comparison, and for kernels and sandboxes where a session of
 * ours cannot be had.
 *
 * Every request goes through the event loop, reads of resident blocks too; libfuse asks by path and answers a directory as a
 * whole. What cannot be kept is listed in docs/SEMANTICS.md, chapter 8. Names are fixed when the mount is made
 * (`FixedView`), since libfuse's means to tell the kernel of changes are out of reach: a refresh takes effect with the next mount.
 *
 * Invariants:
 * 1. Versions that the mount has shown stay in the index for as long as it lives: `lookups` says so of every inode.
 * 2. The event loop never waits for the mount: it is the one that answers.
 * 3. One mount for the life of the object; it cannot be mounted again.
 */
import { accessSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Timer } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import { makePublicDirectory } from '../../../base/public-directory.ts';
import type { Logger } from '../../../base/log.ts';
import type { NameChange, NodeRow } from '../../../cache/index/rows.ts';
import type { NativeHost } from '../../../native/host.ts';
import type { Names } from '../../names/names.ts';
import { noFuseDevice } from '../fuse-device.ts';
import { setReadahead } from '../readahead-knob.ts';
import { takeAwayDead, takeAwayFormer, unmountOrDetach, type DeviceAt } from '../seen-mount.ts';
import type { MountWish, Transport } from '../transport.ts';
import { MAX_TEXT, type FuseAddon } from './addon.ts';
import { Connection } from './connection.ts';
import { mountOptions } from './encode.ts';
import { Operations, tableOf } from './operations.ts';

/** What the transport is made of. */
export interface FuseNativeOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly addon: FuseAddon;
  readonly dir: string;
  /** The kernel can put a mount beneath another. */
  readonly mountBeneath: boolean;
  readonly deviceAt: DeviceAt;
  /** Fixed as of now. */
  readonly names: Names;
  readonly onOpen: (node: NodeRow) => void;
  readonly onTimeout: (ino: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** KiB: two requests of libfuse's size. One reader whose bytes do not come must not take all there are (`MAX_BACKGROUND`). */
const READ_AHEAD_KB = 256;
/** How long the kernel may take to send its first request. */
const READY_LIMIT_MS = 10_000;
/** How often it is looked whether the connection lives: nobody tells. */
const POLL_MS = 200;
/** How long readers of a detached mount may go on before they get errors. */
const DRAIN_MS = 1000;
const DRAIN_POLL_MS = 20;
/** fuse-native does not say who reads. */
const UNKNOWN_READER = 0;

/** See the file's header. */
export class FuseNativeTransport implements Transport {
  readonly ended: Promise<void>;
  readonly #o: FuseNativeOptions;
  readonly #resolveEnded: () => void;
  #operations: Operations | null = null;
  #connection: Connection | null = null;
  device: string | null = null;
  #poll: Timer | null = null;
  /** libfuse's memory of the mount. */
  readonly #memory: Buffer;
  #mounted = false;
  /** It is not seen at the directory any more. */
  #replaced = false;
  #ioTimeoutMs = 0;
  isBehind = false;

  constructor(options: FuseNativeOptions) {
    this.#o = options;
    this.#memory = Buffer.alloc(options.addon.sizeof_fuse_thread_t);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.ended = promise;
    this.#resolveEnded = () => {
      this.#poll?.[Symbol.dispose]();
      resolve(undefined);
    };
  }

  async mount(wish: MountWish): Promise<void> {
    const { clock, dir, log } = this.#o;
    const ready = Promise.withResolvers<undefined>();
    this.#ioTimeoutMs = wish.ioTimeoutMs;
    const operations = this.#operationsFor(wish, () => {
      ready.resolve(undefined);
    });
    this.#operations = operations;
    // libfuse looks at the directory that it mounts at, and one that we serve would wait for us.
    const at = wish.place === 'instead' ? mkdtempSync(join(tmpdir(), 'dlfs-mount-')) : dir;
    try {
      if (wish.place === 'ready') makePublicDirectory(dir);
      this.#start(at, wish, operations);
      using _limit = clock.startTimer(READY_LIMIT_MS, () => {
        ready.reject(new DlfsError('no-fuse', 'the kernel did not begin to use the mount that libfuse has made'));
      });
      const device = this.#o.deviceAt(at);
      if (device !== null && this.#connection !== null) this.#connection.device = device;
      if (at === dir) this.device = device;
      await ready.promise;
      if (at !== dir) this.device = this.#attach(at);
    } finally {
      if (at !== dir) this.#unstage(at);
    }
    this.#poll = clock
      .startInterval(POLL_MS, () => {
        if (this.#connection?.isOpen === true) return;
        if (!this.#replaced) takeAwayDead(this.#o, this.device);
        this.#resolveEnded();
      })
      .unref();
    log.debug('mounted by libfuse 2', { device: this.device });
    if (this.device !== null) await setReadahead(this.device, READ_AHEAD_KB, log);
  }

  /** Mounts at a directory where nothing of ours is seen. */
  #start(at: string, wish: MountWish, operations: Operations): void {
    const { addon } = this.#o;
    if (Buffer.byteLength(at) > MAX_TEXT)
      throw new DlfsError('invalid-argument', `${at} is too long a path for libfuse 2: ${MAX_TEXT} bytes at most`);
    const { handlers, implemented } = tableOf(addon, operations.handlers);
    const options = mountOptions(wish);
    try {
      accessSync('/dev/fuse');
    } catch (error) {
      throw noFuseDevice(error);
    }
    try {
      this.#connection = Connection.madeBy(() => {
        const held = { memory: this.#memory };
        addon.fuse_native_mount(at, options, this.#memory, held, (size) => Buffer.alloc(size), handlers, implemented);
      });
    } catch (error) {
      throw new DlfsError('no-fuse', `libfuse could not mount at ${at}; it has said why on standard error`, {
        cause: error,
      });
    }
    this.#mounted = true;
  }

  /** Shows the mount at its directory, in place of the one that is seen there. @returns its device */
  #attach(staged: string): string {
    const { host, dir, mountBeneath } = this.#o;
    const { errno, device } = host.binding.showMount(staged, dir, mountBeneath);
    if (errno !== 0) throw new DlfsError('internal', `mounting at ${dir} failed (errno ${errno})`);
    if (!mountBeneath) return device;
    takeAwayFormer(this.#o);
    return device;
  }

  #unstage(staged: string): void {
    const { host, deviceAt } = this.#o;
    if (deviceAt(staged) !== null) host.binding.unmount(staged, true);
    rmdirSync(staged);
  }

  replaced(): void {
    this.#replaced = true;
  }

  setIoTimeout(ioTimeoutMs: number): void {
    this.#ioTimeoutMs = ioTimeoutMs;
  }

  /** Every inode may be known to the kernel: libfuse does not tell which. */
  lookups(): number {
    return this.#connection?.isOpen === true ? 1 : 0;
  }

  /** Names are fixed, so that nothing need be told to the kernel; the user hears of it once. */
  forget(changes: readonly NameChange[], _directories: readonly number[], everything: boolean): Promise<void> {
    if (!this.isBehind && (everything || changes.length > 0)) {
      this.isBehind = true;
      this.#o.log.info('the source has changed: over fuse-native that is seen from the next mount on', {
        dir: this.#o.dir,
      });
    }
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#mounted) return;
    this.#mounted = false;
    const { addon, dir } = this.#o;
    if (this.#connection?.isOpen === true) {
      if (!this.#replaced) this.#unmount();
      if (!(await this.#drained())) await this.#connection.abort();
    }
    this.#operations?.close();
    addon.fuse_native_unmount(dir, this.#memory);
    this.#resolveEnded();
  }

  #operationsFor(wish: MountWish, onReady: () => void): Operations {
    const { addon, names, host, volume, onOpen, onTimeout, clock, log } = this.#o;
    return new Operations({
      addon,
      names,
      own: wish,
      read: (ino, offset, into) => host.read({ volume, ino, offset, reader: UNKNOWN_READER }, into, this.#ioTimeoutMs),
      ioTimeoutMs: () => this.#ioTimeoutMs,
      onReady,
      onOpen,
      onTimeout,
      clock,
      log,
    });
  }

  #unmount(): void {
    // Somebody else's mount may be seen there by now, or none.
    if (this.device !== null && this.#o.deviceAt(this.#o.dir) === this.device) unmountOrDetach(this.#o);
  }

  /** Whether the connection has ended in time. */
  async #drained(): Promise<boolean> {
    const { clock } = this.#o;
    for (const until = clock.monotonic() + DRAIN_MS; this.#connection?.isOpen === true;) {
      if (clock.monotonic() > until) return false;
      await clock.sleep(DRAIN_POLL_MS);
    }
    return true;
  }
}
