/**
 * The end of a full listing: its number becomes the visible one, or everything written at it is taken back.
 *
 * Invariants:
 * 1. Switching is one transaction of a few rows, however many were staged.
 * 2. Undoing goes in small steps and may be interrupted and begun anew at any of them; the number is forgotten with the last.
 * 3. Until an undone number is forgotten, no full listing begins and `cur` stays below it.
 * 4. That a directory would have been listed with that number (`dir`) may stay noted: it counts only when `cur` gets there, which
 *    takes another full listing, and that one lists each directory that it leaves visible.
 */
import { BOUND_LIMIT, FOREVER } from '../schema.ts';
import type { ListingParts } from './directory-listing.ts';
import { isDirectory, type NodeRecord } from './nodes.ts';

/** Rows looked at for each one changed: most inode numbers and directories are none of the listing's. */
const LOOKS_PER_CHANGE = 10;

/** Makes a staged number the visible one; part of the caller's transaction. */
export function switchTo(parts: ListingParts, seq: number): void {
  const { store, clock } = parts;
  const staging = store.stagings.get(seq);
  if (staging !== undefined) store.visible.add(staging.tally);
  store.cur = seq;
  store.complete = seq;
  store.completedAt = clock.wall();
  store.endStaging(seq);
  store.database.prepare('DELETE FROM reborn').run();
}

/** Takes everything back that was written at a number. */
export function* undo(parts: ListingParts, seq: number): Generator<void, void, undefined> {
  const { store, nodes, skips, pace } = parts;
  const looks = pace.changes * LOOKS_PER_CHANGE;
  const { database } = store;
  const mark = store.stagings.get(seq)?.mark;
  if (mark === undefined) return;
  const select = (where: string) => database.prepare<number[], NodeRecord>(`SELECT * FROM node ${where}`);

  // The index holds the rows that die at all; SQLite uses it only where the statement repeats its condition.
  const dying = select(`INDEXED BY node_died WHERE died = ? AND died <> ${FOREVER} ${BOUND_LIMIT}`);
  for (let rows = dying.all(seq, pace.changes); rows.length > 0; rows = dying.all(seq, pace.changes)) {
    for (const row of rows) nodes.setSpan(row, row.born, FOREVER);
    yield;
  }

  const rebornInos = database.prepare<[number], number>(`SELECT ino FROM reborn ${BOUND_LIMIT}`).pluck();
  for (let inos = rebornInos.all(pace.changes); inos.length > 0; inos = rebornInos.all(pace.changes)) {
    for (const ino of inos) {
      const row = nodes.byIno(ino);
      if (row?.born === seq) nodes.unbirth(row);
      else nodes.dropReborn(ino);
    }
    yield;
  }

  const staged = select('WHERE ino > ? AND ino <= ? AND born = ?');
  const next = database.prepare<[number], number>('SELECT min(ino) FROM node WHERE ino > ?').pluck();
  // Numbers may have wide gaps, so each step begins at a row that exists.
  for (let from = next.get(mark); typeof from === 'number'; from = next.get(from + looks)) {
    for (const row of staged.all(from - 1, from + looks, seq)) {
      if (isDirectory(row)) skips.replace(row.ino, new Map());
      nodes.remove(row);
    }
    yield;
  }

  // What others placed below dying directories while this ran; then, in the same transaction, the end.
  for (let rows = dying.all(seq, pace.changes); rows.length > 0; rows = dying.all(seq, pace.changes)) {
    for (const row of rows) nodes.setSpan(row, row.born, FOREVER);
  }
  store.endStaging(seq);
}
