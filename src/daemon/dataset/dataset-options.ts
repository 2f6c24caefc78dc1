/**
 * How one dataset is served.
 */
import { DlfsError } from '../../base/errors.ts';
import type { SizeOrShare } from '../../base/size.ts';
import { checkBlockSize } from '../../cache/policy/geometry.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import type { TransportName } from '../../fs/transport/transport.ts';
import type { OpenMode } from '../open-mode.ts';

/** How to serve a source at a directory. */
export interface DatasetOptions {
  readonly source: SourceOptions;
  /** The mount point: an existing empty directory, absolute. */
  readonly dir: string;
  /** The root of caches; the source's own folder is made below it. */
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly cacheFiles: number;
  /** Free space of the disk to keep. */
  readonly cacheFloor: SizeOrShare;
  readonly blockSize: number;
  /** Entries of a complete listing at most. */
  readonly listLimit: number;
  readonly transport: TransportName;
  /** Of the native transport; the other opens in one way. */
  readonly open: OpenMode | 'auto';
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly fileMode: number;
  readonly dirMode: number;
  readonly refreshMs: number | 'never';
  /** 0: wait for ever. */
  readonly ioTimeoutMs: number;
  /** Where the process logs to; null in the foreground. */
  readonly logPath: string | null;
}

/** A run holds a whole block at least, and several streams want to run. */
const MIN_BLOCKS_OF_CACHE = 8;
const MIN_BLOCKS_OF_MEMORY = 8;

/**
 * Refuses what cannot work.
 * @param memory bytes of block buffers of the process
 * @throws DlfsError `invalid-argument`
 */
export function checkDatasetOptions(options: DatasetOptions, memory: number): void {
  checkBlockSize(options.blockSize);
  const refuse = (what: string): never => {
    throw new DlfsError('invalid-argument', what);
  };
  if (options.cacheBytes < options.blockSize * MIN_BLOCKS_OF_CACHE) {
    refuse(
      `--cache-size must hold at least ${MIN_BLOCKS_OF_CACHE} blocks of --block-size: give a larger cache or smaller blocks`,
    );
  }
  if (memory < options.blockSize * MIN_BLOCKS_OF_MEMORY) {
    refuse(
      `--memory must hold at least ${MIN_BLOCKS_OF_MEMORY} blocks of --block-size: give more memory or smaller blocks`,
    );
  }
}
