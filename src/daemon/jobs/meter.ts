/**
 * How far a job is: counts, the rate of late, and what is left by it.
 */
import type { Clock } from '../../base/clock.ts';
import { RateMeter } from '../../cache/policy/rate-meter.ts';
import type { JobProgress } from './job-types.ts';

/** See the file's header. */
export class ProgressMeter {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #begun: number;
  readonly #rate: RateMeter;
  /** Files dealt with, failed ones included. */
  files = 0;
  totalFiles: number | null = null;
  /** Bytes dealt with. */
  bytes = 0;
  totalBytes: number | null = null;
  /** Of them, those that took no work. */
  skippedBytes = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#begun = clock.monotonic();
    this.#rate = new RateMeter(this.#begun);
  }

  /** Bytes that took work are dealt with. */
  worked(bytes: number): void {
    this.bytes += bytes;
    this.#rate.add(bytes, this.#clock.monotonic());
  }

  /** Bytes that took none. */
  skipped(bytes: number): void {
    this.bytes += bytes;
    this.skippedBytes += bytes;
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (this.#clock.monotonic() - this.#begun) / 1000;
  }

  /** As the API shows it. */
  readonly read = (): JobProgress => {
    const bytesPerSecond = this.#rate.rate(this.#clock.monotonic());
    const rest = this.totalBytes === null ? null : Math.max(0, this.totalBytes - this.bytes);
    const { files, totalFiles, bytes, totalBytes, skippedBytes } = this;
    const left = rest === 0 ? 0 : rest === null || bytesPerSecond <= 0 ? null : rest / bytesPerSecond;
    return { files, totalFiles, bytes, totalBytes, skippedBytes, bytesPerSecond, left };
  };
}
