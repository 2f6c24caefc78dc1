/**
 * Numbers as people read them, in as few characters as a table allows.
 */
import { formatSize } from '../../base/size.ts';

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What stands for something that is not known. */
export const UNKNOWN = '-';

/** A share of one as whole percent; what is nearly all is not all: 99.9 % is `99%`. */
export function percent(share: number | null): string {
  if (share === null) return UNKNOWN;
  return `${share >= 1 ? 100 : Math.min(99, Math.round(share * 100))}%`;
}

/** Bytes a second. */
export function rate(bytesPerSecond: number | null): string {
  if (bytesPerSecond === null) return UNKNOWN;
  return bytesPerSecond < 1 ? '0' : `${formatSize(Math.round(bytesPerSecond))}/s`;
}

/** A count with separators: `12,003`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Seconds in their two largest units: `3d4h`, `2h05m`, `4m10s`, `9.5s`, `12ms`. */
export function seconds(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (value === 0) return '0s';
  if (value < 1) return `${Math.max(1, Math.round(value * 1000))}ms`;
  if (value < 10) return `${value.toFixed(1)}s`;
  if (value < MINUTE) return `${Math.round(value)}s`;
  const whole = Math.round(value);
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m${two(whole % MINUTE)}s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h${two(Math.floor((whole % HOUR) / MINUTE))}m`;
  return `${Math.floor(whole / DAY)}d${Math.floor((whole % DAY) / HOUR)}h`;
}

/** How long ago something was, from times in milliseconds. */
export function age(now: number, at: number | null): string {
  return at === null ? UNKNOWN : seconds(Math.max(0, Math.round((now - at) / 1000)));
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
