/**
 * What goes over the channel between the index's two halves: the caller's thread, which reads, and the worker, the only writer.
 *
 * Every request has one reply. Requests of one lane (a listing, a shard of one) are answered in order; others may overtake.
 *
 * Invariants:
 * 1. Only plain data and array buffers cross. What came from the origin has been checked by the source already, and is
 *    checked again where the index's own invariants rest on it (order, prefix, ranges).
 * 2. Each reply carries `cur` as of its making: the reader switches with the reply, never before.
 */
import type { PlainError } from '../../base/errors.ts';
import type { ListPage } from '../../dataset/listing.ts';
import type { BlockRange } from '../policy/geometry.ts';
import type { NameChange, ObjectState, Opening, PinRow, ScrubMark } from './rows.ts';

/** What a database is opened with. */
export interface WriterInit {
  /** Path of the database. */
  readonly file: string;
  /** Bytes of a block. */
  readonly blockSize: number;
  /** Key prefix of the mounted root: empty, or ending with a slash. */
  readonly prefix: string;
}

/** Commits: parallel arrays. Hashes are 8 bytes each, big endian. */
export interface BlockBatch {
  readonly inos: Float64Array;
  readonly idx: Float64Array;
  readonly hashes: Uint8Array;
}

/** Each request's arguments and result by its name. */
export interface Calls {
  beginDirectory: { args: { lane: number; dir: number }; result: { prefix: string; first: boolean } };
  addPage: { args: { lane: number; page: ListPage }; result: PageResult };
  finishDirectory: { args: { lane: number }; result: OutcomeResult };
  abortDirectory: { args: { lane: number }; result: null };
  beginFull: { args: { lane: number; limit: number; preview?: boolean }; result: null };
  coverDirectory: { args: { full: number; key: string }; result: CoverResult };
  beginShard: { args: { lane: number; full: number; kind: 'level' | 'subtree'; key: string }; result: null };
  addShardPage: { args: { lane: number; page: ListPage }; result: PageResult };
  stopFull: { args: { lane: number }; result: null };
  finishFull: { args: { lane: number }; result: OutcomeResult };
  previewFull: { args: { lane: number }; result: OutcomeResult };
  abortFull: { args: { lane: number }; result: null };
  takeChanges: { args: { lane: number }; result: { changes: readonly NameChange[]; more: boolean } };
  commitBlocks: { args: BlockBatch & { at: number }; result: { rejected: readonly number[] } };
  setState: { args: { ino: number; state: ObjectState }; result: null };
  dropBlocks: { args: { ino: number; ranges: readonly BlockRange[] }; result: { blocks: number; bytes: number } };
  dropObjects: { args: { inos: readonly number[] }; result: null };
  touch: { args: { inos: Float64Array; used: Float64Array }; result: null };
  purge: { args: { inos: readonly number[] }; result: { dropped: readonly number[] } };
  purgeLeftovers: { args: Record<string, never>; result: { dropped: readonly number[]; done: boolean } };
  audit: { args: { inos: Float64Array; allocated: Float64Array }; result: AuditResult };
  forgetRecent: { args: Record<string, never>; result: null };
  addPins: { args: { pins: readonly PinRow[] }; result: null };
  removePins: { args: { globs: readonly string[] }; result: null };
  setPinned: { args: { inos: readonly number[]; pinned: boolean }; result: null };
  saveScrub: { args: { mark: ScrubMark }; result: null };
  markClean: { args: Record<string, never>; result: null };
  close: { args: Record<string, never>; result: null };
}

/** The name of a request. */
export type CallName = keyof Calls;

/** What a page changed. */
export interface PageResult {
  /** Names whose meaning changed, for a directory's listing in effect with this reply; a bounded part of them. */
  readonly changes: readonly NameChange[];
  /** There are further changes: `takeChanges`. */
  readonly more: boolean;
  /** Prefixes of a delimited shard that are directories of the tree: what is still to be listed. */
  readonly descend: readonly string[];
  /** Why the listing takes no more: it is too long, or its directory is gone. */
  readonly stopped: 'list-limit' | 'gone' | null;
}

/** What a listing of the whole makes of a directory before it begins a shard there. */
export interface CoverResult {
  /** Directories in it (relative to the mounted prefix): it is covered. Null: it is not. */
  readonly descend: readonly string[] | null;
  /**
   * Its number, where nobody has listed it, or somebody is about to: once it is listed by itself, ask again. Null, or the same
   * again: begin a shard.
   */
  readonly byItself: number | null;
  /** Why the listing takes no more. */
  readonly stopped: 'list-limit' | null;
}

/** How a listing ended. */
export interface OutcomeResult {
  readonly stopped: 'list-limit' | 'gone' | null;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** There were more names than a listing tells. */
  readonly overflow: boolean;
  /** What earlier replies have not told yet; a bounded part of it. */
  readonly changes: readonly NameChange[];
  /** There are further changes: `takeChanges`. */
  readonly more: boolean;
}

/** What cache files on the disk are, seen from the index. */
export interface AuditResult {
  /** No file of that number exists: to be deleted. */
  readonly orphans: readonly number[];
  /** The file exists, but no block of it is known: to be deleted, unless it is being written. */
  readonly unindexed: readonly number[];
  /** More is allocated than is known: ranges without a block are to be punched. */
  readonly excess: readonly number[];
  /** Less is allocated than is known: blocks may have lost their data, so they must be verified or dropped. */
  readonly short: readonly number[];
}

/** A request on the channel. */
export type Request = {
  [Name in CallName]: { readonly id: number; readonly call: Name; readonly args: Calls[Name]['args'] };
}[CallName];

/** What comes back: first one `opened` or `unopened`, then replies. */
export type Reply =
  | { readonly kind: 'opened'; readonly opening: Opening }
  | { readonly kind: 'unopened'; readonly error: PlainError }
  | { readonly kind: 'value'; readonly id: number; readonly cur: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly cur: number; readonly error: PlainError };
