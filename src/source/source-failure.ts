/**
 * A DlfsError that also says how long the origin wants to be left alone.
 *
 * Invariants:
 * 1. `retryAfterMs` is null or 0 to five minutes: an origin does not silence a mount for a day.
 */
import { DlfsError, type DlfsErrorOptions, type ErrorCode } from '../base/errors.ts';
import { parseHttpDate } from './http-date.ts';
import type { SourceFailure } from './source.ts';

/** The longest wait that an origin may ask for, in milliseconds: the default limit of a reader's wait. */
export const MAX_RETRY_AFTER_MS = 300_000;

/** Options of a source's failure. */
export interface SourceFailureOptions extends DlfsErrorOptions {
  readonly retryAfterMs?: number | null;
}

/** Makes one. */
export function sourceFailure(code: ErrorCode, message: string, options: SourceFailureOptions = {}): SourceFailure {
  const { retryAfterMs = null, ...rest } = options;
  const error = new DlfsError(code, message, rest);
  return Object.assign(error, {
    retryAfterMs: retryAfterMs === null ? null : Math.min(Math.max(retryAfterMs, 0), MAX_RETRY_AFTER_MS),
  });
}

/** The wait that an error asks for, if it is a source's failure with one. */
export function retryAfterOf(error: DlfsError): number | null {
  return 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : null;
}

/**
 * Reads a Retry-After field: seconds, or a date.
 * @param value as sent; null where absent
 * @param nowMs wall time, for a date
 * @returns milliseconds from now; null where it says nothing
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_AFTER_MS);
  const date = parseHttpDate(text);
  return date === null ? null : Math.min(Math.max(date - nowMs, 0), MAX_RETRY_AFTER_MS);
}
