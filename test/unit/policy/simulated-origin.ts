/**
 * A simulated origin for tests of the concurrency control: latency, shared bandwidth, and a limit beyond which it answers 503.
 *
 * Time moves in steps of a millisecond. A request waits `latency` ± 30 %, then receives an equal share of the bandwidth (at most
 * `perConnection`) until its bytes are complete. An endless queue asks for admission in each step.
 */
import { aloneWith } from './shares.ts';
import { FetchConcurrency, type ConcurrencyOptions, type FetchTicket } from '../../../src/cache/policy/concurrency.ts';
import { seeded } from './seeded.ts';

/** What the origin can do; may be changed while it runs. */
export interface OriginModel {
  /** Bytes a millisecond, over all connections. */
  bandwidth: number;
  /** Bytes a millisecond of one connection. */
  perConnection: number;
  /** Milliseconds to the first byte. */
  latency: number;
  /** More requests than this at once are answered 503. */
  maxConcurrent: number;
  /** Requests a millisecond, on average, beyond which 503 is the answer. */
  maxRate: number;
  /** Milliseconds of Retry-After in a 503. */
  retryAfter: number | null;
  /** Whether bytes are reported as they come, or all at a request's end. */
  reportsAsTheyCome: boolean;
}

/** What one span of simulated time came to. */
export interface SpanResult {
  readonly completed: number;
  readonly refused: number;
  readonly bytes: number;
  /** Bytes ÷ (bandwidth × time). */
  readonly utilisation: number;
  readonly meanInFlight: number;
  readonly meanLatency: number;
}

interface Flight {
  readonly ticket: FetchTicket;
  readonly firstByteAt: number;
  readonly refused: boolean;
  readonly length: number;
  left: number;
}

/** A closed loop of an origin and a FetchConcurrency. */
export class SimulatedOrigin {
  readonly model: OriginModel;
  readonly control: FetchConcurrency;
  #flights: Flight[] = [];
  #tokens = 0;
  readonly #random = seeded(1);
  now = 0;

  constructor(model: Partial<OriginModel>, options: Partial<ConcurrencyOptions> = {}) {
    this.model = {
      bandwidth: Infinity,
      perConnection: Infinity,
      latency: 10,
      maxConcurrent: Infinity,
      maxRate: Infinity,
      retryAfter: null,
      reportsAsTheyCome: true,
      ...model,
    };
    this.control = new FetchConcurrency(options, aloneWith(1024 * 1024 * 1024), 0);
  }

  /**
   * Lets time pass with an endless queue of requests.
   * @param size bytes of the next request
   */
  run(millis: number, size: () => number): SpanResult {
    const end = this.now + millis;
    let [completed, refused, bytes, inFlight, latency] = [0, 0, 0, 0, 0];
    for (; this.now < end; this.now++) {
      this.#start(size);
      inFlight += this.#flights.length;
      this.#move((received) => {
        bytes += received;
      });
      for (const flight of this.#flights.filter((each) => this.#isOver(each))) {
        latency += this.now - flight.ticket.admittedAt;
        if (flight.refused) refused += 1;
        else completed += 1;
        const outcome = flight.refused
          ? { kind: 'throttled' as const, retryAfter: this.model.retryAfter }
          : { kind: 'ok' as const };
        if (!this.model.reportsAsTheyCome && !flight.refused)
          this.control.received(flight.ticket, flight.length, this.now);
        this.control.finished(flight.ticket, outcome, this.now);
      }
      this.#flights = this.#flights.filter((flight) => !this.#isOver(flight));
    }
    return {
      completed,
      refused,
      bytes,
      utilisation: bytes / (this.model.bandwidth * millis),
      meanInFlight: inFlight / millis,
      meanLatency: latency / Math.max(1, completed + refused),
    };
  }

  #isOver(flight: Flight): boolean {
    return this.now >= flight.firstByteAt && flight.left <= 0;
  }

  #start(size: () => number): void {
    this.#tokens = Math.min(Math.max(1, this.model.maxRate * 100), this.#tokens + this.model.maxRate);
    for (;;) {
      const length = size();
      const { ticket } = this.control.admit({ bytes: length, priority: 'demand' }, this.now);
      if (ticket === null) return;
      const served = this.#flights.filter((flight) => !flight.refused).length;
      const refused = served >= this.model.maxConcurrent || (this.model.maxRate !== Infinity && this.#tokens < 1);
      if (!refused && this.model.maxRate !== Infinity) this.#tokens -= 1;
      this.#flights.push({
        ticket,
        firstByteAt:
          this.now + (refused ? Math.min(5, this.model.latency) : this.model.latency * (0.7 + 0.6 * this.#random())),
        refused,
        length,
        left: refused ? 0 : length,
      });
    }
  }

  /** Shares a millisecond's bandwidth: what a flow does not need goes to the others. */
  #move(received: (bytes: number) => void): void {
    const open = this.#flights
      .filter((flight) => !flight.refused && this.now >= flight.firstByteAt && flight.left > 0)
      .sort((a, b) => a.left - b.left);
    let bandwidth = this.model.bandwidth;
    for (const [index, flight] of open.entries()) {
      const bytes = Math.min(this.model.perConnection, flight.left, bandwidth / (open.length - index));
      bandwidth -= bytes;
      flight.left -= bytes;
      received(bytes);
      if (this.model.reportsAsTheyCome) this.control.received(flight.ticket, bytes, this.now);
    }
  }
}
