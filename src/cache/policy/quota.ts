/**
 * Whether bytes may enter the cache: quota in bytes and files, and a floor of free space on the disk.
 *
 * For each request to store something the gate answers `admit`, `evict` (make this much room, then ask again or go on) or
 * `bypass` (serve it without caching). A request of nothing asks whether the cache must shrink: somebody else fills the disk.
 *
 * How it works: what is in use, what is reserved for runs in flight and what is asked for are held against the quota; the
 * disk's free space, less the reservations that statfs cannot see yet, against the floor. Evictions take a little more than
 * needed (`slack`), so that the next request needs none. A state, `normal`, `quota`, `floor` or `bypass`, follows the
 * decisions; it is entered at a limit and left only well inside it, which is what keeps the log at one line a transition.
 *
 * Invariants:
 * 1. After an admission, use and reservations lie within the quota, and the disk, were they written, at or above the floor.
 * 2. What must be evicted never exceeds what is evictable; where that would not do, the answer is `bypass`.
 * 3. `bypass` is never an error, and never final: for the quota it ends with the first request that fits; for the disk's sake when there is
 *    room for the request and the slack, and what may leave makes that room.
 * 4. A state is left only at a distance from the limit that is larger than what an eviction overshoots: a load that sits at a
 *    limit makes one transition, not one an eviction.
 */
import { sizeOf, type SizeOrShare } from '../../base/size.ts';
import { bytes } from '../../base/brand.ts';
import type { EvictionNeed } from './eviction.ts';

/** What the user allows. */
export interface QuotaLimits {
  /** Allocated bytes that the cache may occupy. */
  readonly bytes: number;
  /** Cache files that it may have; Infinity for no limit. */
  readonly files: number;
  /** Free space of the disk to keep: a size, or a share of the disk. */
  readonly floor: SizeOrShare;
}

/** The disk, from statfs. */
export interface DiskSpace {
  /** `f_blocks × f_frsize`. */
  readonly totalBytes: number;
  /** `f_bavail × f_frsize`: what is left to users; root's reserve does not count. */
  readonly availableBytes: number;
  /** `f_ffree`; null where the file system makes inodes as it needs them (statfs says 0 of 0). */
  readonly availableFiles: number | null;
}

/** What the cache holds. */
export interface CacheUse {
  /** Allocated bytes, unlinked but open files included. */
  readonly bytes: number;
  readonly files: number;
  /** Admitted earlier, not yet written: not in `bytes`, and unknown to statfs. */
  readonly reservedBytes: number;
  readonly reservedFiles: number;
  /** What eviction could free now: neither pinned nor in flight nor unlinked already. */
  readonly evictableBytes: number;
  readonly evictableFiles: number;
}

/** Why a decision is not a plain `admit`. */
export type QuotaReason = 'quota-bytes' | 'quota-files' | 'floor' | 'inodes' | 'too-large';

/** The answer to one request. */
export type QuotaDecision =
  | { readonly kind: 'admit' }
  /** Free this much, then the request is admitted. */
  | { readonly kind: 'evict'; readonly need: EvictionNeed; readonly reason: QuotaReason }
  /** Serve it without caching; `need` is what should leave all the same, to come back within the limits, or null. */
  | { readonly kind: 'bypass'; readonly need: EvictionNeed | null; readonly reason: QuotaReason };

/** Where the cache stands. */
export type QuotaState = 'normal' | 'quota' | 'floor' | 'bypass';

/** A change of state: one log line. */
export interface QuotaTransition {
  readonly from: QuotaState;
  readonly to: QuotaState;
  /** What made it so; null on the way back to `normal`. */
  readonly reason: QuotaReason | null;
}

/** A decision and, where it changed the state, the transition. */
export interface QuotaAnswer {
  readonly decision: QuotaDecision;
  readonly transition: QuotaTransition | null;
}

// An eviction takes 1/64 more than needed: 160 MiB of a cache of 10 GiB, so that a sync and an index commit pay for hundreds
// of admissions. At least 1 MiB (a block), but no more than an eighth of a small cache; at most 1 GiB, which on a large one is a
// second's worth of the fastest origin.
const SLACK_SHARE = 1 / 64;
const MIN_SLACK = 1024 * 1024;
const MIN_SLACK_SHARE = 1 / 8;
const MAX_SLACK = 1024 * 1024 * 1024;

// Files are counted, not measured; the same share, without a floor: a cache of 100 files evicts one more than needed.
const FILE_SLACK_SHARE = 1 / 64;

// Inodes that are left to the disk's other users: enough for logs and temporary files of a node.
const INODE_FLOOR = 1024;

/** The quota's gate; holds only its state. See the file's header. */
export class QuotaGate {
  readonly #limits: QuotaLimits;
  #state: QuotaState = 'normal';
  /** Why the last request was not simply admitted. */
  #reason: QuotaReason = 'floor';

  /** @param limits as configured; `bytes` and `files` > 0 */
  constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  /** Where the cache stands since the last decision. */
  get state(): QuotaState {
    return this.#state;
  }

  /**
   * Decides about one request, and follows with the state.
   * @param request allocated bytes and files to add; {0, 0} asks only whether the cache must shrink
   */
  decide(use: CacheUse, disk: DiskSpace, request: EvictionNeed): QuotaAnswer {
    const shortage = this.#shortage(use, disk, request);
    const decision = this.#decision(use, shortage, request);
    return { decision, transition: this.#follow(decision, shortage) };
  }

  #decision(use: CacheUse, shortage: Shortage, request: EvictionNeed): QuotaDecision {
    const { limits, reason } = shortage;
    if (request.bytes > this.#limits.bytes || request.files > this.#limits.files) {
      return { kind: 'bypass', need: null, reason: 'too-large' };
    }
    if (reason === null) return this.#fitting(use, shortage, request);
    const need = (bytes: number, files: number): EvictionNeed => ({
      bytes: bytes > 0 ? Math.min(bytes + limits.slackBytes, use.evictableBytes) : 0,
      files: files > 0 ? Math.min(files + limits.slackFiles, use.evictableFiles) : 0,
    });
    if (shortage.bytes <= use.evictableBytes && shortage.files <= use.evictableFiles)
      return { kind: 'evict', need: need(shortage.bytes, shortage.files), reason };
    // Nothing leaves for a request that will not be cached all the same: only what is over the limits without it.
    const over = need(shortage.bytes - request.bytes, shortage.files - request.files);
    return { kind: 'bypass', need: over.bytes > 0 || over.files > 0 ? over : null, reason };
  }

  /** The request fits. A bypass for the disk's sake is left only with room for the slack, or the next request would be back in it. */
  #fitting(use: CacheUse, { bytes: over, limits }: Shortage, request: EvictionNeed): QuotaDecision {
    const missing = over + limits.slackBytes;
    // The quota is the cache's own: nobody else takes or makes room in it, so waiting for more than the request needs would have no end.
    const isHeld = this.#state === 'bypass' && isOfDisk(this.#reason) && missing > 0 && request.bytes > 0;
    if (!isHeld) return { kind: 'admit' };
    return missing <= use.evictableBytes
      ? { kind: 'evict', need: { bytes: missing, files: 0 }, reason: this.#reason }
      : { kind: 'bypass', need: null, reason: this.#reason };
  }

  /** How far the request, with everything reserved, would exceed each limit; negative values are room. */
  #shortage(use: CacheUse, disk: DiskSpace, request: EvictionNeed): Shortage {
    const floor = sizeOf(this.#limits.floor, bytes(disk.totalBytes));
    const overBytes = use.bytes + use.reservedBytes + request.bytes - this.#limits.bytes;
    const underFloor = floor + use.reservedBytes + request.bytes - disk.availableBytes;
    const overFiles = use.files + use.reservedFiles + request.files - this.#limits.files;
    const wantsInodes = use.reservedFiles + request.files;
    // An old shortage of inodes concerns only who wants one.
    const overInodes =
      disk.availableFiles === null || wantsInodes === 0 ? -Infinity : INODE_FLOOR + wantsInodes - disk.availableFiles;
    return {
      bytes: Math.max(overBytes, underFloor),
      files: Math.max(overFiles, overInodes),
      reason: reasonOf(overBytes, underFloor, overFiles, overInodes),
      limits: {
        slackBytes: slackOf(Math.min(this.#limits.bytes, disk.totalBytes)),
        slackFiles: Number.isFinite(this.#limits.files) ? Math.ceil(this.#limits.files * FILE_SLACK_SHARE) : 1,
      },
    };
  }

  #follow(decision: QuotaDecision, shortage: Shortage): QuotaTransition | null {
    const to = this.#next(decision, shortage);
    const from = this.#state;
    if (decision.kind !== 'admit' && decision.reason !== 'too-large') this.#reason = decision.reason;
    if (to === from) return null;
    this.#state = to;
    return { from, to, reason: decision.kind === 'admit' ? null : decision.reason };
  }

  #next(decision: QuotaDecision, shortage: Shortage): QuotaState {
    if (decision.kind === 'bypass') return decision.reason === 'too-large' ? this.#state : 'bypass';
    if (decision.kind === 'evict') {
      if (isOfDisk(decision.reason)) return 'floor';
      // Both limits near each other would otherwise take turns in the log.
      return this.#state === 'floor' ? 'floor' : 'quota';
    }
    // An eviction leaves one slack of room, so twice that is out of its reach.
    const { slackBytes, slackFiles } = shortage.limits;
    const roomy = shortage.bytes + 2 * slackBytes <= 0 && shortage.files + 2 * slackFiles <= 0;
    if (roomy) return 'normal';
    if (this.#state !== 'bypass') return this.#state;
    return isOfDisk(this.#reason) ? 'floor' : 'quota';
  }
}

/** Whether the disk is short, which others fill as well; else it is the cache's own quota. */
function isOfDisk(reason: QuotaReason): boolean {
  return reason === 'floor' || reason === 'inodes';
}

/** @param whole the smaller of the quota and the disk: a share of one may be all of the other */
function slackOf(whole: number): number {
  const least = Math.min(MIN_SLACK, Math.floor(whole * MIN_SLACK_SHARE));
  return Math.min(MAX_SLACK, Math.max(least, Math.floor(whole * SLACK_SHARE)));
}

interface Shortage {
  readonly bytes: number;
  readonly files: number;
  readonly reason: QuotaReason | null;
  readonly limits: { readonly slackBytes: number; readonly slackFiles: number };
}

/** The disk's own limits are named first: the quota is the user's wish, the floor is everybody's. */
function reasonOf(overBytes: number, underFloor: number, overFiles: number, overInodes: number): QuotaReason | null {
  if (underFloor > 0) return 'floor';
  if (overInodes > 0) return 'inodes';
  if (overBytes > 0) return 'quota-bytes';
  return overFiles > 0 ? 'quota-files' : null;
}
