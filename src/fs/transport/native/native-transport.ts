/**
 * Our own transport: a session of the data plane on raw /dev/fuse, made, kept, told what changed, ended.
 *
 * Invariants: those of every transport (transport.ts).
 */
import { DlfsError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { NameChange, NodeRow } from '../../../cache/index/rows.ts';
import { EVENT, type NativeEvent } from '../../../native/events.ts';
import type { NativeHost } from '../../../native/host.ts';
import type { Names } from '../../names/names.ts';
import { setReadahead } from '../readahead-knob.ts';
import { ATTR_TTL, ENTRY_TTL, type MountWish, type Transport } from '../transport.ts';
import { NameRequests } from './name-requests.ts';

/** What the transport is made of. */
export interface NativeTransportOptions {
  readonly host: NativeHost;
  readonly volume: number;
  readonly dir: string;
  /** Whether the kernel can drop all names at once. */
  readonly incEpoch: boolean;
  readonly names: Names;
  /** A name was looked up: whoever opens it next may read from the kernel's cache alone. */
  readonly onLookup: (node: NodeRow) => void;
  /** A wait for this file has reached its limit. */
  readonly onTimeout: (ino: number) => void;
  readonly log: Logger;
}

const MAX_READAHEAD = 16 * 1024 * 1024;
const EPERM = 1;
const ENOENT = 2;
const EBUSY = 16;
const ENODEV = 19;

/** See the file's header. */
export class NativeTransport implements Transport {
  readonly ended: Promise<void>;
  readonly #o: NativeTransportOptions;
  readonly #resolveEnded: () => void;
  readonly #requests: NameRequests;
  #session = 0;
  #registration: Disposable | null = null;
  #live = false;

  constructor(options: NativeTransportOptions) {
    this.#o = options;
    const { host, names, onLookup, log } = options;
    this.#requests = new NameRequests({ engine: host.engine, names, onLookup, log });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.ended = promise;
    this.#resolveEnded = () => {
      this.#live = false;
      resolve(undefined);
    };
  }

  async mount(wish: MountWish): Promise<void> {
    const { host, volume, dir, log } = this.#o;
    const result = host.engine.mount(volume, {
      dir,
      allowOther: true,
      entryTtl: ENTRY_TTL,
      attrTtl: ATTR_TTL,
      maxReadahead: MAX_READAHEAD,
      ...wish,
    });
    if (result.errno !== 0) throw mountError(result.errno, result.step, dir);
    this.#session = result.session;
    this.#live = true;
    this.#requests.session = result.session;
    const ready = Promise.withResolvers<NativeEvent>();
    this.#registration = host.on(result.session, (event) => {
      if (event.type === EVENT.sessionReady) ready.resolve({ ...event });
      else if (event.type === EVENT.sessionEnd) {
        ready.reject(new DlfsError('no-fuse', 'the kernel ended the connection before it was ready'));
        this.#resolveEnded();
      } else if (event.type === EVENT.timeout) this.#o.onTimeout(event.b);
      else this.#requests.handle(event);
    });
    const agreed = await ready.promise;
    log.debug('mounted', { protocol: `7.${agreed.b}` });
    await setReadahead(dir, log);
  }

  /** References that the kernel holds to an inode. */
  lookups(ino: number): number {
    return this.#o.host.engine.lookupCount(this.#session, ino);
  }

  /** Tells the kernel which names mean something else now. */
  async forget(changes: readonly NameChange[], directories: readonly number[], everything: boolean): Promise<void> {
    if (!this.#live) return;
    const epoch = this.#o.incEpoch;
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
    const { host, dir, log } = this.#o;
    if (this.#live) {
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
