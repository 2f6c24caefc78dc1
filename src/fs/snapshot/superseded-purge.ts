/**
 * Versions that no name stands for any more, and directories that are gone: they go when the kernel has forgotten them.
 *
 * Which they are is read from the index, a page at a time, so nothing depends on having heard of each change: a refresh may
 * change more names than are told, and a restart hears of none.
 *
 * Invariants:
 * 1. A row that the kernel holds, or of which something is being fetched or written, stays.
 * 2. A look costs a bounded number of rows, however many are dead; the next one goes on where it ended.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { SupersededRow } from '../../cache/index/rows.ts';

/** What it asks of the index. */
export interface PurgeIndex {
  superseded(after: SupersededRow, limit: number): readonly SupersededRow[];
  object(ino: number): unknown;
  purgeSuperseded(inos: readonly number[]): Promise<readonly number[]>;
}

/** What it asks of the cache. */
export interface PurgeStore {
  inMotion(ino: number): boolean;
  dropObjects(inos: readonly number[]): Promise<unknown>;
}

/** What it is made of. */
export interface SupersededPurgeOptions {
  readonly index: PurgeIndex;
  readonly store: PurgeStore;
  /** References that the kernel holds to an inode. */
  readonly lookups: (ino: number) => number;
  readonly clock: Clock;
  /** Logs what `work` throws; never rejects. */
  readonly guard: (work: Promise<void>) => Promise<void>;
}

/** Milliseconds between looks. */
const EVERY = 10_000;
/** Rows of one transaction. */
const PAGE = 512;
/** Rows of one look: a million dead ones are gone through in less than ten minutes, at two milliseconds a second. */
const LOOK = 16_384;
const START: SupersededRow = { died: 0, ino: 0 };

/** See the file's header. Disposing it stops after the page at hand. */
export class SupersededPurge implements AsyncDisposable {
  readonly #o: SupersededPurgeOptions;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #after = START;
  #kept = 0;
  #held = 0;
  #stopped = false;

  constructor(options: SupersededPurgeOptions) {
    this.#o = options;
  }

  /** Dead rows that had to stay when all were last looked at. */
  get held(): number {
    return this.#held;
  }

  /** Looks from time to time. */
  start(): void {
    this.#timer = this.#o.clock
      .startInterval(EVERY, () => {
        void this.#o.guard(this.run());
      })
      .unref();
  }

  /** One look; joins one that is under way. @throws DlfsError when the index cannot take it */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    for (let looked = 0; looked < LOOK && !this.#stopped; looked += PAGE) {
      const rows = this.#o.index.superseded(this.#after, PAGE);
      const free = rows.map(({ ino }) => ino).filter((ino) => this.#isFree(ino));
      this.#kept += rows.length - free.length;
      await this.#purge(free);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) {
        this.#after = START;
        this.#held = this.#kept;
        this.#kept = 0;
        return;
      }
      this.#after = last;
    }
  }

  #isFree(ino: number): boolean {
    return this.#o.lookups(ino) === 0 && !this.#o.store.inMotion(ino);
  }

  async #purge(inos: readonly number[]): Promise<void> {
    if (inos.length === 0) return;
    const { index, store } = this.#o;
    const cached = inos.filter((ino) => index.object(ino) !== null);
    if (cached.length > 0) await store.dropObjects(cached);
    await index.purgeSuperseded(inos);
  }
}
