/**
 * How one dataset is served.
 */
import { DlfsError } from '../../base/errors.ts';
import { checkBlockSize } from '../../cache/policy/geometry.ts';
import { cacheTooSmall, memoryTooSmall } from '../../dataset/option-values.ts';
import type { AccountLimits } from '../../cache/policy/space-ledger.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import { SOURCE_WORDS } from '../../dataset/source-words.ts';
import type { OpenMode } from '../open-mode.ts';

/** `all`: the dataset is fetched in the background, as far as there is room; `readahead`: what readers will probably want next. */
export type PrefetchMode = 'readahead' | 'all';

/** What of a dataset can change while it serves. */
export interface LiveOptions {
  /** Its quota and its reserve. */
  readonly quota: AccountLimits;
  readonly refreshMs: number | 'never';
  /** 0: wait for ever. */
  readonly ioTimeoutMs: number;
  /** Entries of a complete listing at most. */
  readonly listLimit: number;
  readonly prefetch: PrefetchMode;
}

/** What of a dataset only another mount can change. */
export interface MountOptions {
  readonly open: OpenMode | 'auto';
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly fileMode: number;
  readonly dirMode: number;
}

/** How to serve a source at a directory. */
export interface DatasetOptions extends LiveOptions, MountOptions {
  /** `NAMESPACE/NAME` or `NAME`, for logs; of a mount its directory. */
  readonly name: string;
  readonly source: SourceOptions;
  /** The mount point: an existing empty directory, absolute. */
  readonly dir: string;
  /** The root of caches; the source's own folder is made below it. */
  readonly cacheDir: string;
  /** The dataset whose cache it is, beside others of the same source; null: the source's cache, as `dlfs mount` has it. */
  readonly cacheOf: string | null;
  readonly blockSize: number;
  /**
   * `needed`: it is mounted once the origin has answered; an origin that cannot be reached is an error. `awaited`: it is mounted at
   * once where its listing is on the disk, and in any case after some seconds; what needs the origin fails until that answers.
   */
  readonly origin: 'needed' | 'awaited';
  /** Where the process logs to; null in the foreground. */
  readonly logPath: string | null;
}

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
  const words = SOURCE_WORDS[options.source.written];
  const cache = cacheTooSmall(options.quota.bytes, options.blockSize, words.blockSize);
  if (cache !== null) refuse(`${words.cacheSize} ${cache}`);
  const buffers = memoryTooSmall(memory, options.blockSize, words.blockSize);
  if (buffers !== null) refuse(`--memory ${buffers}`);
}
