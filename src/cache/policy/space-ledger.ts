/**
 * The books of the cache disk: what each dataset has of it, what it may have, and what all have together.
 *
 * Every dataset has an account: its quota, its reserve, and what it uses. A request is held against the account's own quota first
 * (then its own blocks must leave), then against the limits and the floor that hold for all together (then the coldest of all must
 * leave). Both are decided by a `QuotaGate`. Nothing here does I/O: who evicts asks `spare` how much of a dataset may leave for the
 * sake of others.
 *
 * Invariants:
 * 1. After an admission the account lies within its quota, all accounts together within the limits, and the disk, were everything
 *    reserved written, at or above the floor.
 * 2. `spare` is never more than what the account has above its reserve: whoever takes no more leaves it its reserve. What is pinned is
 *    neither spare nor evictable.
 * 3. Sums are kept as accounts change: a decision costs the same whatever their number.
 */
import { bytes } from '../../base/brand.ts';
import { sizeOf } from '../../base/size.ts';
import type { EvictionNeed, Lender } from './eviction.ts';
import {
  QuotaGate,
  type QuotaAnswer,
  type DiskSpace,
  type QuotaDecision,
  type QuotaLimits,
  type QuotaState,
  type QuotaTransition,
} from './quota.ts';

/** What a dataset may have. */
export interface AccountLimits {
  /** Allocated bytes at most; Infinity for no limit of its own. */
  readonly bytes: number;
  /** Cache files at most; Infinity for no limit of its own. */
  readonly files: number;
  /** Bytes that no other dataset may take from it. */
  readonly reserve: number;
}

/** Whose blocks must leave: the account's own, or the coldest of all. */
export type SpaceScope = 'own' | 'all';

/** The answer to one request. */
export interface SpaceVerdict {
  readonly decision: QuotaDecision;
  /** Who decided, and where evictions are to be made. */
  readonly scope: SpaceScope;
  /** Changes of state of each scope. */
  readonly changed: Readonly<Record<SpaceScope, QuotaTransition | null>>;
}

/** States, the worst last. */
const STATES: readonly QuotaState[] = ['normal', 'quota', 'floor', 'bypass'];

/** A byte: whoever wants nothing is admitted at once, but a state is left only where there is room for more. */
const PROBE: EvictionNeed = { bytes: 1, files: 0 };

/** The worst of some states. */
export function worstOf(states: Iterable<QuotaState>): QuotaState {
  let worst = 0;
  for (const state of states) worst = Math.max(worst, STATES.indexOf(state));
  return STATES[worst] ?? 'normal';
}

interface Sums {
  bytes: number;
  files: number;
  reservedBytes: number;
  reservedFiles: number;
  evictableBytes: number;
  evictableFiles: number;
  /** Bytes above the reserves. */
  spareBytes: number;
  /** Files of accounts that have something to spare. */
  spareFiles: number;
}

/** See the file's header. */
export class SpaceLedger {
  readonly #limits: QuotaLimits;
  /** Decides when nobody asks. */
  readonly #gate: QuotaGate;
  readonly #sums: Sums = {
    bytes: 0,
    files: 0,
    reservedBytes: 0,
    reservedFiles: 0,
    evictableBytes: 0,
    evictableFiles: 0,
    spareBytes: 0,
    spareFiles: 0,
  };

  /** @param limits for all accounts together */
  constructor(limits: QuotaLimits) {
    this.#limits = limits;
    this.#gate = new QuotaGate(limits);
  }

  /** What all have together. */
  get sums(): Readonly<Sums> {
    return this.#sums;
  }

  /** Where the disk stands by the last look that nobody's request had caused. */
  get state(): QuotaState {
    return this.#gate.state;
  }

  /** Opens an account. @param initial what is there already */
  open(limits: AccountLimits, initial: { readonly bytes: number; readonly files: number }): SpaceAccount {
    return new SpaceAccount(this, this.#limits, limits, initial);
  }

  /** Whether something must leave although nobody asks: somebody else fills the disk. Reserves do not protect from that. */
  check(disk: DiskSpace): SpaceVerdict {
    const { decision, transition } = this.#gate.decide(this.#sums, disk, PROBE);
    return { decision, scope: 'all', changed: { own: null, all: transition } };
  }

  /**
   * The most that an account could hold now, if its own blocks and what others can spare left as needed.
   * @param disk counts what is there already as taken
   */
  holdable(account: SpaceAccount, disk: DiskSpace): EvictionNeed {
    const { limits } = account;
    const others = {
      bytes: this.#sums.bytes - account.bytes,
      files: this.#sums.files - account.files,
      spareBytes: this.#sums.spareBytes - account.spare,
      spareFiles: this.#sums.spareFiles - account.spareFiles,
    };
    const floor = sizeOf(this.#limits.floor, bytes(disk.totalBytes));
    const onDisk = account.bytes + others.spareBytes + disk.availableBytes - floor;
    return {
      bytes: Math.max(0, Math.min(limits.bytes, this.#limits.bytes - (others.bytes - others.spareBytes), onDisk)),
      files: Math.max(0, Math.min(limits.files, this.#limits.files - (others.files - others.spareFiles))),
    };
  }

  /** The most that an account could take now without anything leaving. */
  free(account: SpaceAccount, disk: DiskSpace): EvictionNeed {
    const { limits } = account;
    const { sums } = this;
    const floor = sizeOf(this.#limits.floor, bytes(disk.totalBytes));
    const own = limits.bytes - account.bytes - account.reservedBytes;
    const all = this.#limits.bytes - sums.bytes - sums.reservedBytes;
    const onDisk = disk.availableBytes - floor - sums.reservedBytes;
    const files = Math.min(limits.files - account.files, this.#limits.files - sums.files - sums.reservedFiles);
    return { bytes: Math.max(0, Math.min(own, all, onDisk)), files: Math.max(0, files) };
  }

  /** An account's figures change by so much; called by accounts. */
  add(figures: Sums, sign: 1 | -1): void {
    for (const key of Object.keys(this.#sums) as (keyof Sums)[]) this.#sums[key] += sign * figures[key];
  }
}

/** One dataset's account. */
export class SpaceAccount implements Lender, Disposable {
  readonly #ledger: SpaceLedger;
  readonly #together: QuotaGate;
  #limits: AccountLimits;
  #own: QuotaGate;
  #bytes = 0;
  #files = 0;
  #zombieBytes = 0;
  #zombieFiles = 0;
  #pinnedBytes = 0;
  #pinnedFiles = 0;
  #reservedBytes = 0;
  #reservedFiles = 0;
  #isClosed = false;

  /** Made by `SpaceLedger.open`. */
  constructor(
    ledger: SpaceLedger,
    all: QuotaLimits,
    limits: AccountLimits,
    initial: { readonly bytes: number; readonly files: number },
  ) {
    this.#ledger = ledger;
    this.#together = new QuotaGate(all);
    this.#limits = limits;
    this.#own = ownGate(limits);
    this.#ledger.add(this.#figures(), 1);
    this.recount(initial.bytes, initial.files);
  }

  /** Allocated bytes, those of unlinked but open files included. */
  get bytes(): number {
    return this.#bytes;
  }

  get files(): number {
    return this.#files;
  }

  /** Admitted and not yet written. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  get limits(): AccountLimits {
    return this.#limits;
  }

  /** The worse of its own state and that of all together, by its last requests. */
  get state(): QuotaState {
    return worstOf([this.#own.state, this.#together.state]);
  }

  get spare(): number {
    return Math.max(0, this.#bytes - this.#zombieBytes - Math.max(this.#limits.reserve, this.#pinnedBytes));
  }

  /** Files that may leave for others' sake, as the sums have them. */
  get spareFiles(): number {
    return this.#figures().spareFiles;
  }

  /** Other limits from now on; what is above them leaves with the next request. */
  relimit(limits: AccountLimits): void {
    this.#change(() => {
      this.#limits = limits;
      this.#own = ownGate(limits);
    });
  }

  /**
   * Decides about one request.
   * @param request allocated bytes and files to add
   */
  decide(disk: DiskSpace, request: EvictionNeed): SpaceVerdict {
    const own = this.#decideOwn(disk, request);
    if (own.decision.kind !== 'admit') {
      return { decision: own.decision, scope: 'own', changed: { own: own.transition, all: null } };
    }
    const all = this.#decideTogether(disk, request);
    return { decision: all.decision, scope: 'all', changed: { own: own.transition, all: all.transition } };
  }

  /** Follows the disk although nobody asks. @returns where the dataset stands among all */
  look(disk: DiskSpace): QuotaState {
    this.#decideTogether(disk, PROBE);
    return this.#together.state;
  }

  /** Whether something must leave although nobody asks: the quota has become smaller. */
  check(disk: DiskSpace): SpaceVerdict {
    const own = this.#decideOwn(disk, { bytes: 0, files: 0 });
    return { decision: own.decision, scope: 'own', changed: { own: own.transition, all: null } };
  }

  /** Takes an admitted request into the books. */
  reserve({ bytes, files }: EvictionNeed): void {
    this.#change(() => {
      this.#reservedBytes += bytes;
      this.#reservedFiles += files;
    });
  }

  /** Gives a reservation back: what was stored of it is counted by `stored`. */
  release({ bytes, files }: EvictionNeed): void {
    this.#change(() => {
      this.#reservedBytes -= bytes;
      this.#reservedFiles -= files;
    });
  }

  /** Blocks are on the disk now. */
  stored(bytes: number, files: number): void {
    this.#change(() => {
      this.#bytes += bytes;
      this.#files += files;
    });
  }

  /** Blocks or files have left. `open`: the kernel still holds the file, its space is taken until `freed`. */
  dropped(bytes: number, files: number, open: boolean): void {
    this.#change(() => {
      if (open) {
        this.#zombieBytes += bytes;
        this.#zombieFiles += files;
      } else {
        this.#bytes -= bytes;
        this.#files -= files;
      }
    });
  }

  /** A dropped file that was open is closed. */
  freed(bytes: number, files: number): void {
    this.#change(() => {
      this.#zombieBytes -= bytes;
      this.#zombieFiles -= files;
      this.#bytes -= bytes;
      this.#files -= files;
    });
  }

  /** Of what is there, so much is pinned and does not leave. */
  pinned(bytes: number, files: number): void {
    if (bytes === this.#pinnedBytes && files === this.#pinnedFiles) return;
    this.#change(() => {
      this.#pinnedBytes = bytes;
      this.#pinnedFiles = files;
    });
  }

  /** Takes over a count of what is there, unlinked but open files left out. */
  recount(bytes: number, files: number): void {
    this.#change(() => {
      this.#bytes = bytes + this.#zombieBytes;
      this.#files = files + this.#zombieFiles;
    });
  }

  /** Closes the account: what it has no longer counts. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ledger.add(this.#figures(), -1);
  }

  #decideTogether(disk: DiskSpace, request: EvictionNeed): QuotaAnswer {
    const { sums } = this.#ledger;
    const figures = this.#figures();
    return this.#together.decide(
      {
        ...sums,
        // Of the others what they have above their reserves, of its own everything.
        evictableBytes: sums.spareBytes - figures.spareBytes + figures.evictableBytes,
        evictableFiles: sums.spareFiles - figures.spareFiles + figures.evictableFiles,
      },
      disk,
      request,
    );
  }

  #decideOwn(disk: DiskSpace, request: EvictionNeed): QuotaAnswer {
    const whole = { totalBytes: disk.totalBytes, availableBytes: Infinity, availableFiles: null };
    return this.#own.decide(this.#figures(), whole, request);
  }

  #change(how: () => void): void {
    if (!this.#isClosed) this.#ledger.add(this.#figures(), -1);
    how();
    if (!this.#isClosed) this.#ledger.add(this.#figures(), 1);
  }

  #figures(): Sums {
    const { spare } = this;
    // What is pinned is told a moment after it has left or come.
    const evictableFiles = Math.max(0, this.#files - this.#zombieFiles - this.#pinnedFiles);
    return {
      bytes: this.#bytes,
      files: this.#files,
      reservedBytes: this.#reservedBytes,
      reservedFiles: this.#reservedFiles,
      evictableBytes: Math.max(0, this.#bytes - this.#zombieBytes - this.#pinnedBytes),
      evictableFiles,
      spareBytes: spare,
      spareFiles: spare > 0 ? evictableFiles : 0,
    };
  }
}

function ownGate({ bytes: most, files }: AccountLimits): QuotaGate {
  return new QuotaGate({ bytes: most, files, floor: { kind: 'size', bytes: bytes(0) } });
}
