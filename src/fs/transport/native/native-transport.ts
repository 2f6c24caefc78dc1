/**
 * Our own transport: a session of the data plane on raw /dev/fuse, made, kept, told what changed, ended.
 *
 * Invariants: those of every transport (transport.ts).
 */
import { DlfsError } from '../../../base/errors.ts';
import { makePublicDirectory } from '../../../base/public-directory.ts';
import type { Logger } from '../../../base/log.ts';
import type { NameChange, NodeRow } from '../../../cache/index/rows.ts';
import { EVENT, type NativeEvent } from '../../../native/events.ts';
import type { NativeHost } from '../../../native/host.ts';
import type { Names } from '../../names/names.ts';
import { noFuseDevice } from '../fuse-device.ts';
import { setReadahead } from '../readahead-knob.ts';
import { takeAwayDead, takeAwayFormer, unmountOrDetach, type DeviceAt } from '../seen-mount.ts';
import { ATTR_TTL, ENTRY_TTL, type MountPlace, type MountWish, type Transport } from '../transport.ts';
import { NameRequests } from './name-requests.ts';

/** What the transport is made of. */
export interface NativeTransportOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly dir: string;
  readonly kernel: {
    /** It can drop all names at once. */
    readonly incEpoch: boolean;
    /** It can put a mount beneath another. */
    readonly mountBeneath: boolean;
  };
  readonly deviceAt: DeviceAt;
  readonly names: Names;
  /** A name was looked up: whoever opens it next may read from the kernel's cache alone. */
  readonly onLookup: (node: NodeRow) => void;
  /** A wait for this file has reached its limit. */
  readonly onTimeout: (ino: number) => void;
  readonly log: Logger;
  /** Of requests about names that fail. */
  readonly namesLog: Logger;
}

const MAX_READAHEAD = 16 * 1024 * 1024;
/** KiB: 4 MiB keep four READs of the largest size in flight. */
const READ_AHEAD_KB = 4096;
const EPERM = 1;
const ENOENT = 2;
const EBUSY = 16;
const ENODEV = 19;

/** See the file's header. */
export class NativeTransport implements Transport {
  readonly ended: Promise<void>;
  /** The kernel is told of every change. */
  readonly isBehind = false;
  readonly #o: NativeTransportOptions;
  readonly #resolveEnded: () => void;
  readonly #requests: NameRequests;
  #session = 0;
  #registration: Disposable | null = null;
  #live = false;
  /** It has come to its directory; before that, what is seen there is another's. */
  #isPlaced = false;
  /** `major:minor` of the mount; null before it is at its directory. */
  device: string | null = null;
  /** It is not seen at the directory any more: another mount has taken its place. */
  #replaced = false;

  constructor(options: NativeTransportOptions) {
    this.#o = options;
    const { host, names, onLookup, namesLog } = options;
    this.#requests = new NameRequests({ engine: host.engine, names, onLookup, log: namesLog });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.ended = promise;
    this.#resolveEnded = () => {
      this.#live = false;
      resolve(undefined);
    };
  }

  async mount(wish: MountWish): Promise<void> {
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
    this.#isPlaced = place === 'empty';
    this.#requests.session = result.session;
    const ready = Promise.withResolvers<NativeEvent>();
    this.#registration = host.on(result.session, (event) => {
      if (event.type === EVENT.sessionReady) ready.resolve({ ...event });
      else if (event.type === EVENT.sessionEnd) {
        ready.reject(new DlfsError('no-fuse', 'the kernel ended the connection before it was ready'));
        if (this.#live) takeAwayDead(this.#o, this.device);
        this.#resolveEnded();
      } else if (event.type === EVENT.timeout) this.#o.onTimeout(event.b);
      else this.#requests.handle(event);
    });
    const agreed = await ready.promise;
    log.debug('mounted', { protocol: `7.${agreed.b}` });
    const device = place === 'empty' ? this.#o.deviceAt(dir) : this.#attach(place);
    this.device = device;
    if (device !== null) await setReadahead(device, READ_AHEAD_KB, log);
  }

  /** @returns the device of the mount, which is at the directory now */
  #attach(place: Exclude<MountPlace, 'empty'>): string {
    const { host, dir, kernel } = this.#o;
    const beneath = place === 'instead' && kernel.mountBeneath;
    if (place === 'ready') makePublicDirectory(dir);
    const { errno, device } = host.engine.attachMount(this.#session, dir, beneath);
    if (errno !== 0) throw mountError(errno, 'attach', dir);
    this.#isPlaced = true;
    if (!beneath) return device;
    takeAwayFormer(this.#o);
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session === 0) return;
    if (this.#live && this.#isPlaced && !this.#replaced) unmountOrDetach(this.#o);
    this.#o.host.engine.removeSession(this.#session);
    this.#registration?.[Symbol.dispose]();
    this.#resolveEnded();
  }
}

function mountError(errno: number, step: string, dir: string): DlfsError {
  if (step === 'open /dev/fuse') {
    if (errno === ENOENT || errno === ENODEV) return noFuseDevice();
    return new DlfsError('privilege', `/dev/fuse cannot be opened (errno ${errno}): run as root`);
  }
  if (errno === EPERM) return new DlfsError('privilege', `mounting at ${dir} needs root (CAP_SYS_ADMIN)`);
  if (errno === ENOENT) return new DlfsError('not-found', `the directory ${dir} does not exist: mkdir -p ${dir}`);
  if (errno === EBUSY) return new DlfsError('mount-busy', `${dir} is busy`);
  return new DlfsError('internal', `mounting at ${dir} failed (errno ${errno})`);
}
