/**
 * The listing of the whole source, in shards that run side by side.
 *
 * A shard is one directory listed with a delimiter (its subdirectories become shards of their own), or a subtree listed flat.
 * Everything that others can see already is changed at a number far ahead and appears at once with `finish`; directories that
 * nobody has listed yet fill visibly and count as listed as each closes.
 *
 * A directory that was listed by itself since this listing began needs no shard: what that one has found is as new, and is
 * left alone here anyway (observer.ts). `cover` takes it as it is.
 *
 * Invariants:
 * 1. Each directory is covered by exactly one shard, or by one listing of its own: a shard begins, or `cover` takes, only the
 *    root or a directory that a delimited shard or `cover` has told, once; `finish` refuses while one is missing.
 * 2. What was staged is switched to by one transaction, or undone (staging.ts): after a stop, a failure, an abort or a crash,
 *    before the next listing begins.
 * 3. Beyond the limit of keys the listing stops and changes nothing that was visible.
 */
import { DlfsError } from '../../../base/errors.ts';
import type { ListPage } from '../../../dataset/listing.ts';
import { LevelWalk, SubtreeWalk, type TreeWalk, type WalkStep } from '../../../dataset/snapshot/tree-walk.ts';
import type { CoverResult, OutcomeResult, PageResult } from '../protocol.ts';
import { ROOT_INO } from '../rows.ts';
import { ChangeLog } from './change-log.ts';
import { directoryOfKey } from './directory-key.ts';
import type { ListingParts } from './directory-listing.ts';
import { DirectoryMerge } from './directory-merge.ts';
import type { ListingContext } from './listing-context.ts';
import { isDirectory } from './nodes.ts';
import { Placement } from './placement.ts';
import { switchTo } from './staging.ts';

/** How a shard lists. */
export type ShardKind = 'level' | 'subtree';

/** See the file's header. */
export class FullListing {
  readonly #parts: ListingParts;
  readonly #limit: number;
  readonly #context: ListingContext;
  readonly #seq: number;
  readonly #log = new ChangeLog();
  readonly #listedByOthers = new Set<number>();
  /** Directories whose own listing has begun since this one did; true: and has come to its end. */
  readonly #listedSince = new Map<number, boolean>();
  /** Keys of directories that still need a shard, relative to the mounted prefix. */
  readonly #uncovered = new Set<string>(['']);
  readonly #shards = new Set<Shard>();
  #keys = 0;
  #stopped: 'list-limit' | null = null;
  #finished = false;

  /**
   * Nothing is staged or being undone when it begins.
   * @param limit the most keys
   * @param preview it will not be switched to: what takes effect at once otherwise is only counted
   */
  constructor(parts: ListingParts, limit: number, preview = false) {
    const { store } = parts;
    if (store.stagings.size > 0) throw new DlfsError('internal', 'two listings of the whole source at a time');
    this.#parts = parts;
    this.#limit = limit;
    const staged = store.beginStaging();
    const observer = { mark: store.nextIno - 1, since: store.cur, staged, log: this.#log, preview };
    this.#seq = observer.staged;
    const placement = new Placement(store, parts.nodes, observer);
    this.#context = { ...parts, observer, placement, listedByOthers: this.#listedByOthers };
  }

  /**
   * Another listing lists a directory.
   * @param sinceNow false: it was under way when this one began
   */
  noteOther(ino: number, sinceNow: boolean): void {
    this.#listedByOthers.add(ino);
    if (sinceNow && !this.#listedSince.has(ino)) this.#listedSince.set(ino, false);
  }

  /** That other listing has come to its end. */
  noteListed(ino: number): void {
    if (this.#listedSince.has(ino)) this.#listedSince.set(ino, true);
  }

  /**
   * Takes a directory as it was listed by itself since this listing began, instead of a shard.
   * @param key as for `shard`
   * @returns the directories in it; or that it needs a listing of its own first, or a shard
   * @throws DlfsError `internal` as `shard`
   */
  *cover(key: string): Generator<void, CoverResult, undefined> {
    if (!this.#uncovered.has(key)) throw misfit(key);
    const { nodes, store, placement, pace } = this.#context;
    const ino = directoryOfKey(nodes, key, (at) => placement.view(at) !== null);
    const since = ino === null ? undefined : this.#listedSince.get(ino);
    if (ino === null || since !== true) {
      const byItself = ino !== null && (since === false || placement.view(ino)?.birth === 'now') ? ino : null;
      return { descend: null, byItself, stopped: this.#stopped };
    }
    const descend: string[] = [];
    let keys = 0;
    for (let after = 0; ;) {
      const rows = nodes.livingAfter(ino, after, store.cur, pace.rows);
      for (const row of rows) {
        after = row.ino;
        if (!nodes.isVisible(row)) continue;
        keys += 1;
        if (isDirectory(row)) descend.push(key + row.name);
      }
      if (rows.length < pace.rows) break;
      yield;
    }
    if (!this.#uncovered.delete(key)) throw misfit(key);
    for (const child of descend) this.#uncovered.add(child);
    this.#keys += keys;
    if (this.#keys > this.#limit) this.stop();
    return { descend, byItself: null, stopped: this.#stopped };
  }

  /** The listing has grown too long: it takes no more, and will change nothing. */
  stop(): void {
    this.#stopped = 'list-limit';
  }

  /**
   * Begins a shard.
   * @param key the directory, relative to the mounted prefix: empty, or ending with a slash
   * @throws DlfsError `internal` where the directory is covered already or was never told
   */
  shard(kind: ShardKind, key: string): Shard {
    if (!this.#uncovered.delete(key)) throw misfit(key);
    const shard = new Shard({
      context: this.#context,
      kind,
      key,
      found: (child) => this.#uncovered.add(child),
      done: () => this.#shards.delete(shard),
      count: () => {
        this.#keys += 1;
        if (this.#keys > this.#limit) this.stop();
        return this.#stopped;
      },
      log: this.#log,
    });
    this.#shards.add(shard);
    return shard;
  }

  /**
   * Switches to what was listed; part of the caller's transaction. After a stop it switches nothing.
   * @throws DlfsError `internal` while a part has not been listed
   */
  finish(): OutcomeResult {
    if (this.#stopped === null) {
      this.#requireAll();
      switchTo(this.#parts, this.#seq);
      this.#finished = true;
    }
    return this.#outcome();
  }

  /**
   * What switching would change: counts, and some of the names. The listing is to be aborted then.
   * @throws DlfsError `internal` while a part has not been listed
   */
  preview(): OutcomeResult {
    if (this.#stopped === null) this.#requireAll();
    return this.#outcome();
  }

  #requireAll(): void {
    const missing = [...this.#uncovered, ...[...this.#shards].map((shard) => shard.key)][0];
    if (missing !== undefined)
      throw new DlfsError('internal', 'the listing of the source ended before all of it was listed', { key: missing });
  }

  #outcome(): OutcomeResult {
    if (this.#stopped !== null) {
      return { stopped: this.#stopped, added: 0, changed: 0, removed: 0, overflow: false, changes: [], more: false };
    }
    const { added, changed, removed, overflow } = this.#log;
    return { stopped: null, added, changed, removed, overflow, ...this.#log.take() };
  }

  /** Whether it has switched. */
  get isFinished(): boolean {
    return this.#finished;
  }

  /** Hands out further changes, after `finish`. */
  takeChanges(): { changes: OutcomeResult['changes']; more: boolean } {
    return this.#log.take();
  }
}

interface ShardOptions {
  readonly context: ListingContext;
  readonly kind: ShardKind;
  readonly key: string;
  /** A directory was told that needs a shard. */
  readonly found: (key: string) => void;
  readonly done: () => void;
  /** Counts a key; tells whether the listing has stopped. */
  readonly count: () => 'list-limit' | null;
  readonly log: ChangeLog;
}

/** One part of a full listing. */
export class Shard {
  /** The directory, relative to the mounted prefix. */
  readonly key: string;
  readonly #options: ShardOptions;
  readonly #walk: TreeWalk;
  /** Open directories, the shard's own first; null: gone meanwhile, with everything below. */
  readonly #open: (DirectoryMerge | null)[];
  #stopped: 'list-limit' | null = null;

  constructor(options: ShardOptions) {
    const { context, kind, key } = options;
    const prefix = context.store.prefix + key;
    const baseBytes = Buffer.byteLength(key);
    this.key = key;
    this.#options = options;
    this.#walk = kind === 'level' ? new LevelWalk(prefix, baseBytes) : new SubtreeWalk(prefix, baseBytes);
    const base = directoryOfKey(context.nodes, key, (ino) => context.placement.view(ino) !== null);
    // Rows of a directory that a delimited shard has just inserted may be there already: fresh is for this shard's own.
    this.#open = [base === null ? null : new DirectoryMerge(context, base, { fresh: false, defer: false })];
    if (key === '' && base !== ROOT_INO) throw new DlfsError('corrupt', 'the cache index has lost its root');
  }

  /** Takes a page. */
  *page(page: ListPage): Generator<void, PageResult, undefined> {
    const descend: string[] = [];
    if (page.undecodable > 0) this.#open[0]?.skip('undecodable', '', page.undecodable);
    for (const step of this.#walk.steps(page)) {
      if (step.kind !== 'leave') this.#stopped ??= this.#options.count();
      if (this.#stopped !== null) return this.#result([]);
      if (step.kind === 'directory' && this.#open[0] !== null) descend.push(this.key + step.name);
      yield* this.#take(step);
    }
    yield* this.#top()?.flush() ?? [];
    if (page.last) yield* this.#end();
    const refused = new Set(this.#open[0]?.takeRefused().map((name) => this.key + name));
    const told = refused.size === 0 ? descend : descend.filter((key) => !refused.has(key));
    for (const key of told) this.#options.found(key);
    if (page.last) this.#options.done();
    return this.#result(told);
  }

  *#end(): Generator<void, void, undefined> {
    for (const step of this.#walk.end()) yield* this.#take(step);
    yield* this.#open[0]?.close() ?? [];
  }

  *#take(step: WalkStep): Generator<void, void, undefined> {
    const top = this.#top();
    if (step.kind === 'enter') {
      const child = top === null ? null : yield* top.child(step.name);
      this.#open.push(
        child === null
          ? null
          : new DirectoryMerge(this.#options.context, child.ino, { fresh: child.fresh, defer: false }),
      );
    } else if (step.kind === 'leave') {
      this.#open.pop();
      yield* top?.close() ?? [];
    } else if (step.kind === 'directory') {
      top?.directory(step.name);
    } else if (step.kind === 'file') {
      top?.file(step.name, step.object);
    } else {
      top?.skip(step.reason, step.key);
    }
  }

  #top(): DirectoryMerge | null {
    return this.#open.at(-1) ?? null;
  }

  #result(descend: readonly string[]): PageResult {
    return { changes: [], more: false, descend, stopped: this.#stopped };
  }
}

function misfit(key: string): DlfsError {
  return new DlfsError('internal', 'a shard that does not fit into its listing', { key });
}
