/**
 * Rates of a dataset, from counters that are read once a second. Pure.
 *
 * Rates are over the last `WINDOW` readings. The origin's own rate counts only the time in which something was under way, from the
 * start on: it says what the origin gives, not how much was wanted.
 *
 * Invariants:
 * 1. Counters that went back (another server took over) count from zero again: no rate is negative.
 */

/** Counters at one moment. */
export interface TrafficReading {
  readonly readBytes: number;
  readonly reads: number;
  readonly originBytes: number;
  readonly originRequests: number;
  /** GETs under way. */
  readonly inFlight: number;
}

/** What they tell, a second. */
export interface TrafficRates {
  readonly readBytesPerSecond: number;
  readonly requestsPerSecond: number;
  readonly originBytesPerSecond: number;
  readonly originRequestsPerSecond: number;
  /** Bytes a second while something was under way; null before the first. */
  readonly originRate: number | null;
}

/** Readings that a rate is taken over. */
const WINDOW = 5;

/** See the file's header. */
export class TrafficMeter {
  readonly #readings: (TrafficReading & { readonly at: number })[] = [];
  #busyBytes = 0;
  #busySeconds = 0;

  /** Takes a reading. @param at monotonic milliseconds */
  read(at: number, reading: TrafficReading): void {
    const last = this.#readings.at(-1);
    if (last !== undefined) {
      if (reading.readBytes < last.readBytes || reading.originBytes < last.originBytes) this.#readings.length = 0;
      else if (last.inFlight > 0 || reading.originBytes > last.originBytes) {
        this.#busyBytes += reading.originBytes - last.originBytes;
        this.#busySeconds += (at - last.at) / 1000;
      }
    }
    this.#readings.push({ ...reading, at });
    if (this.#readings.length > WINDOW) this.#readings.shift();
  }

  /** Rates as of the last reading. */
  rates(): TrafficRates {
    const [first] = this.#readings;
    const last = this.#readings.at(-1);
    const seconds = first === undefined || last === undefined ? 0 : (last.at - first.at) / 1000;
    const perSecond = (key: Exclude<keyof TrafficReading, 'inFlight'>): number =>
      seconds > 0 && first !== undefined && last !== undefined ? (last[key] - first[key]) / seconds : 0;
    return {
      readBytesPerSecond: perSecond('readBytes'),
      requestsPerSecond: perSecond('reads'),
      originBytesPerSecond: perSecond('originBytes'),
      originRequestsPerSecond: perSecond('originRequests'),
      originRate: this.#busySeconds > 0 && this.#busyBytes > 0 ? this.#busyBytes / this.#busySeconds : null,
    };
  }
}
