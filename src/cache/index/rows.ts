/**
 * What the index tells its users: rows of files and directories, cached objects, totals, changes of names.
 *
 * All of it is plain data, made anew at each call; numbers are safe integers.
 */
import type { SkipReason } from '../../dataset/snapshot/path-rules.ts';

/** The inode number of the root directory (FUSE_ROOT_ID). */
export const ROOT_INO = 1;

/** One version of a file, or a directory. */
export interface NodeRow {
  readonly ino: number;
  /** The directory that holds it; 0 for the root. */
  readonly parent: number;
  /** Its name there, without a slash; empty for the root. */
  readonly name: string;
  readonly dir: boolean;
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** LastModified, milliseconds since 1970; 0 for a directory. */
  readonly mtimeMs: number;
  /** As the origin wrote it; empty where it gave none, and for a directory. */
  readonly etag: string;
  /** In a storage class that must be restored before it can be read. */
  readonly archived: boolean;
  /** No longer what its name stands for. */
  readonly superseded: boolean;
}

/** A row that no name stands for any more, in the order in which such rows came to be. */
export interface SupersededRow {
  readonly ino: number;
  /** The number of the visible state in which it was the first time no more. */
  readonly died: number;
}

/** An entry of a directory, as much of it as a listing tells. */
export interface EntryRow {
  readonly ino: number;
  /** Without a slash. */
  readonly name: string;
  /** 1 for a directory. */
  readonly dir: 0 | 1;
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** LastModified, milliseconds since 1970; 0 for a directory. */
  readonly mtimeMs: number;
}

/** How far an object's bytes are in the cache: 0 partly, 1 whole, 2 whole, verified and published. */
export type ObjectState = 0 | 1 | 2;

/** What the cache holds of one object version. */
export interface ObjectRow {
  readonly ino: number;
  /** Resident blocks. */
  readonly blocks: number;
  /** Bytes that they take on the disk. */
  readonly bytes: number;
  /** Last use, milliseconds since 1970, coarse. */
  readonly usedMs: number;
  readonly state: ObjectState;
}

/** An object with its map of resident blocks. */
export interface ObjectMap extends ObjectRow {
  /** One bit a block, least significant first; `ceil(blocks of the object / 8)` bytes. The caller's own copy. */
  readonly resident: Uint8Array;
}

/** A candidate for eviction. */
export interface ColdObject {
  readonly ino: number;
  /** Bytes on the disk. */
  readonly bytes: number;
  readonly usedMs: number;
  /** The origin no longer has this version. */
  readonly superseded: boolean;
}

/** What the cache holds in all. */
export interface CacheTotals {
  /** Bytes on the disk: blocks, the last one of an object rounded up to 4 KiB. */
  readonly bytes: number;
  /** Cache files. */
  readonly files: number;
  readonly blocks: number;
  /** Of them: bytes and cache files of objects that are marked as pinned. */
  readonly pinnedBytes: number;
  readonly pinnedFiles: number;
  /** Rows of files and directories, superseded and staged ones included. */
  readonly nodes: number;
}

/** Keys that POSIX cannot name. */
export interface Skipped {
  readonly reason: SkipReason;
  /** Keys, as counted by the latest listing of each directory. */
  readonly count: number;
  /** One of the keys; empty where it could not even be written down. */
  readonly sample: string;
}

/** What is visible now. */
export interface SnapshotInfo {
  /** Number of the visible state; grows with each switch. */
  readonly cur: number;
  /** Whether a listing of the whole source has been completed. */
  readonly complete: boolean;
  /** When the last complete listing switched, milliseconds since 1970; 0 before the first. */
  readonly completedAt: number;
  readonly files: number;
  /** Directories below the root. */
  readonly dirs: number;
  /** Sum of the files' sizes. */
  readonly bytes: number;
  /** Files by size: `[0]` empty ones, `[k]` those of 2^(k-1) to 2^k - 1 bytes. */
  readonly histogram: readonly number[];
  readonly skipped: readonly Skipped[];
}

/** A name that means something else than before; what a kernel's dentry cache must hear. */
export interface NameChange {
  readonly parent: number;
  /** Without a slash. */
  readonly name: string;
  /** What it meant; null: nothing. The same as `newIno` where only attributes changed. */
  readonly oldIno: number | null;
  /** What it means now; null: nothing. */
  readonly newIno: number | null;
  readonly dir: boolean;
}

/** A block and the hash it must have. */
export interface BlockHash {
  readonly ino: number;
  readonly idx: number;
  /** xxh64 of the block's bytes. */
  readonly hash: bigint;
}

/** A pin: files that are not to be evicted. */
export interface PinRow {
  /** A path or glob, relative to the dataset's root. */
  readonly glob: string;
  /** When it was made, milliseconds since 1970. */
  readonly atMs: number;
}

/** A pinned object with what it takes of the disk. */
export interface PinnedObject {
  readonly ino: number;
  readonly bytes: number;
}

/** How far the background verification has come. */
export interface ScrubMark {
  /** The last object of this pass that has been checked; 0 at its start. */
  readonly ino: number;
  /** When the pass began, milliseconds since 1970; 0 before the first. */
  readonly beganAtMs: number;
  /** Checked in this pass. */
  readonly blocks: number;
  readonly bytes: number;
  /** Blocks of this pass that were not as they should be. */
  readonly damaged: number;
  /** Passes that have come to their end. */
  readonly passes: number;
  /** When the last one did, milliseconds since 1970; 0 before. */
  readonly passedAtMs: number;
}

/** How opening the index went. */
export interface Opening {
  /** `existing`: as it was left; `created`: there was none; `rebuilt`: it was unreadable and stands aside. */
  readonly kind: 'existing' | 'created' | 'rebuilt';
  /** Where the unreadable one is now; null unless rebuilt. */
  readonly setAside: string | null;
  /** Why it was unreadable; null unless rebuilt. */
  readonly reason: string | null;
  /** Whether the last user ended with `markClean`. If not, `recentBlocks()` names what to verify. */
  readonly clean: boolean;
  /** Whether all cached blocks were forgotten because the block size changed: their files are orphans now. */
  readonly emptied: boolean;
}
