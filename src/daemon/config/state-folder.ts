/**
 * The manifests that were applied through the API, one file each: they are there again after a restart.
 *
 * Invariants:
 * 1. The folder is 0700 and this user's, its files 0600: nobody else can write or read what the daemon takes up at its start.
 * 2. A file is whole or not there: it is written beside its place, synced, renamed, and the folder synced.
 * 3. What cannot be read is set aside under another name and reported; it is never overwritten, and takes nothing else with it.
 * 4. A file's name follows from its dataset's; nothing that a request says becomes a path.
 * 5. Writes and removals run one after the other.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import { describeProblem, formatManifest, readManifests, type Manifest } from '../../dataset/manifest/index.ts';
import { readManifestFile } from './manifest-file.ts';
import { fileProblem, type ConfigProblem } from './problem.ts';

const SUFFIX = '.yaml';
const NEW = '.new';

/** The longest name of a file (NAME_MAX), less what stands behind it. */
const MAX_STEM = 255 - SUFFIX.length - NEW.length - 1;

/** Digits of the hash in a name that would be too long: 64 bits. */
const HASH_DIGITS = 16;

/** See the file's header. Made by `StateFolder.open`. */
export class StateFolder {
  /** Absolute path. */
  readonly path: string;
  /** What was set aside at the start. */
  readonly problems: readonly ConfigProblem[];
  readonly #manifests: Map<string, Manifest<'node'>>;
  #working: Promise<void> = Promise.resolve();

  private constructor(path: string, manifests: Map<string, Manifest<'node'>>, problems: readonly ConfigProblem[]) {
    this.path = path;
    this.#manifests = manifests;
    this.problems = problems;
  }

  /**
   * Opens the folder, making it where it is missing, and reads it.
   * @param path its parent exists
   * @throws DlfsError `access-denied` where it is not this user's alone, `disk-full`, `io`
   */
  static async open(path: string): Promise<StateFolder> {
    const folder = resolve(path);
    await mkdir(folder, { mode: 0o700, recursive: true });
    const found = await lstat(folder);
    if (!found.isDirectory() || found.uid !== process.geteuid?.()) {
      throw new DlfsError(
        'access-denied',
        `${folder} does not belong to this user: remove it, or choose another place`,
      );
    }
    await chmod(folder, 0o700);
    const manifests = new Map<string, Manifest<'node'>>();
    const problems: ConfigProblem[] = [];
    for (const name of (await readdir(folder)).sort()) {
      if (name.endsWith(SUFFIX + NEW)) await rm(join(folder, name), { force: true });
      if (!name.endsWith(SUFFIX)) continue;
      try {
        const manifest = await readOne(folder, name);
        manifests.set(manifest.fullName, manifest);
      } catch (thrown) {
        problems.push(await setAside(folder, name, DlfsError.from(thrown)));
      }
    }
    return new StateFolder(folder, manifests, problems);
  }

  /** What was applied, by full name. */
  get manifests(): ReadonlyMap<string, Manifest<'node'>> {
    return this.#manifests;
  }

  /** Where a dataset's manifest is stored. */
  fileOf(fullName: string): string {
    return join(this.path, fileName(fullName));
  }

  /**
   * Stores a manifest in the place of what was applied under its name before.
   * @returns when it would survive a loss of power
   * @throws DlfsError `disk-full`, `io`; what was stored before is still there
   */
  write(manifest: Manifest<'node'>): Promise<void> {
    return this.#inTurn(manifest.fullName, async () => {
      const path = this.fileOf(manifest.fullName);
      const next = path + NEW;
      // A new file, so that nothing that lies there decides its owner, permissions or place.
      await rm(next, { force: true });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      try {
        await using handle = await open(next, flags, 0o600);
        await handle.writeFile(formatManifest(manifest));
        await handle.sync();
        await rename(next, path);
      } catch (thrown) {
        await rm(next, { force: true }).catch(() => undefined);
        throw thrown;
      }
      await syncFolder(this.path);
      this.#manifests.set(manifest.fullName, manifest);
    });
  }

  /**
   * Forgets what was applied under a name.
   * @returns when it would survive a loss of power
   * @throws DlfsError `not-found`, `io`
   */
  remove(fullName: string): Promise<void> {
    return this.#inTurn(fullName, async () => {
      if (!this.#manifests.has(fullName)) throw new DlfsError('not-found', 'no such dataset was applied');
      await rm(this.fileOf(fullName), { force: true });
      await syncFolder(this.path);
      this.#manifests.delete(fullName);
    });
  }

  #inTurn(dataset: string, work: () => Promise<void>): Promise<void> {
    const done = this.#working.then(work).catch((thrown: unknown) => {
      const error = DlfsError.from(thrown, { dataset });
      if (error !== thrown && error.code !== 'not-found') {
        throw new DlfsError(error.code, `the manifest cannot be stored in ${this.path}: ${error.message}`, {
          dataset,
          cause: thrown,
        });
      }
      throw error;
    });
    this.#working = done.catch(() => undefined);
    return done;
  }
}

/** The slash of a full name becomes `_`, which no name has. */
function fileName(fullName: string): string {
  const stem = fullName.replace('/', '_');
  if (stem.length <= MAX_STEM) return stem + SUFFIX;
  const hash = createHash('sha256').update(fullName).digest('hex').slice(0, HASH_DIGITS);
  return `${stem.slice(0, MAX_STEM - HASH_DIGITS - 1)}_${hash}${SUFFIX}`;
}

async function readOne(folder: string, name: string): Promise<Manifest<'node'>> {
  const path = join(folder, name);
  if (!(await lstat(path)).isFile()) throw new DlfsError('invalid-argument', 'is not a regular file');
  const read = await readManifestFile(path, folder);
  if (read.kind !== 'text') throw new DlfsError('invalid-argument', 'changed while it was read');
  const { manifests, problems } = await readManifests(read.text, 'node');
  const [problem] = problems;
  if (problem !== undefined) throw new DlfsError('invalid-argument', describeProblem(problem, null));
  const [first, second] = manifests;
  if (first === undefined || second !== undefined)
    throw new DlfsError('invalid-argument', 'does not hold one manifest');
  const { fullName } = first.manifest;
  if (fileName(fullName) !== name)
    throw new DlfsError('invalid-argument', `holds ${fullName}, which is stored elsewhere`);
  return first.manifest;
}

/** Invariant 3. */
async function setAside(folder: string, name: string, error: DlfsError): Promise<ConfigProblem> {
  const path = join(folder, name);
  const taken = new Set(await readdir(folder));
  let number = 1;
  while (taken.has(`${name}.bad-${number}`)) number += 1;
  const aside = `${name}.bad-${number}`;
  try {
    await rename(path, join(folder, aside));
  } catch (thrown) {
    const why = DlfsError.from(thrown).message;
    return fileProblem(path, `${error.message}; it cannot be set aside either: ${why}`);
  }
  return fileProblem(path, `${error.message}: set aside as ${aside}; apply the manifest again`);
}

async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}
