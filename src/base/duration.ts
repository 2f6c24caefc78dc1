/**
 * Spans of time as people write them: `500ms`, `30s`, `5m`, `1h30m`, `2d`, `never`.
 *
 * Invariants:
 * 1. Parsing takes the whole text or throws; a number needs its unit, except a bare `0`.
 * 2. What 0 means ("at once", "without limit") is the option's own business and documented there.
 */
import { millis, type Millis } from './brand.ts';
import { DlfsError } from './errors.ts';

const UNIT_MILLIS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/**
 * Parses a span of time.
 * @param text for example `5m` or `1h30m`
 * @throws DlfsError `invalid-argument` where it is none
 */
export function parseDuration(text: string): Millis {
  const trimmed = text.trim();
  if (trimmed === '0') return millis(0);
  let sum = 0;
  if (WHOLE.test(trimmed)) {
    for (const [, number, unit] of trimmed.matchAll(PART))
      sum += Number(number) * (UNIT_MILLIS.get(unit ?? '') ?? Number.NaN);
    if (Number.isSafeInteger(Math.ceil(sum))) return millis(sum);
  }
  throw new DlfsError('invalid-argument', `not a span of time: "${text}"; write it like 30s, 5m or 1h30m`);
}

/**
 * Parses a span of time or `never`.
 * @throws DlfsError `invalid-argument` where it is neither
 */
export function parseDurationOrNever(text: string): Millis | 'never' {
  return text.trim() === 'never' ? 'never' : parseDuration(text);
}

/**
 * A span for people, at most two units: `0ms`, `350ms`, `1.5s`, `59.9s`, `4m10s`, `2h5m`, `3d4h`.
 * @param value milliseconds, ≥ 0
 */
export function formatDuration(value: number): string {
  if (value < 999.5) return `${Math.round(value)}ms`;
  if (value < 59_950) return `${trimZero((value / 1000).toFixed(1))}s`;
  const seconds = Math.round(value / 1000);
  if (seconds < 3600) return two(seconds, 60, 'm', 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return two(minutes, 60, 'h', 'm');
  return two(Math.round(minutes / 60), 24, 'd', 'h');
}

function two(value: number, base: number, large: string, small: string): string {
  const rest = value % base;
  return `${Math.floor(value / base)}${large}${rest === 0 ? '' : `${rest}${small}`}`;
}

function trimZero(text: string): string {
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}
