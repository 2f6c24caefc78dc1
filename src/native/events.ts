/**
 * Events of the data plane, decoded from the engine's batches.
 *
 * A record is ten doubles (type, words, a..f, bytes, volume) and its bytes, padded to eight; `native/src/base/events.h` is
 * the other side. Fields are handed over as they are: the handlers name them.
 *
 * Invariants:
 * 1. Records are decoded in the order in which the engine queued them.
 * 2. The bytes of a record are a view that is valid during the handler only.
 */
import type { Engine } from './binding.ts';

/** Numbers of the event types. */
export const EVENT = {
  lookup: 1,
  getattr: 2,
  readdir: 3,
  getxattr: 4,
  listxattr: 5,
  statfs: 6,
  resolve: 7,
  want: 8,
  mark: 9,
  stored: 10,
  storeFailed: 11,
  runEnd: 12,
  taskDone: 13,
  sessionEnd: 14,
  sessionReady: 15,
  timeout: 16,
  lost: 17,
  freed: 18,
} as const;

/** One decoded event; what a..f mean is said at the type in `native/BOUNDARY.md`. */
export interface NativeEvent {
  type: number;
  /** The volume or session that speaks; 0: the engine. */
  origin: number;
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
  f: number;
  bytes: Uint8Array;
}

const RECORD_DOUBLES = 10;
/** Some hundreds of events: a few milliseconds of work. */
const FIRST_BUFFER = 32 * 1024;

/** Drains an engine; one instance an engine. */
export class EventDrain {
  #buffer = new Uint8Array(FIRST_BUFFER);
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Hands waiting events to `handle`, a buffer at a time, until there are none or the turn is over. The event object is
   * reused: copy what outlives the call.
   * @param over asked before each further buffer: is the turn over?
   * @returns how many there were, and whether there may be more
   */
  drain(handle: (event: NativeEvent) => void, over: () => boolean): { count: number; more: boolean } {
    let count = 0;
    for (;;) {
      if (count > 0 && over()) return { count, more: true };
      const n = this.#engine.drain(this.#buffer);
      if (n === 0) return { count, more: false };
      if (n < 0) {
        this.#buffer = new Uint8Array(this.#buffer.length * 2);
        continue;
      }
      count += this.#decode(n, handle);
    }
  }

  #decode(length: number, handle: (event: NativeEvent) => void): number {
    const doubles = new Float64Array(this.#buffer.buffer, 0, length / 8);
    const event: NativeEvent = { type: 0, origin: 0, a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, bytes: this.#buffer };
    let count = 0;
    for (let at = 0; at < doubles.length; count++) {
      event.type = doubles[at] ?? 0;
      const words = doubles[at + 1] ?? RECORD_DOUBLES;
      event.a = doubles[at + 2] ?? 0;
      event.b = doubles[at + 3] ?? 0;
      event.c = doubles[at + 4] ?? 0;
      event.d = doubles[at + 5] ?? 0;
      event.e = doubles[at + 6] ?? 0;
      event.f = doubles[at + 7] ?? 0;
      const from = (at + RECORD_DOUBLES) * 8;
      event.bytes = this.#buffer.subarray(from, from + (doubles[at + 8] ?? 0));
      event.origin = doubles[at + 9] ?? 0;
      at += words;
      handle(event);
    }
    return count;
  }
}
