/**
 * Burying a directory: it is gone at the origin, and with it everything below.
 *
 * A subtree may hold a million rows, so this is a walk in small steps, each of which leaves the database fit to be committed.
 * Children go before their directory: interrupted at any step, what is left is a directory with fewer entries that counts as
 * not listed, so the next look at it lists it again.
 *
 * Invariants:
 * 1. When a directory has died, no row below it lives on.
 * 2. From the first step on, what another listing places below dies at the same number (`Store.doomed`); however the walk
 *    ends, no directory stays doomed.
 */
import { isDirectory, type NodeRecord, type Nodes } from './nodes.ts';
import type { Observer } from './observer.ts';
import type { Pace } from './pace.ts';
import type { Skips } from './skips.ts';
import type { Store } from './store.ts';

interface Frame {
  readonly ino: number;
  after: number;
}

/** What a burial works on. */
export interface BurialParts {
  readonly store: Store;
  readonly nodes: Nodes;
  readonly skips: Skips;
  readonly observer: Observer;
  readonly pace: Pace;
}

/**
 * Buries a visible directory; yields wherever the transaction may be committed.
 * @param top its row
 */
export function* bury(parts: BurialParts, top: NodeRecord): Generator<void, void, undefined> {
  const { store, nodes, skips, observer, pace } = parts;
  const frames: Frame[] = [];
  const enter = (ino: number): void => {
    frames.push({ ino, after: 0 });
    store.doomed.set(ino, observer.staged ?? 0);
    if (observer.staged !== null) return;
    nodes.clearListed(ino);
    skips.replace(ino, new Map());
  };
  try {
    enter(top.ino);
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const deadline = observer.staged ?? store.cur;
      const rows = nodes.livingAfter(frame.ino, frame.after, deadline, pace.changes);
      for (const row of rows) {
        frame.after = row.ino;
        if (isDirectory(row)) {
          enter(row.ino);
          break;
        }
        observer.log.removed += end(parts, row) ? 1 : 0;
      }
      if (rows.length === 0) {
        frames.pop();
        const record = nodes.byIno(frame.ino);
        if (record !== null) end(parts, record);
        store.doomed.delete(frame.ino);
      }
      yield;
    }
  } finally {
    for (const { ino } of frames) store.doomed.delete(ino);
  }
}

/** Ends one row at the observer's number; true where it was visible until then. */
function end(parts: BurialParts, row: NodeRecord): boolean {
  const { store, nodes, observer } = parts;
  if (nodes.isVisible(row)) {
    nodes.setSpan(row, row.born, observer.staged ?? store.raise());
    return true;
  }
  if (row.born <= store.cur) return false;
  // Staged, and now never to be seen.
  if (isDirectory(row)) nodes.unbirth(row);
  else nodes.remove(row);
  return false;
}
