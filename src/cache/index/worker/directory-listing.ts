/**
 * The listing of one directory: its first, which makes its names visible as the pages come, or a later one, which finds what
 * has changed since.
 *
 * Invariants:
 * 1. Names that a page has told are visible when the page's request is answered, except a file that may yet turn out to be a
 *    directory (pending-files.ts).
 * 2. After the last page the directory is listed. A listing that is given up leaves it as it was, with more names perhaps.
 */
import type { Clock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import type { ListPage } from '../../../dataset/listing.ts';
import { LevelWalk } from '../../../dataset/snapshot/tree-walk.ts';
import type { OutcomeResult, PageResult } from '../protocol.ts';
import { ChangeLog } from './change-log.ts';
import { DirectoryMerge } from './directory-merge.ts';
import { keyOfDirectory } from './directory-key.ts';
import type { Nodes } from './nodes.ts';
import type { Pace } from './pace.ts';
import { Placement } from './placement.ts';
import type { Skips } from './skips.ts';
import type { Store } from './store.ts';

/** What every listing works on. */
export interface ListingParts {
  readonly store: Store;
  readonly nodes: Nodes;
  readonly skips: Skips;
  readonly clock: Pick<Clock, 'wall'>;
  readonly pace: Pace;
}

const NOBODY: ReadonlySet<number> = new Set();

/** See the file's header. */
export class DirectoryListing {
  readonly ino: number;
  /** The full key prefix to be listed with a delimiter. */
  readonly prefix: string;
  /** Whether the directory is listed for the first time. */
  readonly first: boolean;
  readonly #merge: DirectoryMerge;
  readonly #walk: LevelWalk;
  readonly #log = new ChangeLog();
  #stopped: 'gone' | null = null;
  #complete = false;
  #finished = false;

  /**
   * @throws DlfsError `not-found` where there is no such directory now
   */
  constructor(parts: ListingParts, ino: number) {
    const { store, nodes } = parts;
    const observer = { mark: store.nextIno - 1, since: store.cur, staged: null, log: this.#log };
    const placement = new Placement(store, nodes, observer);
    const view = placement.view(ino);
    const relative = view === null ? null : keyOfDirectory(nodes, ino);
    if (view === null || relative === null)
      throw new DlfsError('not-found', `there is no directory ${ino} to be listed`);
    this.ino = ino;
    this.prefix = store.prefix + relative;
    this.first = !view.known;
    this.#walk = new LevelWalk(this.prefix, Buffer.byteLength(relative));
    const context = { ...parts, observer, placement, listedByOthers: NOBODY };
    this.#merge = new DirectoryMerge(context, ino, { fresh: false, defer: view.known });
  }

  /** Takes a page. */
  *page(page: ListPage): Generator<void, PageResult, undefined> {
    if (this.#complete) throw new DlfsError('internal', 'a page after the last one of a listing');
    if (this.#stopped === null) {
      if (page.undecodable > 0) this.#merge.skip('undecodable', '', page.undecodable);
      for (const step of this.#walk.steps(page)) {
        if (step.kind === 'file') this.#merge.file(step.name, step.object);
        else if (step.kind === 'directory') this.#merge.directory(step.name);
        else if (step.kind === 'skip') this.#merge.skip(step.reason, step.key);
      }
      yield* this.#merge.flush();
      if (page.last) yield* this.#merge.close();
      if (!this.#merge.isAlive()) this.#stopped = 'gone';
    }
    this.#complete = page.last;
    return { ...this.#log.take(), descend: [], stopped: this.#stopped };
  }

  /** Whether its outcome has been told. */
  get isFinished(): boolean {
    return this.#finished;
  }

  /** Hands out further changes. */
  takeChanges(): { changes: PageResult['changes']; more: boolean } {
    return this.#log.take();
  }

  /**
   * How it ended.
   * @throws DlfsError `internal` before the last page
   */
  finish(): OutcomeResult {
    if (!this.#complete && this.#stopped === null)
      throw new DlfsError('internal', 'a listing was finished before its last page');
    this.#finished = true;
    const { added, changed, removed, overflow } = this.#log;
    return { stopped: this.#stopped, added, changed, removed, overflow, ...this.#log.take() };
  }
}
