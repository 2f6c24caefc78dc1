/**
 * The rules by which one finding of a listing changes the rows of one name.
 *
 * Of a file's name there are, besides dead rows: the visible one V, and at most one staged one S that a full listing put there
 * for later. Of a directory's name there is one row for ever.
 *
 * Invariants:
 * 1. At every number, past or to come, at most one row of a name is visible, and never a file together with a directory of its
 *    name: the directory wins, the file is reported as shadowed.
 * 2. The same version keeps its row, and so its inode number; another version gets another.
 * 3. What is placed into a directory that is to die dies with it.
 * 4. What another listing has changed meanwhile is left alone (observer.ts); for invariant 1 alone it is not.
 */
import type { ListedObject } from '../../../dataset/listing.ts';
import { isSameVersion } from '../../../dataset/snapshot/version.ts';
import { FLAG_ARCHIVED, FOREVER } from '../schema.ts';
import { isDirectory, type NodeRecord, type Nodes } from './nodes.ts';
import { isTouched, type Observer } from './observer.ts';
import type { Store } from './store.ts';

/** A directory as the listing may change it, valid for one transaction. */
export interface DirectoryView {
  readonly ino: number;
  /** When it dies: its children die no later. */
  readonly died: number;
  /** Visible and completely listed: its names have been told, so a new one is news. */
  readonly known: boolean;
  /** At which number a name appears that was not there: now, with this transaction, or with the full listing's switch. */
  readonly birth: 'now' | 'raise' | 'staged';
}

/** What placing a directory gave. */
export interface PlacedDirectory {
  readonly ino: number;
  /** Inserted just now: no other row can have it as its parent yet. */
  readonly fresh: boolean;
}

/** The rules, for one listing. */
export class Placement {
  readonly #store: Store;
  readonly #nodes: Nodes;
  readonly #observer: Observer;

  /** Counts what was written for later instead of now; whoever compares two readings knows whether anything was. */
  stagedWrites = 0;

  constructor(store: Store, nodes: Nodes, observer: Observer) {
    this.#store = store;
    this.#nodes = nodes;
    this.#observer = observer;
  }

  /**
   * How a directory may be changed now.
   * @returns null where it is gone, or about to go: nothing may be placed into it
   */
  view(ino: number): DirectoryView | null {
    const { cur, doomed } = this.#store;
    const record = this.#nodes.byIno(ino);
    if (record === null || !isDirectory(record) || record.died <= cur) return null;
    const doom = doomed.get(ino);
    if (doom === 0) return null;
    const died = Math.min(record.died, doom ?? FOREVER);
    const visible = record.born <= cur;
    const listedSeq = this.#nodes.listedSeq(ino);
    const known = visible && listedSeq !== null && listedSeq <= cur;
    if (this.#observer.staged === null) return visible ? { ino, died, known, birth: known ? 'raise' : 'now' } : null;
    if (died <= this.#observer.staged) return null;
    return { ino, died, known, birth: visible && !known ? 'now' : 'staged' };
  }

  /**
   * A file is there.
   * @param group all rows of its name
   * @param fresh no other listing can have put anything into the directory
   * @returns false where it cannot be shown beside a directory of its name that is there at the same time
   */
  file(view: DirectoryView, group: readonly NodeRecord[], name: string, object: ListedObject, fresh: boolean): boolean {
    const { log } = this.#observer;
    const visible = this.#visibleOf(group);
    if (visible !== null && isSame(visible, object)) {
      this.#refreshAttributes(visible, object);
      return true;
    }
    if (isTouched(this.#observer, group, this.#store.cur)) return true;
    const staged = group.find((row) => row.born > this.#store.cur && row.died > row.born) ?? null;
    if (staged !== null && this.#observer.staged !== null) return true;

    const rival = fresh ? null : this.#livingDirectory(view.ino, name);
    // What a full listing finds beside a directory of that name can appear with its switch at the earliest.
    const late = visible !== null || (rival !== null && this.#observer.staged !== null);
    const seq = late ? this.#change() : this.#birth(view);
    if (rival !== null && rival.born <= seq && seq < rival.died) return false;
    const died = rival !== null && rival.born > seq ? Math.min(view.died, rival.born) : view.died;
    if (visible !== null) this.#nodes.setSpan(visible, visible.born, seq);
    let ino: number;
    if (staged !== null && isSame(staged, object)) {
      this.#nodes.setSpan(staged, seq, Math.min(staged.died, died));
      ino = staged.ino;
    } else {
      if (staged !== null) this.#nodes.remove(staged);
      ino = this.#nodes.insertFile(view.ino, name, object, seq, died);
    }
    if (visible === null) log.added += 1;
    else log.changed += 1;
    if (visible !== null || view.known) {
      log.name({ parent: view.ino, name, oldIno: visible?.ino ?? null, newIno: ino, dir: false });
    }
    return true;
  }

  /**
   * A directory is there.
   * @param group all rows of its name
   * @param name with its slash
   * @returns null where another listing has found meanwhile that it is not
   */
  directory(view: DirectoryView, group: readonly NodeRecord[], name: string): PlacedDirectory | null {
    const record = group[0];
    if (record === undefined) {
      const seq = this.#birthOverFile(view, name);
      const ino = this.#nodes.insertDirectory(view.ino, name, seq, view.died);
      this.#announce(view, name, ino);
      return { ino, fresh: true };
    }
    const placed = { ino: record.ino, fresh: false };
    const { cur } = this.#store;
    const { staged } = this.#observer;
    const dead = record.died <= cur;
    if (!dead && staged !== null) return record.died > staged ? placed : null;
    if (!dead && record.born <= cur) return placed;
    if (dead && isTouched(this.#observer, group, cur)) return null;
    // Either it comes back from the dead, or a full listing has staged it and it is found to be there already.
    const seq = this.#birthOverFile(view, name);
    if (dead && seq === staged) this.#nodes.putReborn(record);
    else this.#nodes.dropReborn(record.ino);
    this.#nodes.clearListed(record.ino);
    this.#nodes.setSpan(record, seq, view.died);
    this.#announce(view, name, record.ino);
    return placed;
  }

  /**
   * Nothing of that name is there.
   * @param group all rows of the name
   * @returns a directory that is to be buried with all it holds; a file is dead already
   */
  absent(view: DirectoryView, group: readonly NodeRecord[]): NodeRecord | null {
    const visible = this.#visibleOf(group);
    if (visible === null || isTouched(this.#observer, group, this.#store.cur)) return null;
    if (this.#observer.staged !== null && visible.died <= this.#observer.staged) return null;
    if (isDirectory(visible)) return visible;
    this.#end(view, visible);
    return null;
  }

  /** A directory of the same name is there: the file is not shown, whoever put it there. */
  shadowed(view: DirectoryView, group: readonly NodeRecord[]): void {
    const visible = this.#visibleOf(group);
    if (visible !== null && !(this.#observer.staged !== null && visible.died <= this.#observer.staged))
      this.#end(view, visible);
    this.#removeStaged(group);
  }

  /**
   * Whether a name already is as a listing found it, so that nothing is to be written.
   * @param group all rows of the name
   * @param found a file's object; `directory`; or `nothing` where there is nothing, or nothing to be shown
   */
  isAsFound(group: readonly NodeRecord[], found: ListedObject | 'directory' | 'nothing'): boolean {
    const visible = this.#visibleOf(group);
    if (found === 'nothing') return visible === null;
    if (visible === null) return false;
    return found === 'directory' || (isSame(visible, found) && this.#hasAttributes(visible, found));
  }

  /** Tells that a directory's name no longer stands for it. */
  announceBurial(record: NodeRecord): void {
    this.#observer.log.name({
      parent: record.parent,
      name: record.name.slice(0, -1),
      oldIno: record.ino,
      newIno: null,
      dir: true,
    });
  }

  #end(view: DirectoryView, visible: NodeRecord): void {
    this.#nodes.setSpan(visible, visible.born, this.#change());
    this.#observer.log.removed += 1;
    this.#observer.log.name({ parent: view.ino, name: visible.name, oldIno: visible.ino, newIno: null, dir: false });
  }

  #announce(view: DirectoryView, name: string, ino: number): void {
    if (view.known)
      this.#observer.log.name({ parent: view.ino, name: name.slice(0, -1), oldIno: null, newIno: ino, dir: true });
  }

  #visibleOf(group: readonly NodeRecord[]): NodeRecord | null {
    return group.find((row) => this.#nodes.isVisible(row)) ?? null;
  }

  /** The directory of a file's name, if it is visible or staged. */
  #livingDirectory(parent: number, name: string): NodeRecord | null {
    return (
      this.#nodes.byName(parent, `${name}/`).find((row) => row.died > this.#store.cur && row.died > row.born) ?? null
    );
  }

  /** The number at which a directory appears, files of its name having gone before. */
  #birthOverFile(view: DirectoryView, name: string): number {
    const files = this.#nodes.byName(view.ino, name.slice(0, -1));
    if (files.length === 0) return this.#birth(view);
    this.#removeStaged(files);
    const visible = this.#visibleOf(files);
    if (visible === null) return this.#birth(view);
    const seq = this.#change();
    if (visible.died > seq) this.#end(view, visible);
    return seq;
  }

  #removeStaged(group: readonly NodeRecord[]): void {
    for (const row of group) if (row.born > this.#store.cur) this.#nodes.remove(row);
  }

  #birth(view: DirectoryView): number {
    if (view.birth === 'now') return this.#store.cur;
    return this.#change();
  }

  #change(): number {
    if (this.#observer.staged === null) return this.#store.raise();
    this.stagedWrites += 1;
    return this.#observer.staged;
  }

  #hasAttributes(visible: NodeRecord, object: ListedObject): boolean {
    return visible.mtime === Math.trunc(object.mtimeMs) && ((visible.flags & FLAG_ARCHIVED) !== 0) === object.archived;
  }

  #refreshAttributes(visible: NodeRecord, object: ListedObject): void {
    if (this.#hasAttributes(visible, object)) return;
    if (this.#observer.preview !== true) this.#nodes.setAttributes(visible, object.mtimeMs, object.archived);
    this.#observer.log.changed += 1;
    this.#observer.log.name({
      parent: visible.parent,
      name: visible.name,
      oldIno: visible.ino,
      newIno: visible.ino,
      dir: false,
    });
  }
}

function isSame(record: NodeRecord, object: ListedObject): boolean {
  return isSameVersion(
    { size: record.size, mtimeMs: record.mtime, etag: record.etag },
    { ...object, mtimeMs: Math.trunc(object.mtimeMs) },
  );
}
