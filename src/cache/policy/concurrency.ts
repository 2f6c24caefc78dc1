/**
 * How many fetches run at once.
 *
 * Two kinds of request have a limit each: small ones (a file, a block), whose rate is bounded by latency, and large runs, bounded
 * by bandwidth. Beside them stands a share of the memory for the bytes in flight, which other datasets want, too. Each limit is found by a
 * `ConcurrencyLimit` (concurrency-limit.ts): it grows while throughput grows. Being throttled concerns both: the origin counts
 * requests, not our kinds.
 *
 * The caller asks `admit` before each request, reports `received` bytes and `finished` requests, and asks again whenever one
 * ended or a pause is over. Time comes in with each call; nothing here waits.
 *
 * Invariants:
 * 1. Requests in flight of a kind never exceed the kind's highest limit; none is admitted beyond its limit of the moment.
 * 2. Bytes in flight never exceed what the share gives.
 * 3. Readahead never takes the last eighth of a limit (at least one place), nor of the share: a reader's block finds room at
 *    once. Jobs leave a quarter (two places) to both, a scrub leaves half (three places) to all.
 * 4. During a pause that the origin asked for (Retry-After), nothing is admitted, of either kind or priority.
 * 5. A burst of refusals of requests that were already on their way counts once.
 */
import { ConcurrencyLimit, type LimitBounds } from './concurrency-limit.ts';
import type { FetchPriority } from './runs.ts';

/** The two kinds of request. */
export type RequestKind = 'small' | 'large';

/** Options; each has its reason at the defaults. */
export interface ConcurrencyOptions {
  /** Fewest requests of a kind at once. */
  readonly min: number;
  /** Small requests at once before anything is known. */
  readonly initialSmall: number;
  /** Most small requests at once. */
  readonly maxSmall: number;
  /** Large runs at once before anything is known. */
  readonly initialLarge: number;
  /** Most large runs at once. */
  readonly maxLarge: number;
  /** Requests of more bytes than this are large. */
  readonly largeFrom: number;
}

/** What a dataset has of the memory of all. */
export interface AdmissionShare {
  /** Bytes that one more request may hold; 0 where no request may start. */
  room(priority: FetchPriority): number;
  /** A request has started. */
  take(bytes: number): void;
  /** It has ended. */
  give(bytes: number): void;
  /** Somebody was refused for want of room: he wants to be told when there is some. */
  refused(): void;
}

/**
 * - min 4: one connection to S3 carries 85 to 90 MB/s (AWS, "Performance guidelines for Amazon S3"), so four fill 2.5 Gb/s, and a
 *   local origin with one or two cores serves no more at a time anyway.
 * - initialSmall 16: any origin bears as many, and a first directory walk at 10 ms starts at 1600 files/s instead of 400.
 * - maxSmall 128: at S3's first byte after 100 to 200 ms these are 640 to 1280 files/s, which is what one core of control plane
 *   can follow (0.8 ms a file); at 10 ms the optimum lies below it, and is found.
 * - initialLarge 8: a run takes a third of a second on S3, so each doubling would cost as much; readahead's own windows start small.
 * - maxLarge 16: 16 × 85 MB/s is 11 Gb/s; 16 runs of 16 MiB are 256 MiB of buffers.
 * - largeFrom 2 MiB: below it a request's time is mostly latency (2 MiB stream in 23 ms at 90 MB/s).
 */
export const CONCURRENCY_DEFAULTS: ConcurrencyOptions = {
  min: 4,
  initialSmall: 16,
  maxSmall: 128,
  initialLarge: 8,
  maxLarge: 16,
  largeFrom: 2 * 1024 * 1024,
};

// A request's own cost, in bytes' worth of work: without it, a hundred requests of 1 KiB would look idle beside one of 1 MiB.
// 64 KiB is what a connection of 85 MB/s carries in the 0.7 ms that a request costs at both ends. It is spread over the request's
// bytes: counted at its end, requests that end together would look like bursts.
const WORK_PER_REQUEST = 64 * 1024;

// What a request leaves free for the more urgent: a share of the limit, and places at least. With the lowest limit of four there is
// one place left even for a scrub. What it leaves of the memory is said by the share.
const LEFT_TO_OTHERS = {
  demand: { share: 0, atLeast: 0 },
  readahead: { share: 1 / 8, atLeast: 1 },
  fill: { share: 1 / 4, atLeast: 2 },
  scrub: { share: 1 / 2, atLeast: 3 },
} as const satisfies Record<FetchPriority, { readonly share: number; readonly atLeast: number }>;

// Retry-After beyond this is not believed: the next answer says it again if it is meant.
const MAX_PAUSE = 60_000;

/** A request in flight; handed back to `received` and `finished`. */
export interface FetchTicket {
  readonly kind: RequestKind;
  /** Bytes reserved for it. */
  readonly bytes: number;
  /** When it was admitted. */
  readonly admittedAt: number;
  /** When bytes of it were reported last; kept here by `received`. */
  reportedAt: number;
}

/** The answer to a request for admission. */
export type Admission =
  | { readonly ticket: FetchTicket }
  /** Refused: ask again at `until` (pause), or when something has finished. `room`: a request of so many bytes may start. */
  | {
      readonly ticket: null;
      readonly why: 'paused' | 'requests' | 'bytes';
      readonly until: number | null;
      readonly room: number;
    };

/** How a request ended. */
export type FetchOutcome =
  | { readonly kind: 'ok' }
  /** 503 SlowDown, 429; `retryAfter` in milliseconds where the origin named it. */
  | { readonly kind: 'throttled'; readonly retryAfter: number | null }
  /** No answer, a reset, a stall: what overload looks like without a word. */
  | { readonly kind: 'lost' }
  /** An answer that says nothing about load (404, 412), or cancelled by us. */
  | { readonly kind: 'neutral' };

/** For metrics and `dlfs explain`. */
export interface ConcurrencySnapshot {
  readonly small: { readonly limit: number; readonly inFlight: number };
  readonly large: { readonly limit: number; readonly inFlight: number };
  readonly bytesInFlight: number;
  /** End of the pause that the origin asked for; in the past when there is none. */
  readonly pausedUntil: number;
}

/** Admission of fetches; see the file's header. */
export class FetchConcurrency {
  readonly #options: ConcurrencyOptions;
  readonly #share: AdmissionShare;
  readonly #limits: Readonly<Record<RequestKind, ConcurrencyLimit>>;
  readonly #inFlight: Record<RequestKind, number> = { small: 0, large: 0 };
  #bytes = 0;
  #pausedUntil = -Infinity;

  /**
   * @param options where they differ from the defaults
   * @param share of the memory
   * @param now monotonic milliseconds, as in every call
   */
  constructor(options: Partial<ConcurrencyOptions>, share: AdmissionShare, now: number) {
    this.#share = share;
    this.#options = { ...CONCURRENCY_DEFAULTS, ...options };
    const { min, initialSmall, maxSmall, initialLarge, maxLarge } = this.#options;
    const bounds = (initial: number, max: number): LimitBounds => {
      const least = Math.min(min, max);
      return { min: least, max, initial: Math.max(least, Math.min(initial, max)) };
    };
    this.#limits = {
      small: new ConcurrencyLimit(bounds(initialSmall, maxSmall), now),
      large: new ConcurrencyLimit(bounds(initialLarge, maxLarge), now),
    };
  }

  /**
   * Asks for one request to start now.
   * @param request `bytes` is what it will hold in memory, at most its length
   */
  admit(request: { readonly bytes: number; readonly priority: FetchPriority }, now: number): Admission {
    if (now < this.#pausedUntil) return { ticket: null, why: 'paused', until: this.#pausedUntil, room: 0 };
    const kind: RequestKind = request.bytes > this.#options.largeFrom ? 'large' : 'small';
    const limit = this.#limits[kind];
    limit.advance(now, this.#inFlight[kind]);
    const { share, atLeast } = LEFT_TO_OTHERS[request.priority];
    const places = limit.current - Math.max(atLeast, Math.floor(limit.current * share));
    if (this.#inFlight[kind] >= places) {
      limit.refused();
      return { ticket: null, why: 'requests', until: null, room: 0 };
    }
    const room = this.#share.room(request.priority);
    if (request.bytes > room) {
      this.#share.refused();
      // A run may be cut to what there is, so that something always moves; beside others it is better left whole.
      return { ticket: null, why: 'bytes', until: null, room: this.#bytes === 0 ? room : 0 };
    }
    this.#share.take(request.bytes);
    this.#inFlight[kind] += 1;
    this.#bytes += request.bytes;
    return { ticket: { kind, bytes: request.bytes, admittedAt: now, reportedAt: now } };
  }

  /**
   * Body bytes have come in since the last call for this request. Called a block at a time it measures best; once before
   * `finished` will do: what came is spread over the time in which it came.
   */
  received(ticket: FetchTicket, bytes: number, now: number): void {
    const work = bytes * (1 + WORK_PER_REQUEST / Math.max(1, ticket.bytes));
    this.#limits[ticket.kind].worked(work, ticket.reportedAt, now, this.#inFlight[ticket.kind]);
    ticket.reportedAt = now;
  }

  /** A request has ended; its place and its bytes are free. Exactly once a ticket. */
  finished(ticket: FetchTicket, outcome: FetchOutcome, now: number): void {
    const limit = this.#limits[ticket.kind];
    if (ticket.bytes === 0 && outcome.kind === 'ok')
      limit.worked(WORK_PER_REQUEST, now, now, this.#inFlight[ticket.kind]);
    // What was refused or cancelled says nothing about how long a request takes.
    if (outcome.kind === 'ok' || outcome.kind === 'lost') {
      limit.ended(now - ticket.admittedAt, outcome.kind === 'lost', now, this.#inFlight[ticket.kind]);
    } else limit.advance(now, this.#inFlight[ticket.kind]);
    this.#inFlight[ticket.kind] -= 1;
    this.#bytes -= ticket.bytes;
    this.#share.give(ticket.bytes);
    if (outcome.kind !== 'throttled') return;
    for (const each of Object.values(this.#limits)) each.throttled(ticket.admittedAt, now);
    if (outcome.retryAfter === null) return;
    this.#pausedUntil = Math.max(this.#pausedUntil, now + Math.min(MAX_PAUSE, outcome.retryAfter));
  }

  /** @returns the state at `now` */
  snapshot(): ConcurrencySnapshot {
    return {
      small: { limit: this.#limits.small.current, inFlight: this.#inFlight.small },
      large: { limit: this.#limits.large.current, inFlight: this.#inFlight.large },
      bytesInFlight: this.#bytes,
      pausedUntil: this.#pausedUntil,
    };
  }
}
