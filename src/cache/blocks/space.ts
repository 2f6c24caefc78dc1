/**
 * Space: whether there is room for what is about to be fetched, and who leaves to make it.
 *
 * Asked before every run. The pure gate (policy/quota.ts) decides from counters kept here and the disk's statfs; eviction
 * follows the pure policy. A run starts when the room is there; where it cannot be had, the run is served without caching.
 *
 * Invariants:
 * 1. `bytes` + `reserved` never exceeds the quota by more than what is being dropped right now.
 * 2. What is unlinked but still open counts until the kernel lets go of it.
 * 3. No space is never an error for a reader.
 * 4. One eviction at a time; whoever needs room meanwhile waits for it.
 */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { formatSize } from '../../base/size.ts';
import type { EvictionCandidate, EvictionNeed, EvictionPolicy } from '../policy/eviction.ts';
import { QuotaGate, type DiskSpace, type QuotaLimits, type QuotaState } from '../policy/quota.ts';

/** What Space asks of the blocks' owner. */
export interface SpaceHost {
  /** Coldest first, lazily; what must not leave is marked open or pinned. */
  candidates(): Iterable<EvictionCandidate>;
  /** Drops whole objects; resolves when they are gone from index and disk. */
  dropObjects(inos: readonly number[]): Promise<void>;
  /** Drops some of the object's own blocks, oldest first; returns the bytes freed. */
  dropOwn(ino: number, bytes: number): Promise<number>;
}

/** Numbers for stats. */
export interface SpaceStats {
  readonly bytes: number;
  readonly files: number;
  readonly reservedBytes: number;
  readonly state: QuotaState;
  readonly evictedFiles: number;
  readonly evictedBytes: number;
  readonly bypassedRuns: number;
}

/** How old a statfs may be, in milliseconds: at 1 GB/s the disk moves 100 MB meanwhile, less than the floor's slack. */
const STATFS_AGE = 100;
/** Room that lasts this long, in milliseconds, is told of: bursts of readahead make and end shortages within seconds. */
const CALM = 10_000;

/** See the file's header. */
export class Space {
  readonly #gate: QuotaGate;
  readonly #policy: EvictionPolicy;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #host: SpaceHost;
  #bytes: number;
  #files: number;
  #zombieBytes = 0;
  #zombieFiles = 0;
  #reservedBytes = 0;
  #reservedFiles = 0;
  #disk: DiskSpace | null = null;
  #diskAt = -Infinity;
  #asking: Promise<void> | null = null;
  /** The shortage that the log told of last; null: that there is room. */
  #said: 'floor' | 'bypass' | null = null;
  #calmSince = Infinity;
  /** Counts what has left: a statfs that began before it does not show it. */
  #drops = 0;
  #evicting: Promise<void> | null = null;
  #evictedFiles = 0;
  #evictedBytes = 0;
  #bypassed = 0;

  constructor(options: {
    readonly limits: QuotaLimits;
    readonly policy: EvictionPolicy;
    /** The cache folder, for statfs. */
    readonly folder: string;
    readonly clock: Clock;
    readonly log: Logger;
    readonly host: SpaceHost;
    /** What the index says is there. */
    readonly initial: { readonly bytes: number; readonly files: number };
  }) {
    this.#gate = new QuotaGate(options.limits);
    this.#policy = options.policy;
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#host = options.host;
    this.#bytes = options.initial.bytes;
    this.#files = options.initial.files;
  }

  /** Counters for stats. */
  stats(): SpaceStats {
    return {
      bytes: this.#bytes,
      files: this.#files,
      reservedBytes: this.#reservedBytes,
      state: this.#gate.state,
      evictedFiles: this.#evictedFiles,
      evictedBytes: this.#evictedBytes,
      bypassedRuns: this.#bypassed,
    };
  }

  /**
   * Makes room for a run of object `ino` and reserves it.
   * @param need allocated bytes, and 1 file where the object has no cache file yet
   * @returns true: reserved, hand back with `release`; false: serve without caching
   */
  async admit(ino: number, need: EvictionNeed): Promise<boolean> {
    try {
      if (await this.#admit(ino, need)) return true;
    } catch (error) {
      this.#log.warn('room in the cache could not be made: serving without caching', { err: error });
    }
    this.#bypassed += 1;
    return false;
  }

  async #admit(ino: number, need: EvictionNeed): Promise<boolean> {
    // An eviction frees more than it must; a few rounds suffice unless others take the room meanwhile. What others evict is
    // not counted: each of them ends.
    for (let round = 0; round < 4;) {
      const disk = await this.#space();
      const { decision, transition } = this.#gate.decide(this.#use(), disk, need);
      if (transition !== null) this.#say(transition.to, transition.reason);
      if (decision.kind === 'admit') {
        this.#reservedBytes += need.bytes;
        this.#reservedFiles += need.files;
        return true;
      }
      if (decision.need !== null && this.#evicting === null) round += 1;
      if (decision.need !== null && (await this.#evict(ino, decision.need))) continue;
      break;
    }
    return false;
  }

  /** Takes over a count of what is there, unlinked but open files left out. */
  recount(bytes: number, files: number): void {
    this.#bytes = bytes + this.#zombieBytes;
    this.#files = files + this.#zombieFiles;
  }

  /** Gives a reservation back: what was stored of it is counted by `stored`. */
  release(need: EvictionNeed): void {
    this.#reservedBytes -= need.bytes;
    this.#reservedFiles -= need.files;
  }

  /** A block is on disk now. */
  stored(bytes: number, newFile: boolean): void {
    this.#bytes += bytes;
    if (newFile) this.#files += 1;
  }

  /** Blocks or files have left. `open`: the kernel still holds the file, its space is taken until `freed`. */
  dropped(bytes: number, files: number, open: boolean): void {
    if (open) {
      this.#zombieBytes += bytes;
      this.#zombieFiles += files;
    } else {
      this.#bytes -= bytes;
      this.#files -= files;
      this.#diskAt = -Infinity;
      this.#drops += 1;
    }
  }

  /** A dropped file that was open is closed. */
  freed(bytes: number, files: number): void {
    this.#zombieBytes -= bytes;
    this.#zombieFiles -= files;
    this.dropped(bytes, files, false);
  }

  /** Looks at the disk without a request: gives the floor back when others filled the disk. */
  async check(): Promise<void> {
    // A byte, as whoever wants nothing is admitted at once: a state is left only where there is room for more.
    const { decision, transition } = this.#gate.decide(this.#use(), await this.#space(), { bytes: 1, files: 0 });
    if (transition !== null) this.#say(transition.to, transition.reason);
    this.#sayRoom();
    if (decision.kind !== 'admit' && decision.need !== null) await this.#evict(0, decision.need);
  }

  #use(): Parameters<QuotaGate['decide']>[0] {
    return {
      bytes: this.#bytes,
      files: this.#files,
      reservedBytes: this.#reservedBytes,
      reservedFiles: this.#reservedFiles,
      evictableBytes: this.#bytes - this.#zombieBytes,
      evictableFiles: this.#files - this.#zombieFiles,
    };
  }

  /** The disk as it was not long ago, and behind the last drop: an old look would evict once more for what has left already. */
  async #space(): Promise<DiskSpace> {
    for (;;) {
      if (this.#disk !== null && this.#clock.monotonic() - this.#diskAt <= STATFS_AGE) return this.#disk;
      this.#asking ??= this.#ask().finally(() => (this.#asking = null));
      await this.#asking;
    }
  }

  async #ask(): Promise<void> {
    const drops = this.#drops;
    const at = this.#clock.monotonic();
    const fs = await statfs(this.#folder);
    this.#disk = {
      totalBytes: fs.blocks * fs.bsize,
      availableBytes: fs.bavail * fs.bsize,
      availableFiles: fs.files === 0 ? null : fs.ffree,
    };
    if (drops === this.#drops) this.#diskAt = at;
  }

  /** @returns whether anything was freed */
  async #evict(ino: number, need: EvictionNeed): Promise<boolean> {
    if (this.#evicting !== null) {
      await this.#evicting;
      return true; // somebody made room meanwhile: decide anew
    }
    const work = this.#evictNow(ino, need);
    this.#evicting = work.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await work;
    } finally {
      this.#evicting = null;
    }
  }

  async #evictNow(ino: number, need: EvictionNeed): Promise<boolean> {
    const choice = this.#policy.choose(this.#host.candidates(), need, this.#clock.wall());
    const { files } = choice.freed;
    let { bytes } = choice.freed;
    if (choice.victims.length > 0) await this.#host.dropObjects(choice.victims.map((victim) => victim.id));
    if (choice.shortfall.bytes > 0 && ino !== 0) bytes += await this.#host.dropOwn(ino, choice.shortfall.bytes);
    this.#evictedFiles += choice.victims.length;
    this.#evictedBytes += bytes;
    if (bytes > 0) this.#log.debug('evicted', { files, bytes });
    return bytes > 0 || files > 0;
  }

  /** One line for a shortage, however often it comes and goes. */
  #say(state: QuotaState, reason: string | null): void {
    this.#calmSince = state === 'floor' || state === 'bypass' ? Infinity : this.#clock.monotonic();
    if (state === this.#said || this.#said === 'bypass') return;
    if (state === 'bypass') {
      this.#log.warn(`no room in the cache (${reason ?? ''}): serving without caching; ${this.#held()}`, { reason });
    } else if (state === 'floor') {
      this.#log.warn(`the cache disk is at its floor of free space: evicting; ${this.#held()}`, { reason });
    } else return;
    this.#said = state;
  }

  #sayRoom(): void {
    if (this.#said === null || this.#clock.monotonic() - this.#calmSince < CALM) return;
    this.#said = null;
    this.#log.info(`the cache has room again; ${this.#held()}`);
  }

  #held(): string {
    const free = this.#disk === null ? '' : `, ${formatSize(this.#disk.availableBytes)} free on the disk`;
    return `${formatSize(Math.max(0, this.#bytes))} cached${free}`;
  }
}
