/**
 * Whether and when a failed fetch is tried again.
 *
 * A failure is judged by its error code. Each code has a rule: try again at once (something stale was in the way: a kept
 * connection that the origin had closed, an expired key, another region), later with backoff, or never. At-once tries are
 * few; what fails on goes on with backoff where the code allows it. Backoff is exponential with full jitter: the delay is
 * uniform between 0 and the exponential bound, which spreads a node's readers best (M. Brooker, "Exponential Backoff And
 * Jitter", AWS Architecture Blog, 2015). One deadline bounds the whole, waits included.
 *
 * Invariants:
 * 1. The table is total over the error codes.
 * 2. No try starts after the deadline; a wait that would pass it is not begun.
 * 3. A demanded read is tried until the deadline as long as its rule allows; what nobody waits for gives up early.
 * 4. The origin's Retry-After is a lower bound of the delay.
 */
import type { ErrorCode } from '../../base/errors.ts';

/** What a code's rule says. */
export interface RetryRule {
  /** Tries at once, without a wait, before anything else. */
  readonly atOnce: number;
  /** Backoff after that; null: then never. Milliseconds of the first exponential bound. */
  readonly backoffBase: number | null;
}

/** A failed try. */
export interface FailedTry {
  readonly code: ErrorCode;
  /** `DlfsError.retryable`: overrides a rule in either direction where the thrower knew better. */
  readonly retryable: boolean;
  /** The origin's Retry-After in milliseconds; null without one. */
  readonly retryAfter: number | null;
}

/** Circumstances of the decision. */
export interface RetryState {
  /** Tries made so far, the failed one included: ≥ 1. */
  readonly tries: number;
  /** Milliseconds since the first try began. */
  readonly elapsed: number;
  /** Milliseconds after which the reader gets its error; 0: none. */
  readonly deadline: number;
  /** Whether a reader waits. */
  readonly priority: 'demand' | 'readahead';
}

/** The decision. */
export type RetryDecision =
  | { readonly action: 'now' }
  /** After `delay` milliseconds, > 0. */
  | { readonly action: 'later'; readonly delay: number }
  | { readonly action: 'never'; readonly reason: 'permanent' | 'deadline' | 'nobody-waits' };

// 100 ms and 500 ms are what the AWS SDK for JavaScript v3 starts with for a plain failure and for a throttled one
// (DEFAULT_RETRY_DELAY_BASE, THROTTLING_RETRY_DELAY_BASE), 20 s is its longest delay (MAXIMUM_RETRY_DELAY).
const PLAIN = 100;
const THROTTLED = 500;
const MAX_DELAY = 20_000;

// An origin may ask for an hour; a reader with a deadline of minutes is better served by asking again earlier.
const MAX_RETRY_AFTER = 60_000;

// Readahead costs the reader nothing yet: two tries more survive a reset and a blip, the next demand decides anew.
const READAHEAD_TRIES = 3;

const NEVER: RetryRule = { atOnce: 0, backoffBase: null };
const LATER: RetryRule = { atOnce: 0, backoffBase: PLAIN };
const ONCE: RetryRule = { atOnce: 1, backoffBase: null };
const ONCE_THEN_LATER: RetryRule = { atOnce: 1, backoffBase: PLAIN };

/** The rule of each code. */
export const RETRY_RULES = {
  // The kept connection was closed under the request: a fresh one works at once. If not, the origin is away.
  'endpoint-unreachable': ONCE_THEN_LATER,
  // A cut body or a wrong range: mostly one bad connection or one bad front end.
  protocol: ONCE_THEN_LATER,
  throttled: { atOnce: 0, backoffBase: THROTTLED },
  timeout: LATER,
  'too-many-files': LATER,
  // The source renews keys and notes a redirect before it is asked again; a second refusal is the origin's word.
  unauthenticated: ONCE,
  'region-mismatch': ONCE,
  // A block that failed its hash is dropped and fetched again; if the new bytes fail too, it is not the disk.
  corrupt: ONCE,
  'changed-at-origin': NEVER,
  gone: NEVER,
  'not-found': NEVER,
  'bucket-not-found': NEVER,
  archived: NEVER,
  'access-denied': NEVER,
  'endpoint-not-s3': NEVER,
  'tls-untrusted': NEVER,
  'list-limit': NEVER,
  'invalid-argument': NEVER,
  unsupported: NEVER,
  exists: NEVER,
  'cache-busy': NEVER,
  'cache-unusable': NEVER,
  'disk-full': NEVER,
  io: NEVER,
  privilege: NEVER,
  'no-fuse': NEVER,
  'mount-busy': NEVER,
  'not-a-mount': NEVER,
  conflict: NEVER,
  'no-daemon': LATER,
  interrupted: NEVER,
  internal: NEVER,
} as const satisfies Record<ErrorCode, RetryRule>;

/**
 * Decides about the next try.
 * @param random uniform in [0, 1)
 */
export function decideRetry(failed: FailedTry, state: RetryState, random: () => number): RetryDecision {
  const rule = ruleFor(failed);
  if (rule.atOnce === 0 && rule.backoffBase === null) return { action: 'never', reason: 'permanent' };
  if (state.priority === 'readahead' && state.tries >= READAHEAD_TRIES)
    return { action: 'never', reason: 'nobody-waits' };
  if (state.deadline > 0 && state.elapsed >= state.deadline) return { action: 'never', reason: 'deadline' };
  if (state.tries <= rule.atOnce && failed.retryAfter === null) return { action: 'now' };
  const delay = delayOf(rule, failed.retryAfter, state.tries, random);
  if (delay === null) return { action: 'never', reason: 'permanent' };
  if (state.deadline > 0 && state.elapsed + delay >= state.deadline) return { action: 'never', reason: 'deadline' };
  return { action: 'later', delay };
}

/** The thrower's word on `retryable` against the code's rule. */
function ruleFor(failed: FailedTry): RetryRule {
  const rule: RetryRule = RETRY_RULES[failed.code];
  if (failed.retryable) return rule.backoffBase === null ? { ...rule, backoffBase: PLAIN } : rule;
  // A rule of one try at once is meant for codes that are not retryable by themselves; one with backoff is not.
  return rule.backoffBase === null ? rule : NEVER;
}

function delayOf(rule: RetryRule, retryAfter: number | null, tries: number, random: () => number): number | null {
  if (rule.backoffBase === null) return retryAfter !== null && tries <= rule.atOnce ? capped(retryAfter, random) : null;
  const step = Math.max(0, tries - rule.atOnce - 1);
  const bound = Math.min(MAX_DELAY, rule.backoffBase * 2 ** Math.min(step, 30));
  const jittered = Math.max(1, random() * bound);
  return retryAfter === null ? jittered : Math.max(jittered, capped(retryAfter, random));
}

/** Retry-After is the same for everyone who was refused: up to a tenth on top keeps them from coming back together. */
function capped(retryAfter: number, random: () => number): number {
  return Math.max(1, Math.min(MAX_RETRY_AFTER, retryAfter)) * (1 + 0.1 * random());
}
