/**
 * Listings of single directories: the first one, on demand, and one anew when the origin turned out to have changed.
 *
 * Invariants:
 * 1. A directory has at most one listing under way; who asks meanwhile joins it.
 * 2. Whoever waits is woken by each page, and by the end; a failed listing fails those that wait for it and is forgotten, so
 *    the next request tries again.
 * 3. At most `PARALLEL` listings run; the others queue, lazily asked ones before renewals.
 */
import PQueue from 'p-queue';
import { DlfsError } from '../../base/errors.ts';
import type { CacheIndex, ListingOutcome, NameChange } from '../../cache/index/index.ts';
import type { Source } from '../../source/source.ts';

/** What listings are made of. */
export interface DirectoryListingsOptions {
  readonly index: CacheIndex;
  readonly source: Source;
  /** A directory's listing has ended; its changes are in effect. */
  readonly onListed: (dir: number, outcome: ListingOutcome) => Promise<void>;
  /** Names that a page changed; in effect. */
  readonly onChanges: (changes: readonly NameChange[]) => void;
}

interface Running {
  waiters: PromiseWithResolvers<undefined>;
  readonly done: Promise<void>;
}

/** Listings at once: a walk over a fresh tree (`find`) is bounded by round trips, and origins allow dozens. */
const PARALLEL = 16;
const ON_DEMAND = 1;
const RENEWAL = 0;

/** See the file's header. Disposing it ends what is under way. */
export class DirectoryListings implements AsyncDisposable {
  readonly #o: DirectoryListingsOptions;
  readonly #queue = new PQueue({ concurrency: PARALLEL });
  readonly #running = new Map<number, Running>();
  readonly #stop = new AbortController();
  #lists = 0;

  constructor(options: DirectoryListingsOptions) {
    this.#o = options;
  }

  /** Directories listed since the start. */
  get count(): number {
    return this.#lists;
  }

  /**
   * Resolves at the next page or the end of the directory's listing, at once where it is listed.
   * @throws DlfsError when the listing failed
   */
  async progress(dir: number): Promise<void> {
    if (this.#o.index.isListed(dir)) return;
    await (this.#running.get(dir) ?? this.#start(dir, ON_DEMAND)).waiters.promise;
  }

  /** Whether the listing that is under way has passed the name: if the index does not know it now, there is none. */
  decided(dir: number, name: string): boolean {
    return this.#o.index.listingOf(dir)?.decided(name) ?? false;
  }

  /** Lists the directory anew, whatever is known of it. @throws DlfsError when the listing failed */
  async renew(dir: number): Promise<void> {
    await (this.#running.get(dir) ?? this.#start(dir, RENEWAL)).done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#queue.clear();
    await Promise.allSettled([...this.#running.values()].map((running) => running.done));
  }

  #start(dir: number, priority: number): Running {
    const waiters = wakeable();
    const done = this.#queue.add(() => this.#list(dir), { priority });
    const running: Running = { waiters, done };
    this.#running.set(dir, running);
    done.then(
      () => {
        this.#running.delete(dir);
        running.waiters.resolve(undefined);
      },
      (error: unknown) => {
        this.#running.delete(dir);
        running.waiters.reject(DlfsError.from(error));
      },
    );
    return running;
  }

  async #list(dir: number): Promise<void> {
    const { index, source } = this.#o;
    this.#stop.signal.throwIfAborted();
    await using listing = await index.beginDirectory(dir);
    this.#lists += 1;
    for await (const page of source.list(listing.prefix, { delimiter: '/', signal: this.#stop.signal })) {
      const { changes, stopped } = await listing.add(page);
      for await (const batch of changes) this.#o.onChanges(batch);
      this.#wake(dir);
      if (stopped !== null) break;
    }
    await this.#o.onListed(dir, await listing.finish());
  }

  #wake(dir: number): void {
    const running = this.#running.get(dir);
    if (running === undefined) return;
    const { waiters } = running;
    running.waiters = wakeable();
    waiters.resolve(undefined);
  }
}

/** A promise that may fail with nobody waiting for it. */
function wakeable(): PromiseWithResolvers<undefined> {
  const made = Promise.withResolvers<undefined>();
  made.promise.catch(() => undefined);
  return made;
}
