/**
 * What the fetch spike's clients have to do, and what they report.
 */

/** One ranged GET; `target` is the path at the origin. */
export interface Range {
  readonly target: string;
  readonly offset: number;
  readonly length: number;
}

/** A client process's order, passed as JSON in its first argument. */
export interface Order {
  readonly client: 'native' | 'undici';
  readonly addon: string;
  readonly port: number;
  /** PEM of the origin's root; null = plain HTTP. */
  readonly ca: string | null;
  readonly kind: 'small' | 'ranges';
  /** Where ranges are written; null = nowhere. */
  readonly file: string | null;
  readonly count: number;
  readonly inFlight: number;
  readonly threads: number;
}

/** Of the measured part alone: after warming up, before shutting down. */
export interface Outcome {
  readonly seconds: number;
  /** User and system, all threads of the process. */
  readonly cpuSeconds: number;
  readonly bytes: number;
}

export const SMALL_FILES = 1000;
export const SMALL_BYTES = 110_000;
export const RANGE_BYTES = 8 * 1024 * 1024;

/** The n-th request of an order. */
export function rangeOf(order: Order, n: number): Range {
  if (order.kind === 'small') return { target: `/small/${String(n % SMALL_FILES)}`, offset: 0, length: SMALL_BYTES };
  return { target: '/big', offset: n * RANGE_BYTES, length: RANGE_BYTES };
}

/** Requests before the measurement: connections, JIT, page cache. */
export function warmUps(order: Order): number {
  return order.kind === 'small' ? 2000 : 8;
}

/** Runs requests first … first+count-1 with `inFlight` at a time. */
export async function pump(count: number, inFlight: number, run: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

/** Warms up, then measures. */
export async function measure(order: Order, run: (range: Range) => Promise<void>): Promise<Outcome> {
  await pump(warmUps(order), order.inFlight, (n) => run(rangeOf(order, n)));
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await pump(order.count, order.inFlight, (n) => run(rangeOf(order, n)));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (used.user + used.system) / 1e6, bytes: order.count * rangeOf(order, 0).length };
}
