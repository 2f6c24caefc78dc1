/**
 * One listing as the index sees it: when it began, and at which number its findings take effect.
 *
 * Two kinds. The listing of one directory changes what is visible: what is new appears as its page comes, what differs from
 * before switches with the transaction that finds it. A full listing shows at once only what fills directories that nobody has
 * listed yet, and stages everything else at a number of its own.
 *
 * Listings overlap. Each row was put there by one of them, and origins have no clock that orders their answers; so:
 *
 * Invariants:
 * 1. A listing judges only what was there when it began. A name that another listing has changed since then is left as it is:
 *    that one asked later, or at the same time. (Should it have been the older answer after all, then reading the file
 *    says so, by 404 or 412, and the directory is listed again.)
 * 2. Only a full listing stages, and only one runs at a time.
 */
import type { ChangeLog } from './change-log.ts';
import type { NodeRecord } from './nodes.ts';

/** A listing under way. */
export interface Observer {
  /** The largest inode number given before it began. */
  readonly mark: number;
  /** `cur` when it began. */
  readonly since: number;
  /** The number it stages at; null for the listing of one directory. */
  readonly staged: number | null;
  readonly log: ChangeLog;
  /** What it finds is only counted: attributes, which change at once otherwise, stay as they are. */
  readonly preview?: boolean;
}

/**
 * Whether another listing has changed a name since this one began (invariant 1).
 * @param group all rows of the name
 * @param cur the visible state's number
 */
export function isTouched(observer: Observer, group: readonly NodeRecord[], cur: number): boolean {
  for (const row of group) {
    if (row.died <= cur) {
      if (row.died > observer.since) return true;
    } else if (row.born <= cur) {
      if (row.born > observer.since || row.ino > observer.mark) return true;
    } else if (observer.staged !== null && row.ino > observer.mark) {
      return true;
    }
  }
  return false;
}
