/**
 * The node's daemon: makes the datasets that are served follow those that are wanted.
 *
 * What is wanted comes from the configuration's files and from what was applied (config/desired-state.ts), and changes at any time.
 * Each dataset is made and kept by a `ServedDataset` of its own on one shared data plane; here is what all of them need, and what the
 * API asks.
 *
 * Invariants:
 * 1. One dataset's failure is that dataset's condition; it takes down no other.
 * 2. At most `PARALLEL` datasets are being started or changed at a time; changes of served ones go first.
 * 3. Two datasets never have one directory: their names differ, and a name is one directory.
 * 4. One daemon a cache directory.
 */
import PQueue from 'p-queue';
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { checkCacheDisk } from '../../cache/folder/disk-check.ts';
import { datasetSettings, type Manifest } from '../../dataset/manifest/index.ts';
import { DesiredState, type Applied } from '../config/desired-state.ts';
import type { DesiredChange, OwnedManifest } from '../config/desired.ts';
import type { ConfigProblem } from '../config/problem.ts';
import { readMounts } from '../mountinfo.ts';
import type { MountRegistry } from '../registry/mount-registry.ts';
import { DataPlane, type DataPlaneDependencies } from './data-plane.ts';
import { DatasetDirectories } from './dataset-directory.ts';
import { leftFolders, removeFolder } from './generation.ts';
import { lockNode } from './node-lock.ts';
import type { NodeOptions } from './node-options.ts';
import { ServedDataset, type DatasetSpec, type RetireOptions } from './served-dataset.ts';

/** What a daemon works with. */
export interface NodeDependencies extends DataPlaneDependencies {
  readonly registry: MountRegistry;
}

/** A dataset with what is wanted of it; null: it is being taken away. */
export interface NodeDataset {
  readonly name: string;
  readonly wanted: OwnedManifest | null;
  readonly served: ServedDataset;
}

/** What has changed of a dataset. */
export interface NodeChange {
  readonly name: string;
  /** `state`: its conditions, its phase, its generation. */
  readonly what: 'added' | 'changed' | 'removed' | 'state';
}

/** Datasets that are started or changed at once. */
const PARALLEL = 32;
/** Between looks at the datasets' health, milliseconds. */
const OBSERVE_EVERY = 1_000;

/** See the file's header. Made by `NodeDaemon.start`. */
export class NodeDaemon implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly options: NodeOptions;
  readonly #deps: NodeDependencies;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #directories: DatasetDirectories;
  readonly #desired: DesiredState;
  readonly #served = new Map<string, ServedDataset>();
  readonly #turns = new PQueue({ concurrency: PARALLEL });
  readonly #watchers = new Set<(change: NodeChange) => void>();
  readonly #owned: AsyncDisposableStack;
  /** Datasets that are being deleted through the API: what happens to them is that call's business. */
  readonly #deleting = new Set<string>();
  readonly #timer: Timer;
  #stopping: Promise<void> | null = null;

  private constructor(
    options: NodeOptions,
    deps: NodeDependencies,
    parts: { plane: DataPlane; directories: DatasetDirectories; desired: DesiredState },
    owned: AsyncDisposableStack,
  ) {
    this.options = options;
    this.plane = parts.plane;
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#log = deps.log.child('node');
    this.#directories = parts.directories;
    this.#desired = parts.desired;
    this.#owned = owned;
    this.#timer = deps.clock.startInterval(OBSERVE_EVERY, () => this.#observe()).unref();
  }

  /**
   * Reads what is wanted, starts the data plane and begins to serve; datasets come up in the background.
   * @throws DlfsError where the daemon itself cannot work; nothing is left then
   */
  static async start(options: NodeOptions, deps: NodeDependencies): Promise<NodeDaemon> {
    const { clock, log, registry } = deps;
    await using owned = new AsyncDisposableStack();
    const directories = DatasetDirectories.open(options.root, options.cacheDir, registry);
    await checkCacheDisk(options.cacheDir);
    const plane = owned.use(DataPlane.start(options, deps));
    // They load while the manifests are read.
    plane.indexes.writers.warm();
    owned.use(lockNode(options.cacheDir, (fd) => plane.host.binding.lock(fd)));
    registry.prune(readMounts());
    const desired = owned.use(
      await DesiredState.open({ config: options.config, state: options.state, clock, log: log.child('config') }),
    );
    const daemon = new NodeDaemon(options, deps, { plane, directories, desired }, owned.move());
    desired.follow((changes) => daemon.#follow(changes));
    void daemon.#sweep();
    return daemon;
  }

  /** All datasets, by name, those that are being taken away included. */
  list(): NodeDataset[] {
    const names = new Set([...this.#desired.datasets.keys(), ...this.#served.keys()]);
    return [...names].sort().flatMap((name) => this.find(name) ?? []);
  }

  /** A dataset; null where there is none. */
  find(name: string): NodeDataset | null {
    const served = this.#served.get(name);
    return served === undefined ? null : { name, wanted: this.#desired.datasets.get(name) ?? null, served };
  }

  /** A dataset. @throws DlfsError `not-found`, naming the nearest */
  get(name: string): NodeDataset {
    const found = this.find(name);
    if (found !== null) return found;
    this.#desired.require(name);
    throw new DlfsError('not-found', 'the dataset is not served yet', { dataset: name });
  }

  /** What is wrong with manifests now. */
  get problems(): readonly ConfigProblem[] {
    return this.#desired.problems;
  }

  /** What `apply` would do. @throws DlfsError as `apply` */
  plan(manifests: readonly Manifest<'node'>[]): Applied[] {
    return this.#desired.plan(manifests);
  }

  /**
   * Wants datasets from now on, also after a restart.
   * @returns what was done to each, when it is on the disk; they are served soon after
   * @throws DlfsError as `DesiredState.apply`
   */
  apply(manifests: readonly Manifest<'node'>[]): Promise<Applied[]> {
    return this.#desired.apply(manifests);
  }

  /**
   * Takes a dataset that was applied away, and with it what is cached of it.
   * @returns when it is unmounted and forgotten
   * @throws DlfsError `mount-busy` naming who uses it, unless forced; `not-found`; `invalid-argument` for one that a file describes
   */
  async delete(name: string, how: RetireOptions): Promise<void> {
    this.#desired.requireApplied(name);
    const served = this.#served.get(name);
    if (this.#deleting.has(name)) throw new DlfsError('conflict', 'it is being deleted already', { dataset: name });
    this.#deleting.add(name);
    try {
      await served?.retire(how);
      await this.#desired.delete(name);
    } catch (error) {
      const still = this.#desired.datasets.get(name);
      if (still !== undefined) served?.want(this.#specOf(still.manifest));
      throw error;
    } finally {
      this.#deleting.delete(name);
    }
    this.#forget(name);
    this.#tell({ name, what: 'removed' });
  }

  /** Tells of changes until disposed. */
  watch(listener: (change: NodeChange) => void): Disposable {
    const own = (change: NodeChange): void => listener(change);
    this.#watchers.add(own);
    return { [Symbol.dispose]: () => void this.#watchers.delete(own) };
  }

  /** Resolves when everything that is wanted now is served, or has failed once. */
  async settled(): Promise<void> {
    await this.#turns.onIdle();
  }

  /**
   * Ends all: unmounts, commits, lets go. A mount that is in use is waited for until the deadline, and then taken away.
   * @param limitMs how long users may keep their mounts, milliseconds
   */
  stop(limitMs: number): Promise<void> {
    this.#stopping ??= this.#stop(this.#clock.monotonic() + limitMs);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0);
  }

  async #stop(until: number): Promise<void> {
    this.#timer[Symbol.dispose]();
    await this.#desired[Symbol.asyncDispose]();
    this.#turns.clear();
    const stopping = [...this.#served.values()].map((served) =>
      served.stop(until).catch((error: unknown) => {
        this.#log.error('a dataset did not end well', { dataset: served.name, err: DlfsError.from(error) });
      }),
    );
    await Promise.all(stopping);
    await this.#owned.disposeAsync();
  }

  #follow(changes: readonly DesiredChange[]): void {
    for (const change of changes) {
      const { name, kind } = change;
      if (kind === 'removed') {
        if (!this.#deleting.has(name)) void this.#retire(name);
        continue;
      }
      try {
        this.#serve(change.after);
      } catch (error) {
        this.#log.error('a dataset cannot be served', { dataset: name, err: DlfsError.from(error) });
      }
      this.#tell({ name, what: kind });
    }
  }

  #serve(manifest: Manifest<'node'>): void {
    const name = manifest.fullName;
    let served = this.#served.get(name);
    if (served === undefined) {
      served = new ServedDataset({
        name,
        dir: this.#directories.of(manifest.namespace, manifest.name),
        directories: this.#directories,
        cacheDir: this.options.cacheDir,
        plane: this.plane,
        deps: this.#deps,
        registry: this.#deps.registry,
        logPath: this.options.logPath,
        inTurn: (work, isServed) => this.#turns.add(work, { priority: isServed ? 1 : 0 }),
        onChange: () => {
          this.#forget(name);
          this.#tell({ name, what: 'state' });
        },
      });
      this.#served.set(name, served);
    }
    served.want(this.#specOf(manifest));
  }

  /** Its manifest is gone: nobody can be told that it is in use, so those who use it keep what they have. */
  async #retire(name: string): Promise<void> {
    const served = this.#served.get(name);
    try {
      await served?.retire({ force: true, keepCache: false });
    } catch (error) {
      this.#log.error('a dataset could not be taken away', { dataset: name, err: DlfsError.from(error) });
    }
    this.#forget(name);
    this.#tell({ name, what: 'removed' });
  }

  #forget(name: string): void {
    if (this.#served.get(name)?.isGone === true && !this.#desired.datasets.has(name)) this.#served.delete(name);
  }

  #specOf(manifest: Manifest<'node'>): DatasetSpec {
    const { source, cacheBytes, cacheFiles, reserveBytes, blockSize, open, uid, gid, fileMode, dirMode, ...rest } =
      datasetSettings(manifest);
    return {
      source,
      quota: { bytes: cacheBytes, files: cacheFiles, reserve: reserveBytes },
      blockSize,
      open,
      uid,
      gid,
      fileMode,
      dirMode,
      refreshMs: rest.refreshMs,
      ioTimeoutMs: rest.ioTimeoutMs,
      listLimit: this.options.listLimit,
      prefetch: rest.prefetch,
    };
  }

  #observe(): void {
    for (const served of this.#served.values()) {
      try {
        served.observe();
      } catch (error) {
        this.#log.debug('a dataset could not be looked at', { dataset: served.name, err: DlfsError.from(error) });
      }
    }
  }

  #tell(change: NodeChange): void {
    for (const watcher of [...this.#watchers]) {
      try {
        watcher(change);
      } catch (error) {
        this.#log.error('a watcher failed', { err: DlfsError.from(error) });
      }
    }
  }

  /** Removes what a crash, or a removal that was cut short, has left of generations that are not to stay. */
  async #sweep(): Promise<void> {
    const { cacheDir } = this.options;
    await this.settled();
    for (const id of leftFolders(cacheDir)) {
      if ([...this.#served.values()].some(({ generation }) => generation.id === id)) continue;
      try {
        await removeFolder(cacheDir, id);
        this.#log.info('what was left of an older generation is removed', { id });
      } catch (error) {
        this.#log.warn('what was left of an older generation could not be removed', { id, err: DlfsError.from(error) });
      }
    }
  }
}
