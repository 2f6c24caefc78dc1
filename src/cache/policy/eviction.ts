/**
 * Which objects leave the cache: the policy's interface, and LRU by object behind it.
 *
 * A policy is a pure function: it reads a stream of candidates, coldest first as the index yields them, and names victims
 * until a need of bytes and files is met. It evicts nothing itself and remembers nothing.
 *
 * How LRU orders them:
 *   1. superseded and not open: no name leads to them any more, nobody holds them;
 *   2. closed, least recently used first;
 *   3. open: unlinking an open file frees nothing before its last close, so it is a promise of space, not space;
 *   4. superseded and open: the origin no longer has these bytes, and a reader still wants them. They go last.
 *
 * Invariants:
 * 1. A candidate that is pinned is never a victim.
 * 2. No victim of a later class is named while an unpinned candidate of an earlier one, among those read, is spared;
 *    within class 2 to 4 nobody is spared who was used before a victim, unless the need is met without them.
 * 3. No victim is superfluous: without any one of them the need is not met.
 * 4. At most `maxScan` candidates are read: a turn of the event loop stays short.
 * 5. Victims of one lender take no more than its `spare` together.
 */

/** What leaves for another's sake comes out of this. */
export interface Lender {
  /** Bytes that may leave. */
  readonly spare: number;
}

/** An object that could leave. */
export interface EvictionCandidate {
  /** The object's inode number. */
  readonly id: number;
  /** Allocated bytes that its leaving frees. */
  readonly bytes: number;
  /** Cache files that its leaving frees, usually 1. */
  readonly files: number;
  /** When it was last used, in milliseconds on the caller's scale. */
  readonly lastUsed: number;
  /** It stays until then: a run for it is in flight, or its bytes have just been fetched ahead and nobody has read them. */
  readonly pinnedUntil?: number;
  /** The origin has another version by now. */
  readonly superseded: boolean;
  /** The kernel holds it: a passthrough descriptor, a parked read. */
  readonly open: boolean;
  /** Where it leaves for another's sake: who gives it up, and bounds how much. */
  readonly lender?: Lender;
}

/** What must become free; 0 where one of the two is not short. */
export interface EvictionNeed {
  readonly bytes: number;
  readonly files: number;
}

/** Candidates up to the first that was used since a time: they come coldest first, so what follows was, too. */
export function* usedBefore<Candidate extends EvictionCandidate>(
  candidates: Iterable<Candidate>,
  time: number,
): Generator<Candidate, void, undefined> {
  for (const candidate of candidates) {
    if (candidate.lastUsed >= time && !candidate.superseded) return;
    yield candidate;
  }
}

/** What a policy decided. */
export interface EvictionChoice<Candidate extends EvictionCandidate = EvictionCandidate> {
  /** In the order in which they should leave. */
  readonly victims: readonly Candidate[];
  /** What their leaving frees. */
  readonly freed: EvictionNeed;
  /** What is missing then; {0, 0} where the need is met. */
  readonly shortfall: EvictionNeed;
}

/** Chooses victims; pure. */
export interface EvictionPolicy {
  /** For logs and stats. */
  readonly name: string;
  /**
   * @param candidates coldest first; read lazily and only as far as needed
   * @param need what must become free
   * @param now on the scale of `pinnedUntil`
   */
  choose<Candidate extends EvictionCandidate>(
    candidates: Iterable<Candidate>,
    need: EvictionNeed,
    now: number,
  ): EvictionChoice<Candidate>;
}

/** Options of `LruByObject`. */
export interface LruOptions {
  /** Candidates read at a time before the first of them is named, so that superseded ones further up the stream go first. */
  readonly lookahead?: number;
  /** Candidates read at most in one call. */
  readonly maxScan?: number;
}

// One page of the index (about 1 ms to read), and what one turn of the event loop may spend: 64 pages are the worst case,
// reached only when almost everything is open or pinned.
const LOOKAHEAD = 256;
const MAX_SCAN = 16_384;

/** Least recently used by object; see the file's header. */
export class LruByObject implements EvictionPolicy {
  readonly name = 'lru';
  readonly #lookahead: number;
  readonly #maxScan: number;

  constructor(options: LruOptions = {}) {
    this.#lookahead = options.lookahead ?? LOOKAHEAD;
    this.#maxScan = options.maxScan ?? MAX_SCAN;
  }

  choose<Candidate extends EvictionCandidate>(
    candidates: Iterable<Candidate>,
    need: EvictionNeed,
    now: number,
  ): EvictionChoice<Candidate> {
    const tally = new Tally<Candidate>(need);
    if (need.bytes <= 0 && need.files <= 0) return tally.choice();
    const deferred: Candidate[] = [];
    for (const page of pages(candidates, this.#lookahead, this.#maxScan)) {
      const free = page.filter((candidate) => !isPinned(candidate, now));
      deferred.push(...free.filter((candidate) => candidate.open));
      tally.take(free.filter((candidate) => !candidate.open));
      if (tally.met) break;
    }
    tally.take(deferred);
    return tally.choice();
  }
}

function isPinned(candidate: EvictionCandidate, now: number): boolean {
  return candidate.pinnedUntil !== undefined && candidate.pinnedUntil > now;
}

/** 1…4 as the file's header numbers them. */
function classOf(candidate: EvictionCandidate): number {
  if (candidate.open) return candidate.superseded ? 4 : 3;
  return candidate.superseded ? 1 : 2;
}

function byClassThenAge(a: EvictionCandidate, b: EvictionCandidate): number {
  return classOf(a) - classOf(b) || a.lastUsed - b.lastUsed || a.id - b.id;
}

function* pages<Candidate>(candidates: Iterable<Candidate>, size: number, most: number): Generator<Candidate[]> {
  let page: Candidate[] = [];
  let read = 0;
  if (most <= 0) return;
  for (const candidate of candidates) {
    page.push(candidate);
    read += 1;
    if (read >= most) break;
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Victims so far against the need. */
class Tally<Candidate extends EvictionCandidate> {
  readonly #need: EvictionNeed;
  readonly #lent = new Map<Lender, number>();
  #victims: Candidate[] = [];
  #bytes = 0;
  #files = 0;

  constructor(need: EvictionNeed) {
    this.#need = need;
  }

  get met(): boolean {
    return this.#bytes >= this.#need.bytes && this.#files >= this.#need.files;
  }

  take(candidates: readonly Candidate[]): void {
    for (const candidate of candidates.toSorted(byClassThenAge)) {
      if (this.met) return;
      if (!this.#helps(candidate)) continue;
      this.#victims.push(candidate);
      this.#lend(candidate, candidate.bytes);
      this.#bytes += candidate.bytes;
      this.#files += candidate.files;
    }
  }

  choice(): EvictionChoice<Candidate> {
    if (this.met) this.#spare();
    return {
      victims: this.#victims,
      freed: { bytes: this.#bytes, files: this.#files },
      shortfall: {
        bytes: Math.max(0, this.#need.bytes - this.#bytes),
        files: Math.max(0, this.#need.files - this.#files),
      },
    };
  }

  #helps(candidate: EvictionCandidate): boolean {
    const bytes = this.#bytes < this.#need.bytes && candidate.bytes > 0;
    const files = this.#files < this.#need.files && candidate.files > 0;
    return (bytes || files) && this.#isSpare(candidate);
  }

  #isSpare({ lender, bytes }: EvictionCandidate): boolean {
    return lender === undefined || (this.#lent.get(lender) ?? 0) + bytes <= lender.spare;
  }

  #lend({ lender }: EvictionCandidate, bytes: number): void {
    if (lender !== undefined) this.#lent.set(lender, (this.#lent.get(lender) ?? 0) + bytes);
  }

  /** Drops victims that a later, larger one has made superfluous, the most valuable first. */
  #spare(): void {
    for (const victim of this.#victims.toReversed()) {
      const bytes = this.#bytes - victim.bytes;
      const files = this.#files - victim.files;
      if (bytes < this.#need.bytes || files < this.#need.files) continue;
      this.#victims = this.#victims.filter((other) => other !== victim);
      this.#bytes = bytes;
      this.#files = files;
    }
  }
}
