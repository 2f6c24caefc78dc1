/**
 * `--config FILE_OR_DIR`: the manifests that the node's administrator keeps in files.
 *
 * How it works: the folder is looked at twice a second; a file whose signature (inode, length, times) has changed and then stayed the same for
 * two looks is read (settling.ts). Looking is cheap (one stat a file) and sees what notifications miss: the swap of a ConfigMap's `..data`
 * link, network file systems, a folder that is replaced (docs/decisions/0009).
 *
 * Invariants:
 * 1. A change is taken up within 2 s: two looks of 500 ms, and the time of reading.
 * 2. One file's faults concern that file alone. Of a file with a fault, what is right in it counts, and what it last said rightly stays:
 *    a dataset leaves only when its file is right without it, or is gone.
 * 3. A folder that cannot be read changes nothing; it is a problem until it can.
 * 4. Only files named `*.yaml`, `*.yml` and `*.json` count, hidden ones (`..data`, editors' copies) do not. A link counts where it leads
 *    into the folder.
 * 5. At most one look is under way; after disposal none is, and no listener is called.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock, Timer } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { readManifests } from '../../dataset/manifest/index.ts';
import type { OwnedManifest } from './desired.ts';
import { readManifestFile, realFolder, signatureOf, writtenAtMs } from './manifest-file.ts';
import { describeConfigProblem, fileProblem, type ConfigProblem } from './problem.ts';
import { Settling } from './settling.ts';

/** Between looks, milliseconds. */
export const LOOK_MS = 500;

/** Files of a folder: each is looked at twice a second. */
export const MAX_FILES = 4096;

/** Datasets of all files together. */
export const MAX_DATASETS = 10_000;

/** Looks at files at the same time: enough for a network file system, few enough for the pool of threads. */
const PARALLEL = 16;

/** A file written so shortly before it was read may be written again without its times telling. Milliseconds. */
const FRESH_MS = 1000;

/** The state of a file that was taken up and is to be read once more; no signature. */
const AGAIN = 'again';

const MANIFEST_NAME = /^[^.].*\.(?:yaml|yml|json)$/;

/** What the files say now. */
export interface ConfigSnapshot {
  /** By file name, and in a file's order. A name may be there twice: `mergeDesired` decides. */
  readonly manifests: readonly OwnedManifest[];
  readonly problems: readonly ConfigProblem[];
}

/** What it needs. */
export interface ConfigFolderOptions {
  /** `--config`: a folder, or one file. */
  readonly path: string;
  readonly clock: Pick<Clock, 'startTimer' | 'wall'>;
  readonly log: Logger;
}

/** What one file said last. */
interface FileState {
  readonly manifests: readonly OwnedManifest[];
  readonly problems: readonly ConfigProblem[];
}

/** See the file's header. Made by `ConfigFolder.open`. */
export class ConfigFolder implements AsyncDisposable {
  /** Absolute path of the folder or file. */
  readonly path: string;
  readonly #options: ConfigFolderOptions;
  readonly #isFolder: boolean;
  readonly #settling = new Settling();
  readonly #files = new Map<string, FileState>();
  #folderProblem: ConfigProblem | null = null;
  #said = new Set<string>();
  #onChange: ((snapshot: ConfigSnapshot) => void) | null = null;
  #timer: Timer | null = null;
  #looking: Promise<void> = Promise.resolve();
  #disposed = false;

  private constructor(path: string, isFolder: boolean, options: ConfigFolderOptions) {
    this.path = path;
    this.#isFolder = isFolder;
    this.#options = options;
  }

  /**
   * Reads what is there. Wrong manifests are problems of the snapshot, not errors.
   * @throws DlfsError `not-found`, `invalid-argument` or `access-denied` where the path itself is of no use
   */
  static async open(options: ConfigFolderOptions): Promise<ConfigFolder> {
    const path = resolve(options.path);
    let found;
    try {
      found = await stat(path);
    } catch (thrown) {
      const { code } = DlfsError.from(thrown);
      const why = code === 'not-found' ? 'does not exist' : 'cannot be read';
      throw new DlfsError(code, `--config: ${path} ${why}`, { cause: thrown });
    }
    if (!found.isDirectory() && !found.isFile()) {
      throw new DlfsError('invalid-argument', `--config: ${path} is neither a folder nor a file`);
    }
    const folder = new ConfigFolder(path, found.isDirectory(), options);
    await folder.#lookOnce(true);
    return folder;
  }

  /** What the files say now. */
  get snapshot(): ConfigSnapshot {
    const states = [...this.#files].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, state]) => state);
    return {
      manifests: states.flatMap(({ manifests }) => manifests),
      problems: [
        ...(this.#folderProblem === null ? [] : [this.#folderProblem]),
        ...states.flatMap(({ problems }) => problems),
      ],
    };
  }

  /**
   * Begins to look for changes.
   * @param onChange called with each new snapshot; must not throw
   */
  follow(onChange: (snapshot: ConfigSnapshot) => void): void {
    this.#onChange = onChange;
    this.#schedule();
  }

  /**
   * Looks now, without waiting for the time; behind a look that is under way. A change counts at the second look (settling.ts).
   * @returns when what was to be taken up is; never throws
   */
  look(): Promise<void> {
    this.#looking = this.#looking
      .then(() => (this.#disposed ? undefined : this.#lookOnce(false)))
      .catch((thrown: unknown) => {
        this.#options.log.error('a look at the configuration failed', { err: DlfsError.from(thrown).toJSON() });
      });
    return this.#looking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#looking;
  }

  #schedule(): void {
    if (this.#disposed) return;
    this.#timer = this.#options.clock.startTimer(LOOK_MS, () => {
      void this.look().then(() => {
        this.#schedule();
      });
    });
  }

  /** @param first takes up everything at once */
  async #lookOnce(first: boolean): Promise<void> {
    const states = await this.#states();
    if (states === null) {
      if (first) this.#sayProblems();
      else this.#tell();
      return;
    }
    const { changed, gone } = first ? { changed: [...states.keys()], gone: [] } : this.#settling.look(states);
    for (const name of gone) {
      this.#files.delete(name);
      this.#settling.accept(name, null);
    }
    for (const name of changed) await this.#read(name, states.get(name) ?? '', first);
    const recovered = this.#folderProblem !== null;
    this.#folderProblem = null;
    if (first) this.#sayProblems();
    else if (changed.length > 0 || gone.length > 0 || recovered) this.#tell();
  }

  /** The signature of each file; null: the folder cannot be read, which is noted. */
  async #states(): Promise<Map<string, string> | null> {
    const names = await this.#names();
    if (names === null) return null;
    const states = new Map<string, string>();
    for (let at = 0; at < names.length; at += PARALLEL) {
      const some = names.slice(at, at + PARALLEL);
      const signatures = await Promise.all(some.map((name) => this.#stateOf(name)));
      for (const [index, name] of some.entries()) {
        const state = signatures[index] ?? null;
        if (state !== null) states.set(name, state);
      }
    }
    return states;
  }

  async #names(): Promise<string[] | null> {
    if (!this.#isFolder) return [''];
    try {
      const names = (await readdir(this.path)).filter((name) => MANIFEST_NAME.test(name)).sort();
      if (names.length <= MAX_FILES) return names;
      const message = `has ${names.length} files of manifests, and ${MAX_FILES} are the most: nothing is taken up until there are fewer`;
      this.#folderProblem = fileProblem(this.path, message);
    } catch (thrown) {
      const { code } = DlfsError.from(thrown);
      const why = code === 'not-found' ? 'is gone' : 'cannot be read';
      this.#folderProblem = fileProblem(this.path, `${why}: what was read from it before stays`);
    }
    return null;
  }

  /** A name that is there but leads nowhere, or cannot be looked at, has a state of its own, which reading then explains. */
  async #stateOf(name: string): Promise<string | null> {
    try {
      const signature = await signatureOf(join(this.path, name));
      return signature ?? (this.#isFolder ? 'unreachable' : null);
    } catch {
      return 'unreachable';
    }
  }

  async #read(name: string, state: string, first: boolean): Promise<void> {
    const file = join(this.path, name);
    try {
      const folder = this.#isFolder ? await realFolder(this.path) : null;
      const read = await readManifestFile(file, folder);
      if (read.kind === 'unsettled') {
        // At the start there is nothing yet that could stay.
        if (first) {
          this.#keep(name, [fileProblem(file, 'is being written')]);
          this.#settling.accept(name, AGAIN);
        }
        return;
      }
      const { manifests, problems } = await readManifests(read.text, 'node');
      const owned = manifests.map(({ manifest, line }): OwnedManifest => ({
        manifest,
        owner: { kind: 'file', file, line },
      }));
      this.#takeUp(
        name,
        owned,
        problems.map((problem) => ({ ...problem, file })),
      );
      const fresh = first && this.#options.clock.wall() - writtenAtMs(read.signature) < FRESH_MS;
      this.#settling.accept(name, fresh ? AGAIN : read.signature);
    } catch (thrown) {
      this.#keep(name, [fileProblem(file, DlfsError.from(thrown).message)]);
      this.#settling.accept(name, state);
    }
  }

  /** Invariant 2. */
  #takeUp(name: string, found: readonly OwnedManifest[], problems: readonly ConfigProblem[]): void {
    const before = this.#files.get(name)?.manifests ?? [];
    const names = new Set(found.map(({ manifest }) => manifest.fullName));
    const kept = problems.length === 0 ? [] : before.filter(({ manifest }) => !names.has(manifest.fullName));
    const manifests = [...found, ...kept];
    const others = [...this.#files].reduce(
      (sum, [other, state]) => sum + (other === name ? 0 : state.manifests.length),
      0,
    );
    if (others + manifests.length > MAX_DATASETS) {
      const message = `would make more than ${MAX_DATASETS} datasets: it is not taken up`;
      this.#keep(name, [fileProblem(join(this.path, name), message)]);
      return;
    }
    this.#files.set(name, { manifests, problems });
  }

  /** What the file said last stays, with other problems. */
  #keep(name: string, problems: readonly ConfigProblem[]): void {
    this.#files.set(name, { manifests: this.#files.get(name)?.manifests ?? [], problems });
  }

  #tell(): void {
    this.#sayProblems();
    if (!this.#disposed) this.#onChange?.(this.snapshot);
  }

  /** Each problem once, when it comes. */
  #sayProblems(): void {
    const lines = new Set(this.snapshot.problems.map(describeConfigProblem));
    for (const line of lines) if (!this.#said.has(line)) this.#options.log.warn(`configuration: ${line}`);
    if (lines.size === 0 && this.#said.size > 0) this.#options.log.info('configuration: all manifests are right again');
    this.#said = lines;
  }
}
