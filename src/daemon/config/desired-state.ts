/**
 * Which datasets there should be, as it changes: the files of `--config` and what is applied through the API, put together.
 *
 * How it works: both sources keep what they hold; after each change of either, `mergeDesired` (desired.ts, pure) makes the whole anew,
 * and what differs is told to the follower.
 *
 * Invariants:
 * 1. What is applied or deleted is on the disk before it takes effect or is answered.
 * 2. A dataset that a file describes is refused to apply and to delete, with the file's name.
 * 3. The follower is told every change once and in order; before it is told the first, everything that there is counts as added.
 * 4. Applications and deletions run one after the other; a change of a file may come between any two.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { nearest, type Manifest } from '../../dataset/manifest/index.ts';
import { ConfigFolder } from './config-folder.ts';
import {
  changesBetween,
  mergeDesired,
  ownerText,
  type Desired,
  type DesiredChange,
  type OwnedManifest,
} from './desired.ts';
import { describeConfigProblem, type ConfigProblem } from './problem.ts';
import { StateFolder } from './state-folder.ts';

/** What it needs. */
export interface DesiredStateOptions {
  /** `--config`: a folder or a file; null: only what is applied counts. */
  readonly config: string | null;
  /** Folder of what is applied; made where it is missing. */
  readonly state: string;
  readonly clock: Pick<Clock, 'startTimer' | 'wall'>;
  readonly log: Logger;
}

/** What an application did to one dataset, in kubectl's words. */
export interface Applied {
  readonly name: string;
  readonly result: 'created' | 'configured' | 'unchanged';
}

/** Takes changes; must not throw. */
export type ChangeListener = (changes: readonly DesiredChange[]) => void;

/** See the file's header. Made by `DesiredState.open`. */
export class DesiredState implements AsyncDisposable {
  readonly #config: ConfigFolder | null;
  readonly #state: StateFolder;
  readonly #log: Logger;
  #said = new Set<string>();
  #desired: Desired = { datasets: new Map(), problems: [] };
  #told: ReadonlyMap<string, OwnedManifest> = new Map();
  #listener: ChangeListener | null = null;
  #working: Promise<unknown> = Promise.resolve();

  private constructor(config: ConfigFolder | null, state: StateFolder, log: Logger) {
    this.#config = config;
    this.#state = state;
    this.#log = log;
    this.#merge();
  }

  /**
   * Reads both sources. Wrong manifests are problems, not errors.
   * @throws DlfsError where `config` or `state` itself is of no use
   */
  static async open({ config, state, clock, log }: DesiredStateOptions): Promise<DesiredState> {
    const stateFolder = await StateFolder.open(state);
    const configFolder = config === null ? null : await ConfigFolder.open({ path: config, clock, log });
    return new DesiredState(configFolder, stateFolder, log);
  }

  /** What there should be, by full name, with whose it is. */
  get datasets(): ReadonlyMap<string, OwnedManifest> {
    return this.#desired.datasets;
  }

  /** Everything that is wrong now: with files, with stored manifests, and where two want one name. */
  get problems(): readonly ConfigProblem[] {
    return [...(this.#config?.snapshot.problems ?? []), ...this.#state.problems, ...this.#desired.problems];
  }

  /**
   * Begins to follow the files, and tells what there should be and each change from now on.
   * @param listener called at once with everything as added (where there is anything), then with each batch of changes: removals first
   */
  follow(listener: ChangeListener): void {
    this.#listener = listener;
    this.#tell();
    this.#config?.follow(() => {
      this.#merge();
      this.#tell();
    });
  }

  /**
   * What `apply` would do, done to nothing.
   * @throws DlfsError as `apply`
   */
  plan(manifests: readonly Manifest<'node'>[]): Applied[] {
    const names = new Set<string>();
    for (const { fullName: dataset } of manifests) {
      if (names.has(dataset)) throw new DlfsError('invalid-argument', 'is described twice in one request', { dataset });
      names.add(dataset);
      this.#refuseIfOfFile(dataset, 'applied: edit the file');
    }
    const stored = new Map(
      [...this.#applied(), ...manifests.map((manifest) => this.#ownedByApi(manifest))].map((owned) => [
        owned.manifest.fullName,
        owned,
      ]),
    );
    const { datasets, problems } = mergeDesired(this.datasets, this.#config?.snapshot.manifests ?? [], [
      ...stored.values(),
    ]);
    for (const { fullName: dataset } of manifests) {
      if (datasets.has(dataset)) continue;
      const problem = problems.find((one) => one.dataset === dataset);
      throw new DlfsError('exists', problem?.message ?? 'is not taken', { dataset });
    }
    return manifests.map(({ fullName: name, written }) => {
      const before = this.datasets.get(name);
      if (before === undefined) return { name, result: 'created' };
      return { name, result: isDeepStrictEqual(before.manifest.written, written) ? 'unchanged' : 'configured' };
    });
  }

  /**
   * Stores manifests and makes them count.
   * @returns what was done to each, in order, when all are on the disk and the follower was told
   * @throws DlfsError `conflict` for one that a file describes, `invalid-argument` for one that is there twice, `exists` for a clash of names: nothing
   *   is done then. `disk-full`, `io`: those before the one that is named are applied
   */
  apply(manifests: readonly Manifest<'node'>[]): Promise<Applied[]> {
    return this.#inTurn(async () => {
      const plan = this.plan(manifests);
      for (const [index, manifest] of manifests.entries()) {
        if (plan[index]?.result === 'unchanged') continue;
        await this.#state.write(manifest);
        this.#merge();
        this.#tell();
      }
      return plan;
    });
  }

  /**
   * Forgets a dataset that was applied.
   * @returns its manifest, when it is off the disk and the follower was told
   * @throws DlfsError `conflict` for one that a file describes, `not-found`, `io`
   */
  delete(name: string): Promise<Manifest<'node'>> {
    return this.#inTurn(async () => {
      this.#refuseIfOfFile(name, 'deleted: remove it from the file');
      // Also one that is stored but stands back behind another's name.
      const manifest = this.#state.manifests.get(name) ?? this.require(name).manifest;
      await this.#state.remove(name);
      this.#merge();
      this.#tell();
      return manifest;
    });
  }

  /**
   * A dataset by its full name.
   * @throws DlfsError `not-found` with the nearest name that there is
   */
  require(name: string): OwnedManifest {
    const found = this.datasets.get(name);
    if (found !== undefined) return found;
    const near = nearest(name, [...this.datasets.keys()]);
    throw new DlfsError('not-found', `no such dataset${near === null ? '' : `; did you mean ${near}?`}`, {
      dataset: name,
    });
  }

  /**
   * A dataset that was applied, and so may be deleted; also one that is stored but stands back behind another's name.
   * @throws DlfsError `not-found`; `conflict` for one that a file describes
   */
  requireApplied(name: string): OwnedManifest {
    this.#refuseIfOfFile(name, 'deleted: remove it from the file');
    const stored = this.#state.manifests.get(name);
    return stored === undefined ? this.require(name) : this.#ownedByApi(stored);
  }

  /** Ends following; what is being written is finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener = null;
    await this.#config?.[Symbol.asyncDispose]();
    await this.#working;
  }

  #refuseIfOfFile(dataset: string, what: string): void {
    const owner = this.datasets.get(dataset)?.owner;
    if (owner?.kind !== 'file') return;
    throw new DlfsError('conflict', `is described by ${ownerText(owner)} and cannot be ${what}`, { dataset });
  }

  #ownedByApi(manifest: Manifest<'node'>): OwnedManifest {
    return { manifest, owner: { kind: 'applied', file: this.#state.fileOf(manifest.fullName) } };
  }

  #applied(): OwnedManifest[] {
    return [...this.#state.manifests.values()].map((manifest) => this.#ownedByApi(manifest));
  }

  #merge(): void {
    this.#desired = mergeDesired(this.#desired.datasets, this.#config?.snapshot.manifests ?? [], this.#applied());
    // Those of single files are the folder's to tell.
    const lines = new Set([...this.#state.problems, ...this.#desired.problems].map(describeConfigProblem));
    for (const line of lines) if (!this.#said.has(line)) this.#log.warn(`configuration: ${line}`);
    this.#said = lines;
  }

  #tell(): void {
    if (this.#listener === null) return;
    const changes = changesBetween(this.#told, this.#desired.datasets);
    this.#told = this.#desired.datasets;
    if (changes.length > 0) this.#listener(changes);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work);
    this.#working = done.catch(() => undefined);
    return done;
  }
}
