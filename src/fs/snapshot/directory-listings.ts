/**
 * Listings of single directories: the first one, on demand or for the listing of the whole, and one anew when the origin
 * turned out to have changed.
 *
 * Invariants:
 * 1. A directory has at most one listing under way; who asks meanwhile joins it.
 * 2. Whoever waits is woken by each page, and by the end; a failed listing fails those that wait for it and is forgotten, so
 *    the next request tries again.
 * 3. At most `PARALLEL` listings run; the others queue, first ones before renewals.
 * 4. A listing that somebody waits for is never given up for its length.
 */
import PQueue from 'p-queue';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import type { CacheIndex, ListingOutcome, NameChange } from '../../cache/index/index.ts';
import type { Source } from '../../source/source.ts';

/** What listings are made of. */
export interface DirectoryListingsOptions {
  readonly index: CacheIndex;
  readonly source: Source;
  readonly clock: Pick<Clock, 'startTimer'>;
  /** A directory's listing has ended; its changes are in effect. */
  readonly onListed: (dir: number, outcome: ListingOutcome) => Promise<void>;
  /** Names that a page changed; in effect. */
  readonly onChanges: (changes: readonly NameChange[]) => void;
}

interface Running {
  waiters: PromiseWithResolvers<undefined>;
  /** False: it was given up. */
  readonly done: Promise<boolean>;
  /** Whether a request waits for it, or has. */
  demanded: boolean;
  /** It is given up when it has more names and nobody waits for it. */
  readonly most: number;
}

/** Listings at once: a walk over a fresh tree (`find`) is bounded by round trips, and origins allow dozens. */
const PARALLEL = 16;
const FIRST = 1;
const RENEWAL = 0;
/**
 * Milliseconds that background work lets demanded listings go first, a page at a time: they share the origin, a thread that
 * parses and one that writes. A walk over a fresh tree demands one after the other, and must not keep the whole waiting for ever.
 */
const PATIENCE = 500;

/** See the file's header. Disposing it ends what is under way. */
export class DirectoryListings implements AsyncDisposable {
  readonly #o: DirectoryListingsOptions;
  readonly #queue = new PQueue({ concurrency: PARALLEL });
  readonly #running = new Map<number, Running>();
  readonly #stop = new AbortController();
  #lists = 0;
  /** Listings under way that are demanded, and who waits until there are none. */
  #demanded = 0;
  #calm = Promise.withResolvers<undefined>();

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
    const running = this.#running.get(dir) ?? this.#start(dir, FIRST);
    if (!running.demanded) {
      running.demanded = true;
      this.#demanded += 1;
    }
    await running.waiters.promise;
  }

  /**
   * Lists a directory to its end, unless it is listed; joins a listing that is under way, whatever it was begun for.
   * @param most it is given up beyond this many names, unless a request waits for it
   * @returns false where it was given up
   * @throws DlfsError when the listing failed
   */
  async first(dir: number, most: number): Promise<boolean> {
    const running = this.#running.get(dir);
    if (running === undefined && this.#o.index.isListed(dir)) return true;
    return await (running ?? this.#start(dir, FIRST, most)).done;
  }

  /** Resolves when no request waits for a listing, or after `PATIENCE`: background work asks before each page. */
  async calm(): Promise<void> {
    if (this.#demanded === 0) return;
    const late = Promise.withResolvers<undefined>();
    using _timer = this.#o.clock.startTimer(PATIENCE, () => late.resolve(undefined));
    await Promise.race([this.#calm.promise, late.promise]);
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
    // What still queues is begun, and ends at once: a queue that is cleared would leave its promises open for ever.
    this.#stop.abort();
    await Promise.allSettled([...this.#running.values()].map((running) => running.done));
  }

  #start(dir: number, priority: number, most = Number.POSITIVE_INFINITY): Running {
    const done = this.#queue.add(() => this.#list(dir), { priority });
    const running: Running = { waiters: wakeable(), done, demanded: false, most };
    this.#running.set(dir, running);
    done.then(
      () => {
        this.#end(dir, running);
        running.waiters.resolve(undefined);
      },
      (error: unknown) => {
        this.#end(dir, running);
        running.waiters.reject(DlfsError.from(error));
      },
    );
    return running;
  }

  #end(dir: number, running: Running): void {
    this.#running.delete(dir);
    if (!running.demanded) return;
    this.#demanded -= 1;
    if (this.#demanded > 0) return;
    this.#calm.resolve(undefined);
    this.#calm = Promise.withResolvers();
  }

  /** @returns false where it was given up */
  async #list(dir: number): Promise<boolean> {
    const { index, source } = this.#o;
    this.#stop.signal.throwIfAborted();
    await using listing = await index.beginDirectory(dir);
    this.#lists += 1;
    let names = 0;
    for await (const page of source.list(listing.prefix, { delimiter: '/', signal: this.#stop.signal })) {
      const { changes, stopped } = await listing.add(page);
      for await (const batch of changes) this.#o.onChanges(batch);
      this.#wake(dir);
      if (stopped !== null) break;
      names += page.objects.length + page.prefixes.length;
      if (!page.last && this.#isTooLong(dir, names)) return false;
    }
    await this.#o.onListed(dir, await listing.finish());
    return true;
  }

  #isTooLong(dir: number, names: number): boolean {
    const running = this.#running.get(dir);
    return running?.demanded === false && names > running.most;
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
