/**
 * Merging the listing of one directory with the rows that the index has of it.
 *
 * Entries come in the order of their names, a page at a time. Each `flush` takes those that have come, reads the rows between
 * the last name of the flush before and the last name of this one, and lets each name meet its rows: rows without an entry are
 * of names that are gone. Only what differs is written.
 *
 * A listing of a directory that has been listed before collects what differs and applies it at the end in one transaction, so
 * that a reader sees the directory before or after, not in between; unless there is too much of it.
 *
 * Invariants:
 * 1. Every name is decided once: present, absent, or shadowed by a directory.
 * 2. A file is not decided before the listing has passed the directory of the same name (pending-files.ts).
 * 3. Each `yield` is a place where the transaction may be committed: what was read before it is read again after it.
 * 4. When `close` has returned, the directory counts as listed, unless it has died meanwhile.
 */
import { compareKeys, type ListedObject } from '../../../dataset/listing.ts';
import { PendingFiles, type Verdict } from '../../../dataset/snapshot/pending-files.ts';
import type { SkipReason } from '../../../dataset/snapshot/path-rules.ts';
import { bury } from './burial.ts';
import type { ListingContext } from './listing-context.ts';
import type { NodeRecord } from './nodes.ts';
import type { DirectoryView, PlacedDirectory } from './placement.ts';
import { countSkip, type SkipCounts } from './skips.ts';

/** What the listing says of a name; `object` is null for a directory. */
interface Entry {
  readonly name: string;
  readonly object: ListedObject | null;
}

/** Rows of a name as of a turn. */
interface Group {
  readonly rows: readonly NodeRecord[];
  readonly turn: number;
}

interface UndecidedFile {
  readonly object: ListedObject;
  readonly group: Group;
}

/** A difference to be applied later. */
interface Deferred {
  readonly kind: 'file' | 'directory' | 'absent' | 'shadowed';
  readonly name: string;
  readonly object: ListedObject | null;
}

/** How a merge is done. */
export interface MergeOptions {
  /** The directory was inserted by this very listing. */
  readonly fresh: boolean;
  /** Collect differences and apply them together. */
  readonly defer: boolean;
}

const NO_ROWS: readonly NodeRecord[] = [];

/** See the file's header. */
export class DirectoryMerge {
  readonly ino: number;
  readonly #context: ListingContext;
  readonly #defer: boolean;
  readonly #fresh: boolean;
  readonly #pending = new PendingFiles<UndecidedFile>();
  readonly #skips: SkipCounts = new Map();
  readonly #refused: string[] = [];
  #entries: Entry[] = [];
  #deferred: Deferred[] = [];
  #burials: string[] = [];
  /** Files whose name a directory holds that may be about to go. */
  #blocked: { readonly name: string; readonly object: ListedObject }[] = [];
  /** Rows up to this name have met the listing. */
  #merged = '';
  #lastPlaced: PlacedDirectory | null = null;
  #view: DirectoryView | null = null;
  #viewTurn = -1;
  #stagedAny = false;

  constructor(context: ListingContext, ino: number, options: MergeOptions) {
    this.#context = context;
    this.ino = ino;
    this.#fresh = options.fresh;
    this.#defer = options.defer;
  }

  /** The next entry is a file. */
  file(name: string, object: ListedObject): void {
    this.#entries.push({ name, object });
  }

  /** The next entry is a directory; its name ends with a slash. */
  directory(name: string): void {
    this.#entries.push({ name, object: null });
  }

  /** Keys of this directory that have no path. */
  skip(reason: SkipReason, key: string, times = 1): void {
    countSkip(this.#skips, reason, key, times);
  }

  /** Directories that were listed and yet not placed, since the last call. */
  takeRefused(): string[] {
    return this.#refused.splice(0);
  }

  /** Whether the directory still takes entries. */
  isAlive(): boolean {
    return this.#currentView() !== null;
  }

  /**
   * The next entry is a directory whose content follows.
   * @returns null where it is not to be descended into
   */
  *child(name: string): Generator<void, PlacedDirectory | null, undefined> {
    this.directory(name);
    this.#lastPlaced = null;
    yield* this.flush();
    return this.#lastPlaced;
  }

  /** Merges what has come. */
  *flush(): Generator<void, void, undefined> {
    const entries = this.#entries;
    this.#entries = [];
    for (let start = 0; start < entries.length;) {
      const last = entries[Math.min(start + this.#context.pace.entries, entries.length) - 1];
      if (last === undefined || this.#currentView() === null) return;
      start = this.#step(entries, start, last.name);
      yield;
    }
    yield* this.#settleGone();
  }

  /** The listing is complete. */
  *close(): Generator<void, void, undefined> {
    yield* this.flush();
    while (this.#currentView() !== null && !this.#isMerged()) {
      this.#step([], 0, null);
      yield;
    }
    if (this.#currentView() !== null) {
      this.#pending.drain(this.#verdict);
      this.#applyDeferred();
    }
    yield* this.#settleGone();
    if (this.#currentView() !== null) this.#finish();
  }

  /** Nothing can be between the last merged name and the end. */
  #isMerged(): boolean {
    return this.#isUntouchedByOthers() || this.#context.nodes.range(this.ino, this.#merged, null, 1).length === 0;
  }

  /**
   * Merges entries from `start` on, up to a name or as far as one step goes.
   * @param upto the name of the last entry to merge; null: all rows that are left, without entries
   * @returns the first entry that is left
   */
  #step(entries: readonly Entry[], start: number, upto: string | null): number {
    const { rows, end } = this.#read(upto);
    const groups = groupByName(rows);
    const { turn } = this.#context.store;
    const met: { readonly entry: Entry; readonly group: Group }[] = [];
    let next = start;
    for (let entry = entries[next]; entry !== undefined; entry = entries[next]) {
      if (end !== null && compareKeys(entry.name, end) > 0) break;
      next += 1;
      met.push({ entry, group: { rows: groups.get(entry.name) ?? NO_ROWS, turn } });
      groups.delete(entry.name);
    }
    // What is gone goes first: a directory that takes a file's name ends the file's row, which must not have been read before.
    for (const [name, group] of groups) this.#decide('absent', name, null, { rows: group, turn });
    for (const { entry, group } of met) this.#meet(entry, group);
    if (end !== null) this.#merged = end;
    return next;
  }

  /** Rows after the merged ones, up to a name; `end` is the last name that they are complete for. */
  #read(upto: string | null): { rows: NodeRecord[]; end: string | null } {
    if (this.#isUntouchedByOthers()) return { rows: [], end: upto };
    for (let limit = this.#context.pace.rows; ; limit *= 2) {
      const rows = this.#context.nodes.range(this.ino, this.#merged, upto, limit);
      const last = rows.at(-1);
      if (last === undefined) return { rows, end: upto };
      if (rows.length < limit) return { rows, end: upto ?? last.name };
      // The last name may have more rows than were read.
      const complete = rows.filter((row) => row.name !== last.name);
      const end = complete.at(-1);
      if (end !== undefined) return { rows: complete, end: end.name };
    }
  }

  #meet(entry: Entry, group: Group): void {
    this.#pending.advance(entry.name, this.#verdict);
    if (entry.object === null) this.#decide('directory', entry.name, null, group);
    else this.#pending.push(entry.name, { object: entry.object, group });
  }

  readonly #verdict: Verdict<UndecidedFile> = {
    settle: (name, { object, group }) => this.#decide('file', name, object, group),
    shadow: (name, { object, group }) => {
      this.skip('file-and-directory', object.key);
      this.#decide('shadowed', name, object, group);
    },
  };

  #decide(kind: Deferred['kind'], name: string, object: ListedObject | null, group: Group): void {
    if (!this.#defer) {
      this.#apply(kind, name, object, this.#rowsOf(name, group));
      return;
    }
    if (!this.#differs(kind, object, group.rows)) return;
    this.#deferred.push({ kind, name, object });
    if (this.#deferred.length >= this.#context.pace.together) this.#applyDeferred();
  }

  /** Whether a finding may change anything; when it is applied, the rules look again. */
  #differs(kind: Deferred['kind'], object: ListedObject | null, rows: readonly NodeRecord[]): boolean {
    const found = kind === 'file' && object !== null ? object : kind === 'directory' ? 'directory' : 'nothing';
    return !this.#context.placement.isAsFound(rows, found);
  }

  #applyDeferred(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const { kind, name, object } of deferred)
      this.#apply(kind, name, object, this.#context.nodes.byName(this.ino, name));
  }

  #apply(kind: Deferred['kind'], name: string, object: ListedObject | null, rows: readonly NodeRecord[]): void {
    const { placement } = this.#context;
    const view = this.#currentView();
    if (view === null) return;
    const stagedBefore = placement.stagedWrites;
    if (kind === 'directory') {
      this.#lastPlaced = placement.directory(view, rows, name);
      if (this.#lastPlaced === null) this.#refused.push(name);
    } else if (kind === 'absent') {
      if (placement.absent(view, rows) !== null) this.#burials.push(name);
    } else if (kind === 'shadowed') {
      placement.shadowed(view, rows);
    } else if (object !== null && !placement.file(view, rows, name, object, this.#isUntouchedByOthers())) {
      this.#blocked.push({ name, object });
    }
    if (placement.stagedWrites !== stagedBefore) this.#stagedAny = true;
  }

  #rowsOf(name: string, group: Group): readonly NodeRecord[] {
    if (group.turn === this.#context.store.turn || this.#isUntouchedByOthers()) return group.rows;
    return this.#context.nodes.byName(this.ino, name);
  }

  /** Buries what is gone, then places the files that take the names of buried directories. */
  *#settleGone(): Generator<void, void, undefined> {
    yield* this.#buryAll();
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const { name, object } of blocked) {
      this.#apply('file', name, object, this.#context.nodes.byName(this.ino, name));
      if (this.#blocked.pop() !== undefined) this.skip('file-and-directory', object.key);
    }
  }

  *#buryAll(): Generator<void, void, undefined> {
    for (let name = this.#burials.pop(); name !== undefined; name = this.#burials.pop()) {
      const view = this.#currentView();
      if (view === null) return;
      const record = this.#context.placement.absent(view, this.#context.nodes.byName(this.ino, name));
      if (record === null) continue;
      this.#stagedAny ||= this.#context.observer.staged !== null;
      this.#context.placement.announceBurial(record);
      yield* bury(this.#context, record);
    }
  }

  #finish(): void {
    const { store, nodes, skips, observer, clock } = this.#context;
    skips.replace(this.ino, this.#skips);
    const view = this.#currentView();
    if (observer.staged === null) nodes.setListed(this.ino, store.cur, clock.wall());
    else if (view?.known === false) {
      // Complete at once only if everything in it can be seen at once.
      const now = view.birth === 'now' && !this.#stagedAny;
      nodes.setListed(this.ino, now ? store.cur : observer.staged, clock.wall());
    }
  }

  /** No other listing can have put a row into this directory: it is new, and nobody else has begun to list it. */
  #isUntouchedByOthers(): boolean {
    return this.#fresh && !this.#context.listedByOthers.has(this.ino);
  }

  #currentView(): DirectoryView | null {
    const { store, placement } = this.#context;
    // Within a turn only this listing writes; what it writes into a directory does not change how it may write there.
    if (this.#viewTurn !== store.turn) {
      this.#view = placement.view(this.ino);
      this.#viewTurn = store.turn;
    }
    return this.#view;
  }
}

function groupByName(rows: readonly NodeRecord[]): Map<string, NodeRecord[]> {
  const groups = new Map<string, NodeRecord[]>();
  for (const row of rows) {
    const group = groups.get(row.name);
    if (group === undefined) groups.set(row.name, [row]);
    else group.push(row);
  }
  return groups;
}
