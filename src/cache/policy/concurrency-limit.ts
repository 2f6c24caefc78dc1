/**
 * One adaptive limit: the fewest requests at once that reach the origin's throughput.
 *
 * A hill climber on measured throughput, as MongoDB's execution control does it for storage tickets (stable, probe up, probe
 * down), with a slow start before it and a multiplicative decrease beside it:
 *
 * - *start*: the limit doubles an epoch, as in TCP's slow start, while throughput grows by at least a quarter. When it does
 *   not, the knee has been passed: below it throughput is proportional to the limit, so the knee lies at
 *   (limit before) × (throughput now ÷ throughput before); the limit goes there.
 * - *stable*: hold for some epochs, then probe. *up*: a quarter more; kept if it brings at least 0.4 of what proportional growth
 *   would. *down*: a fifth less; kept if it costs nothing: fewer requests at the same throughput wait less. A rejected probe
 *   goes back and doubles the time to the next one.
 * - throttled (503, 429), or a tenth of the requests lost: × 0.7 at once (as the AWS SDK's adaptive retry and CUBIC, RFC 9438,
 *   do), and for half a minute no probe comes near the limit at which it happened.
 *
 * An epoch is a settling time of one request's duration, which is thrown away, and a measuring time of at least one at the start
 * and two later. It is judged
 * only if the limit was what held the load back; a load that needs less teaches nothing and changes nothing.
 *
 * Invariants:
 * 1. min ≤ current ≤ max, an integer, always.
 * 2. It rises only after an epoch that was saturated; without load it stays.
 * 3. Requests admitted before the last decrease cannot cause another.
 */

/** Bounds of a limit. */
export interface LimitBounds {
  /** ≥ 1. */
  readonly min: number;
  /** ≥ min. */
  readonly max: number;
  /** Where it starts, within the two. */
  readonly initial: number;
}

type Phase = 'start' | 'stable' | 'up' | 'down';

// Epochs: 100 ms while doubling, where gains are large; 250 ms in steady state, where a few per cent matter (in simulation 100 ms
// of 110 KB files at 1 Gbit/s scatter by 4 %). At most 5 s: with runs that take longer than that, half of one still moves blocks,
// and blocks are what is measured.
const START_MEASURE = 100;
const MEASURE = 250;
const MAX_MEASURE = 5000;
const DURATIONS_A_MEASURE = 2;
/** Requests that must have ended in an epoch: with fewer, the start of a connection looks like a gain. */
const ENDED_A_MEASURE = 16;

// Below 0.7 of the places in use on average, the load, not the limit, bounds the throughput.
const SATURATED = 0.7;

// Doubling that brings less than a quarter has passed the knee.
const START_GAIN = 1.25;
// The knee is an estimate: a tenth on top costs little delay, a tenth below costs throughput.
const KNEE_MARGIN = 1.1;

/** A probe up that brings this much of proportional growth is far from the knee: back to doubling. */
const LINEAR_GAIN = 0.8;
const STEP_UP = 0.25;
const STEP_DOWN = 0.2;
/** A probe down goes further where requests take much longer than they did: half of a long queue may go at once. */
const MAX_STEP_DOWN = 0.5;
/** What of the shortest duration seen is left to grow an epoch: the network may have become slower for good. */
const BASE_DRIFT = 1.01;
/** The share of proportional growth that makes a probe up worth keeping. */
const UP_GAIN = 0.4;
/** What a probe down may lose. Were it too much, the next probe up would win it back: below the knee a quarter more brings a quarter. */
const DOWN_LOSS = 0.97;
/** Stable epochs between probes, at most: some 15 s at 100 ms a request. */
const MAX_HOLD = 16;
/** An epoch this far from the stable ones means that the origin or the network has changed: probe soon. */
const CHANGED = 0.3;

const DECREASE = 0.7;
/** How long a throttled limit is remembered: an origin that scales out under load needs minutes, a neighbour's burst seconds. */
const MEMORY = 30_000;
/** How near to the limit that was throttled a probe may go while it is remembered. */
const CEILING = 0.95;
/** Steps beyond a limit that was throttled once are small: each costs refusals if nothing has changed. */
const CAUTIOUS_STEP = 0.05;
// After a decrease the origin's own counters need a moment: refusals within two durations, or this, are still the old load's.
const MIN_CALM = 200;
/** Lost requests, of those that ended in an epoch, that count as congestion; two at least. */
const LOST_SHARE = 0.1;

/** One adaptive limit; see the file's header. Times are monotonic milliseconds. */
export class ConcurrencyLimit {
  readonly #min: number;
  readonly #max: number;
  #limit: number;
  #phase: Phase = 'start';
  /** Mean duration of a request, exponentially averaged; 0 before the first. */
  #duration = 0;

  // The epoch that runs. The settling time ends at #settled; it is fixed when the epoch begins.
  #settled: number;
  #seen: number;
  #work = 0;
  #busy = 0;
  #ended = 0;
  #took = 0;
  #lost = 0;
  #wasRefused = false;

  // What earlier epochs have taught.
  #before: { limit: number; rate: number } | null = null;
  /** The shortest mean duration of an epoch, drifting up: what a request takes without a queue. */
  #base = Infinity;
  #stableRate = 0;
  #stableLimit: number;
  #hold = 1;
  #held = 0;
  #nextProbe: 'up' | 'down' = 'up';
  #decreasedAt = -Infinity;
  #ceiling = Infinity;

  /** @param now where time stands */
  constructor(bounds: LimitBounds, now: number) {
    this.#min = bounds.min;
    this.#max = bounds.max;
    this.#limit = bounds.initial;
    this.#stableLimit = bounds.initial;
    this.#settled = now;
    this.#seen = now;
  }

  /** Requests that may be in flight. */
  get current(): number {
    return this.#limit;
  }

  /** A request was refused because of this limit: the load would use more. */
  refused(): void {
    this.#wasRefused = true;
  }

  /**
   * Time has passed with `inFlight` requests; ends the epoch where it is over.
   */
  advance(now: number, inFlight: number): void {
    this.#busy += inFlight * Math.max(0, now - Math.max(this.#seen, this.#settled));
    this.#seen = Math.max(this.#seen, now);
    const [least, durations] = this.#phase === 'start' ? [START_MEASURE, 1] : [MEASURE, DURATIONS_A_MEASURE];
    const length = Math.min(MAX_MEASURE, Math.max(least, durations * this.#duration));
    const enough = this.#ended >= Math.min(ENDED_A_MEASURE, this.#limit) || now >= this.#settled + MAX_MEASURE;
    if (enough && now >= this.#settled + length) this.#endEpoch(now, now - this.#settled);
  }

  /**
   * Work was done: bytes received, or a request's own share.
   * @param from when it began; what was done before the epoch's measuring time does not count
   */
  worked(work: number, from: number, now: number, inFlight: number): void {
    this.advance(now, inFlight);
    if (now < this.#settled) return;
    this.#work += from >= this.#settled || now <= from ? work : (work * (now - this.#settled)) / (now - from);
  }

  /** A request ended after `duration` milliseconds; `lost` where nothing or a reset came back. */
  ended(duration: number, lost: boolean, now: number, inFlight: number): void {
    this.advance(now, inFlight);
    this.#ended += 1;
    if (lost) {
      this.#lost += 1;
      // A timeout says nothing about how long a request takes.
      if (this.#lost >= 2 && this.#lost >= LOST_SHARE * Math.max(this.#ended, this.#limit)) this.#decrease(now);
    } else {
      this.#took += duration;
      // The first request sets the scale, later ones move it by an eighth (as TCP's smoothed round-trip time, RFC 6298).
      if (this.#duration > 0) this.#duration += (duration - this.#duration) / 8;
      else {
        this.#duration = Math.max(duration, Number.MIN_VALUE);
        this.#restart(now);
      }
    }
  }

  /** The origin refused a request that was admitted at `admittedAt`. */
  throttled(admittedAt: number, now: number): void {
    if (admittedAt < this.#decreasedAt + Math.max(MIN_CALM, DURATIONS_A_MEASURE * this.#duration)) return;
    this.#decrease(now);
  }

  #decrease(now: number): void {
    this.#ceiling = this.#limit;
    this.#decreasedAt = now;
    this.#settle(Math.floor(this.#limit * DECREASE));
    this.#nextProbe = 'up';
    this.#restart(now);
  }

  #endEpoch(now: number, measured: number): void {
    const rate = this.#work / measured;
    if (this.#took > 0) this.#base = Math.min(this.#base * BASE_DRIFT, this.#took / (this.#ended - this.#lost));
    const saturated = this.#wasRefused && this.#busy >= SATURATED * this.#limit * measured;
    if (saturated && rate > 0) this.#judge(rate, now);
    else if (this.#phase === 'up' || this.#phase === 'down') this.#settle(this.#stableLimit);
    this.#restart(now);
  }

  #judge(rate: number, now: number): void {
    switch (this.#phase) {
      case 'start':
        this.#judgeStart(rate);
        return;
      case 'stable':
        this.#judgeStable(rate, now);
        return;
      case 'up':
        this.#judgeUp(rate);
        return;
      case 'down':
        this.#judgeDown(rate);
        return;
    }
  }

  #judgeStart(rate: number): void {
    const before = this.#before;
    if (before !== null && rate < START_GAIN * before.rate) {
      // Once more before it is believed: leaving the start too early costs seconds.
      this.#held += 1;
      if (this.#held < 2) return;
      const knee = before.limit * Math.max(1, rate / before.rate) * KNEE_MARGIN;
      this.#settle(Math.min(this.#limit, Math.ceil(knee)));
    } else if (this.#limit === this.#max) this.#settle(this.#limit);
    else {
      this.#held = 0;
      this.#before = { limit: this.#limit, rate };
      this.#set(this.#limit * 2);
    }
  }

  #judgeStable(rate: number, now: number): void {
    const known = this.#stableRate;
    const changed = known > 0 && Math.abs(rate / known - 1) > CHANGED;
    if (changed) this.#hold = 1;
    this.#stableRate = changed || known === 0 ? rate : (known + rate) / 2;
    this.#held += 1;
    if (this.#held < this.#hold) return;
    this.#held = 0;
    const remembered = now - this.#decreasedAt < MEMORY;
    const top = remembered ? Math.max(this.#min, Math.floor(this.#ceiling * CEILING)) : this.#max;
    const cautious = !remembered && this.#limit >= this.#ceiling * DECREASE;
    const up = Math.min(
      this.#max,
      top,
      this.#limit + Math.max(1, Math.round(this.#limit * (cautious ? CAUTIOUS_STEP : STEP_UP))),
    );
    // By Little's law what is more than limit × base ÷ duration stands in a queue; a half on top keeps the step on the safe side.
    const queued = 1 - (1.5 * this.#base) / this.#duration;
    const step = Math.min(MAX_STEP_DOWN, Math.max(STEP_DOWN, queued));
    const down = Math.max(
      Math.min(this.#min, this.#limit - 1),
      this.#limit - Math.max(1, Math.round(this.#limit * step)),
    );
    if (this.#nextProbe === 'up' && up > this.#limit) this.#probe('up', up);
    else if (down >= this.#min) this.#probe('down', down);
    else if (up > this.#limit) this.#probe('up', up);
  }

  #judgeUp(rate: number): void {
    const proportional = this.#limit / this.#stableLimit - 1;
    if (rate < this.#stableRate * (1 + UP_GAIN * proportional)) this.#reject('down');
    else if (rate < this.#stableRate * (1 + LINEAR_GAIN * proportional) || this.#ceiling < Infinity)
      this.#accept(rate, 'up');
    else {
      this.#settle(this.#limit);
      this.#phase = 'start';
      this.#before = { limit: this.#limit, rate };
      this.#set(this.#limit * 2);
    }
  }

  #judgeDown(rate: number): void {
    if (rate >= DOWN_LOSS * this.#stableRate) this.#accept(rate, 'down');
    else this.#reject('up');
  }

  #probe(phase: 'up' | 'down', limit: number): void {
    this.#phase = phase;
    this.#set(limit);
  }

  #accept(rate: number, next: 'up' | 'down'): void {
    this.#settle(this.#limit);
    this.#stableRate = rate;
    this.#nextProbe = next;
  }

  #reject(next: 'up' | 'down'): void {
    const hold = Math.min(MAX_HOLD, this.#hold * 2);
    const rate = this.#stableRate;
    this.#settle(this.#stableLimit);
    this.#stableRate = rate;
    this.#hold = hold;
    this.#nextProbe = next;
  }

  /** Makes `limit` the stable one. */
  #settle(limit: number): void {
    this.#phase = 'stable';
    this.#set(limit);
    this.#stableLimit = this.#limit;
    this.#stableRate = 0;
    this.#hold = 1;
    this.#held = 0;
  }

  #set(limit: number): void {
    this.#limit = Math.max(this.#min, Math.min(this.#max, limit));
  }

  #restart(now: number): void {
    this.#settled = now + this.#duration;
    this.#seen = now;
    this.#work = 0;
    this.#busy = 0;
    this.#ended = 0;
    this.#took = 0;
    this.#lost = 0;
    this.#wasRefused = false;
  }
}
