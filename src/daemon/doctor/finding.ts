/**
 * What the doctor says of one thing.
 */
import type { ErrorCode } from '../../base/errors.ts';

/** One line of the report. */
export interface Finding {
  /** What was looked at, in one or two words; stable, for scripts. */
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly found: string;
  /** What to do; null where there is nothing to do. */
  readonly advice: string | null;
  /** What kind of failure it is; null unless `state` is `fail`. */
  readonly code: ErrorCode | null;
}

/** All is well. */
export function ok(name: string, found: string): Finding {
  return { name, state: 'ok', found, advice: null, code: null };
}

/** It works, but not as well as it could. */
export function warn(name: string, found: string, advice: string): Finding {
  return { name, state: 'warn', found, advice, code: null };
}

/** A mount will not work. */
export function fail(name: string, code: ErrorCode, found: string, advice: string): Finding {
  return { name, state: 'fail', found, advice, code };
}
