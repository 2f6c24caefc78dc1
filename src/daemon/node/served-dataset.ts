/**
 * One dataset of the node, from what is wanted of it to what is served.
 *
 * `want` says how it should be, as often as that changes; a worker makes it so, one step at a time, and tries again what fails. A
 * change is taken over by the running server where that can do it, else by another mount in the place of the one before; a change
 * of the source makes another generation, whose mount takes the place of the old one's. The old one goes on for those who hold
 * something of it, and ends with the last of them.
 *
 * Invariants:
 * 1. At most one step is under way; the last thing that was wanted is what is made.
 * 2. Once the directory shows a mount, it shows one until the dataset is retired or stopped: a reader of the path sees the old
 *    mount or the new one.
 * 3. A failure concerns this dataset alone: it is a condition, and is tried again with growing pauses.
 * 4. A generation's cache goes when its last user has gone, unless it is to be kept.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { identityOf } from '../../cache/folder/fingerprint.ts';
import type { MountPlace } from '../../fs/transport/transport.ts';
import { DatasetServer } from '../dataset/dataset-server.ts';
import type { DatasetOptions } from '../dataset/dataset-options.ts';
import { describeHolders, holdersOf } from '../registry/holders.ts';
import type { MountRegistry } from '../registry/mount-registry.ts';
import { ownIdentity } from '../registry/process-identity.ts';
import { Conditions } from './conditions.ts';
import { camel, observe } from './dataset-health.ts';
import type { DataPlane, DataPlaneDependencies } from './data-plane.ts';
import type { DatasetDirectories } from './dataset-directory.ts';
import { generationId, markFolder, removeFolder, type Generation } from './generation.ts';
import { RecentErrors } from './recent-errors.ts';

/** How a dataset should be served. */
export type DatasetSpec = Pick<
  DatasetOptions,
  | 'source'
  | 'quota'
  | 'blockSize'
  | 'open'
  | 'uid'
  | 'gid'
  | 'fileMode'
  | 'dirMode'
  | 'refreshMs'
  | 'ioTimeoutMs'
  | 'listLimit'
  | 'prefetch'
>;

/** What a dataset is served with. */
export interface ServedDatasetOptions {
  /** `NAMESPACE/NAME` or `NAME`. */
  readonly name: string;
  readonly dir: string;
  readonly directories: DatasetDirectories;
  readonly cacheDir: string;
  readonly plane: DataPlane;
  readonly deps: DataPlaneDependencies;
  readonly registry: MountRegistry;
  readonly logPath: string | null;
  /**
   * Lets work start when its turn has come: a node starts with hundreds of datasets.
   * @param isServed its dataset is served already: a change of it goes before the start of others
   */
  readonly inTurn: (work: () => Promise<void>, isServed: boolean) => Promise<void>;
  /** Something that can be seen from outside has changed. */
  readonly onChange: () => void;
}

/** A word for how a dataset stands. */
export type DatasetPhase = 'Pending' | 'Ready' | 'Degraded' | 'Failed' | 'Terminating';

/** How it is retired. */
export interface RetireOptions {
  /** Also while it is in use: those who use it go on until they let go of it. */
  readonly force: boolean;
  /** What is cached stays on the disk. */
  readonly keepCache: boolean;
}

/** Pauses between tries, milliseconds: doubled each time. */
const FIRST_PAUSE = 1_000;
const LAST_PAUSE = 60_000;
/** Between looks at a busy mount: the kernel does not tell when its last user has gone. Milliseconds. */
const BUSY_POLL = 200;
/** Fields that only another mount can change. */
const MOUNT_FIELDS = ['open', 'uid', 'gid', 'fileMode', 'dirMode'] as const;

/** See the file's header. */
export class ServedDataset {
  readonly conditions: Conditions;
  readonly errors: RecentErrors;
  readonly #o: ServedDatasetOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #deps: DataPlaneDependencies;
  #wanted: DatasetSpec | null = null;
  /** What the running server was made to be; null: nothing yet, or it must be looked at again. */
  #made: DatasetSpec | null = null;
  #current: Generation | null = null;
  /** Generations before that somebody still uses. */
  readonly #old = new Set<Generation>();
  #record: Disposable | null = null;
  #working: Promise<void> | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  #isStopped = false;
  /** Another mount of what is served is being made. */
  #mounting: Promise<void> | null = null;
  /** Nothing is made while this lasts: the dataset is being taken away. */
  #isHeld = false;

  constructor(options: ServedDatasetOptions) {
    this.#o = options;
    this.#clock = options.deps.clock;
    this.conditions = new Conditions(this.#clock);
    this.errors = new RecentErrors(this.#clock);
    this.#log = this.errors.recording(options.deps.log.child('dataset', { dataset: options.name }));
    this.#deps = { ...options.deps, log: this.errors.recording(options.deps.log.child('', { dataset: options.name })) };
  }

  /** `NAMESPACE/NAME` or `NAME`. */
  get name(): string {
    return this.#o.name;
  }

  get dir(): string {
    return this.#o.dir;
  }

  /** What is served now; null before it is, and while it cannot be. */
  get server(): DatasetServer | null {
    return this.#current?.server ?? null;
  }

  /** The generation that is served: its id, and how many before it are still in use. */
  get generation(): { readonly id: string | null; readonly superseded: number } {
    return { id: this.#current?.id ?? null, superseded: this.#old.size };
  }

  /** Whether nothing of it is left. */
  get isGone(): boolean {
    return this.#wanted === null && this.#current === null && this.#old.size === 0 && this.#working === null;
  }

  get phase(): DatasetPhase {
    if (this.#wanted === null) return 'Terminating';
    if (this.#current === null) return this.#failures > 0 ? 'Failed' : 'Pending';
    const bad = this.conditions.list().some(({ type, status }) => type !== 'SnapshotComplete' && status === 'False');
    return bad ? 'Degraded' : 'Ready';
  }

  /** It should be served like this, from now on. */
  want(spec: DatasetSpec): void {
    this.#wanted = spec;
    this.#failures = 0;
    this.#kick();
  }

  /** Follows what its parts say; called from time to time. */
  observe(): void {
    if (observe(this.conditions, this.#current?.server ?? null)) this.#o.onChange();
    const current = this.#current;
    if (current === null || this.#mounting !== null || this.#working !== null || this.#isHeld || this.#isStopped)
      return;
    const { server } = current;
    // Where nothing was known of the files when it was mounted, the first listing may say that they want another way.
    if (server.isOpenModeGuessed && this.conditions.status('SnapshotComplete') === 'True')
      this.#mountAnew(current, () => server.settleOpenMode(), 'the way of opening files could not be changed');
    else if (server.isBehind)
      this.#mountAnew(current, () => server.catchUp(), 'what a refresh has found cannot be shown');
  }

  #mountAnew(current: Generation, work: () => Promise<void>, failure: string): void {
    this.#mounting = work()
      .then(() => {
        if (this.#current === current) this.#note(current);
      })
      .catch((error: unknown) => {
        this.#log.warn(failure, { err: DlfsError.from(error) });
      })
      .finally(() => {
        this.#mounting = null;
      });
  }

  /**
   * Takes it away from its directory.
   * @returns when it is unmounted; its cache goes in the background
   * @throws DlfsError `mount-busy` naming who uses it, unless forced; it goes on then
   */
  async retire({ force, keepCache }: RetireOptions): Promise<void> {
    this.#isHeld = true;
    try {
      this.#retry?.[Symbol.dispose]();
      await this.#working;
      await this.#mounting;
      const current = this.#current;
      if (current !== null) await this.#unmount(current, force);
      this.#wanted = null;
      this.#made = null;
      this.#current = null;
      this.#record?.[Symbol.dispose]();
      this.#record = null;
      this.#o.directories.remove(this.dir);
      if (current !== null) this.#leave(current, !keepCache);
    } finally {
      this.#isHeld = false;
      this.#kick();
      this.#o.onChange();
    }
  }

  /**
   * Ends it: unmounts, commits, lets go of everything. What is wanted of it is not served any more, its cache stays.
   * @param until monotonic milliseconds: a mount that is still in use then is taken away from those who use it
   */
  async stop(until: number): Promise<void> {
    this.#isStopped = true;
    this.#retry?.[Symbol.dispose]();
    await this.#working;
    await this.#mounting;
    const current = this.#current;
    if (current !== null) {
      await this.#unmountBy(current, until);
      this.#current = null;
      await this.#close(current);
    }
    this.#record?.[Symbol.dispose]();
    this.#o.directories.remove(this.dir);
    for (const old of this.#old) {
      this.#log.warn('an older generation is still in use: its readers get errors from here on', {
        generation: old.id,
      });
      await this.#close(old);
    }
    this.#old.clear();
  }

  #kick(): void {
    if (this.#working !== null || this.#isStopped || this.#isHeld || this.#isMade()) return;
    this.#retry?.[Symbol.dispose]();
    this.#working = this.#work().finally(() => {
      this.#working = null;
      if (this.#failures === 0) this.#kick();
    });
  }

  #isMade(): boolean {
    return this.#wanted === null || (this.#current !== null && isDeepStrictEqual(this.#made, this.#wanted));
  }

  async #work(): Promise<void> {
    const spec = this.#wanted;
    if (spec === null) return;
    try {
      await this.#o.inTurn(() => this.#make(spec), this.#current !== null);
      this.#failures = 0;
      this.conditions.note('Ready', { status: 'True', reason: 'Mounted', message: `served at ${this.dir}` });
    } catch (thrown) {
      this.#failed(DlfsError.from(thrown));
    }
    this.#o.onChange();
  }

  #failed(error: DlfsError): void {
    this.#failures += 1;
    const message = error.message;
    if (this.#current === null) this.conditions.note('Ready', { status: 'False', reason: camel(error.code), message });
    else {
      const still = `what was wanted last cannot be served, and the dataset is served as before: ${message}`;
      this.conditions.note('Ready', { status: 'True', reason: 'NotUpToDate', message: still });
    }
    this.#log.error(`the dataset cannot be served as it should be: ${message}`, { err: error });
    if (this.#isStopped || this.#wanted === null) return;
    const pause = Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** (this.#failures - 1)) * (0.5 + this.#deps.random() / 2);
    this.#retry = this.#clock.startTimer(pause, () => this.#kick()).unref();
  }

  /** One step towards what is wanted. @throws DlfsError why not; what was served before is served on */
  async #make(spec: DatasetSpec): Promise<void> {
    await this.#mounting;
    if (this.#isStopped || this.#isHeld) return;
    const { name, directories } = this.#o;
    const id = await generationId({ ...identityOf(spec.source), dataset: name, blockSize: spec.blockSize });
    const current = this.#current;
    if (current?.id === id) {
      await this.#change(current.server, spec);
      this.#made = spec;
      this.#note(current);
      return;
    }
    const place: MountPlace = current !== null || directories.prepare(this.dir).dead !== null ? 'instead' : 'ready';
    let next: Generation;
    try {
      next = (await this.#revived(id, spec, place)) ?? (await this.#begun(id, spec, place));
    } catch (error) {
      // An empty directory would pass for an empty dataset.
      if (place === 'ready') directories.remove(this.dir);
      throw error;
    }
    this.#current = next;
    this.#made = spec;
    this.#note(next);
    if (current !== null) {
      this.#log.info('another source: what holds files of the one before goes on with it', { before: current.id, id });
      current.server.superseded();
      this.#leave(current, true);
    }
    void next.server.ended.then(() => this.#ended(next));
  }

  async #begun(id: string, spec: DatasetSpec, place: MountPlace): Promise<Generation> {
    const { name, cacheDir, logPath, plane } = this.#o;
    const options: DatasetOptions = {
      ...spec,
      name,
      dir: this.dir,
      cacheDir,
      cacheOf: name,
      logPath,
      origin: 'awaited',
    };
    return { id, isDoomed: false, server: await DatasetServer.start(options, plane, this.#deps, place) };
  }

  /** A generation that is still in use comes back. */
  async #revived(id: string, spec: DatasetSpec, place: MountPlace): Promise<Generation | null> {
    const known = [...this.#old].find((old) => old.id === id);
    if (known === undefined) return null;
    // Its last user may go at any moment: from here on that does not end it.
    this.#old.delete(known);
    try {
      await known.server.revive(spec, place);
      await this.#change(known.server, spec);
    } catch (error) {
      this.#leave(known, known.isDoomed);
      throw error;
    }
    known.isDoomed = false;
    markFolder(known.server.cacheFolder, false);
    return known;
  }

  async #change(server: DatasetServer, spec: DatasetSpec): Promise<void> {
    const now = server.options;
    await server.reconfigure(spec);
    if (MOUNT_FIELDS.some((field) => now[field] !== spec[field])) await server.remount(spec);
    if (!isDeepStrictEqual(now.source, spec.source)) await server.reconnect(spec.source);
  }

  /** The generation is not seen any more: it ends with its last user. */
  #leave(generation: Generation, isDoomed: boolean): void {
    generation.isDoomed = isDoomed;
    this.#old.add(generation);
    try {
      if (isDoomed) markFolder(generation.server.cacheFolder, true);
    } catch (error) {
      this.#log.debug('a cache folder could not be marked', { err: error });
    }
    void generation.server.ended.then(() => this.#ended(generation));
  }

  #ended(generation: Generation): void {
    if (this.#isStopped) return;
    if (this.#old.delete(generation)) {
      void this.#close(generation).then(() => this.#o.onChange());
      return;
    }
    if (this.#current !== generation) return;
    this.#log.warn('the mount was ended from outside: it is made again', { dir: this.dir });
    this.#current = null;
    this.#made = null;
    void this.#close(generation).then(() => this.#kick());
  }

  async #close(generation: Generation): Promise<void> {
    try {
      await generation.server[Symbol.asyncDispose]();
      if (generation.isDoomed) await removeFolder(this.#o.cacheDir, generation.id);
    } catch (error) {
      this.#log.error('a dataset could not be put away', { generation: generation.id, err: DlfsError.from(error) });
    }
  }

  async #unmount(generation: Generation, force: boolean): Promise<void> {
    try {
      generation.server.unmount(force);
    } catch (thrown) {
      const error = DlfsError.from(thrown);
      if (error.code !== 'mount-busy') throw error;
      const holders = describeHolders(await holdersOf(this.dir));
      const who =
        holders === '' ? 'in use by a process or another mount that is not seen here' : `in use by ${holders}`;
      throw new DlfsError(
        'mount-busy',
        `${this.name} is ${who}; end them, or delete it with --force: open files read on`,
      );
    }
  }

  /** Unmounts; while it is in use, waits; when that takes too long, detaches it. */
  async #unmountBy(generation: Generation, until: number): Promise<void> {
    for (let said = false; ;) {
      try {
        generation.server.unmount(false);
        return;
      } catch (thrown) {
        const error = DlfsError.from(thrown);
        if (error.code !== 'mount-busy' || this.#clock.monotonic() >= until) {
          this.#log.warn('the mount is detached although it is in use: its readers get errors from here on', {
            dir: this.dir,
            err: error,
          });
          try {
            generation.server.unmount(true);
          } catch (still) {
            this.#log.error('the mount could not be taken away', { dir: this.dir, err: DlfsError.from(still) });
          }
          return;
        }
      }
      if (!said) {
        said = true;
        const holders = describeHolders(await holdersOf(this.dir));
        this.#log.info(`the mount is in use by ${holders === '' ? 'a process that is not seen here' : holders}`, {
          dir: this.dir,
        });
      }
      await this.#clock.sleep(BUSY_POLL);
    }
  }

  /** Records the mount, so that whoever comes after a crash knows it for dead. */
  #note({ server }: Generation): void {
    const { device } = server;
    if (device === null) return;
    const { registry, logPath: log } = this.#o;
    const { describe: source, cacheFolder } = server;
    this.#record = registry.add(
      { ...ownIdentity(), dir: this.dir, device, source, cacheFolder, log, daemon: true },
      (error) => {
        this.#log.warn('the mount could not be recorded: after a crash it must be unmounted by hand', { err: error });
      },
    );
  }
}
