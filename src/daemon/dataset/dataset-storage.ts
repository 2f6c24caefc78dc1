/**
 * Where a dataset's blocks lie: its locked cache folder, the index in it, and the volume that the data plane serves from it.
 *
 * Invariants:
 * 1. The index is marked clean only after everything that was stored is committed and proven, as `proven` says.
 * 2. Taking down: the volume goes first, then the index, then the lock.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { CacheFolder } from '../../cache/folder/cache-folder.ts';
import { identityOf, type CacheIdentity } from '../../cache/folder/fingerprint.ts';
import { CacheIndex, type Opening } from '../../cache/index/index.ts';
import type { DataPlane } from '../node/data-plane.ts';
import type { DatasetOptions } from './dataset-options.ts';

/** See the file's header. */
export class DatasetStorage implements AsyncDisposable {
  readonly folder: CacheFolder;
  readonly index: CacheIndex;
  /** The volume's number. */
  readonly volume: number;
  /** Whether all that is stored is committed and proven; asked when the storage is closed. */
  proven: () => boolean;
  readonly #owned: AsyncDisposableStack;

  private constructor(folder: CacheFolder, index: CacheIndex, volume: number, owned: AsyncDisposableStack) {
    this.folder = folder;
    this.index = index;
    this.volume = volume;
    this.proven = () => index.opening.clean;
    this.#owned = owned;
  }

  /**
   * Opens and locks.
   * @throws DlfsError `cache-busy`, `cache-unusable`, `disk-full`, `io`
   */
  static async open(
    options: DatasetOptions,
    plane: DataPlane,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
  ): Promise<DatasetStorage> {
    const { engine, binding } = plane.host;
    await using owned = new AsyncDisposableStack();
    const owner = { pid: process.pid, dir: options.dir, log: options.logPath };
    const folder = owned.use(await CacheFolder.open(options.cacheDir, cacheIdentity(options), owner, binding));
    const index = owned.use(
      await CacheIndex.open({
        file: folder.index,
        blockSize: options.blockSize,
        prefix: options.source.reference.prefix,
        clock,
        host: plane.indexes,
      }),
    );
    sayOpening(index.opening, log);
    const volume = engine.addVolume({
      objectsDir: folder.objects,
      blockSize: options.blockSize,
      maxVolatile: Math.floor(plane.memory / 4),
    });
    owned.defer(() => {
      engine.removeVolume(volume);
    });
    return new DatasetStorage(folder, index, volume, owned.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _owned = this.#owned;
    if (this.proven()) await this.index.markClean();
  }
}

function cacheIdentity({ source, cacheOf, blockSize }: DatasetOptions): CacheIdentity {
  const identity = identityOf(source);
  return cacheOf === null ? identity : { ...identity, dataset: cacheOf, blockSize };
}

function sayOpening(opening: Opening, log: Logger): void {
  if (opening.kind === 'rebuilt') {
    log.warn('the index of the cache could not be read: it is set aside and the cache starts empty', {
      setAside: opening.setAside,
      reason: opening.reason,
    });
  }
  if (opening.emptied) log.warn('the block size has changed: the cache starts empty');
}
