/**
 * What the indexes of a process share: the threads that write, and the page cache of those who read.
 */
import type { Clock } from '../../base/clock.ts';
import { PageCacheShares } from './page-cache.ts';
import { WriterPool } from './writer-pool.ts';

/**
 * KiB, of the connections that read on the event loop's thread. The writers' commits empty these caches anyway, and the kernel's
 * page cache is behind them.
 */
const PAGE_CACHE = { total: 64_000, most: 8_000, least: 256 };

/** See the file's header. Dispose it after the indexes that were opened with it. */
export class IndexHost implements AsyncDisposable {
  readonly writers: WriterPool;
  readonly pages: PageCacheShares;

  /** @param threads writers at most */
  constructor(threads: number, clock: Pick<Clock, 'startInterval'>) {
    this.writers = new WriterPool(threads);
    this.pages = new PageCacheShares(PAGE_CACHE, clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pages[Symbol.dispose]();
    await this.writers[Symbol.asyncDispose]();
  }
}
