import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ERROR_CODES, type ErrorCode } from '../../../src/base/errors/code.ts';
import { decideRetry, RETRY_RULES, type FailedTry, type RetryState } from '../../../src/cache/policy/retry.ts';

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const half = (): number => 0.5;

function failed(code: ErrorCode, options: Partial<FailedTry> = {}): FailedTry {
  return { code, retryable: ERROR_CODES[code].retryable, retryAfter: null, ...options };
}

function after(tries: number, options: Partial<RetryState> = {}): RetryState {
  return { tries, elapsed: 0, deadline: 300_000, priority: 'demand', ...options };
}

describe('a failed fetch', () => {
  test('is tried again at once when a kept connection was closed, and with backoff from then on', () => {
    assert.deepEqual(decideRetry(failed('endpoint-unreachable'), after(1), half), { action: 'now' });
    assert.deepEqual(decideRetry(failed('endpoint-unreachable'), after(2), half), { action: 'later', delay: 50 });
    assert.deepEqual(decideRetry(failed('endpoint-unreachable'), after(3), half), { action: 'later', delay: 100 });
  });

  test('waits longer from the start when the origin is throttling', () => {
    assert.deepEqual(decideRetry(failed('throttled'), after(1), half), { action: 'later', delay: 250 });
    assert.deepEqual(decideRetry(failed('throttled'), after(2), half), { action: 'later', delay: 500 });
  });

  test('waits at least as long as the origin asks for, up to a minute', () => {
    const later = decideRetry(failed('throttled', { retryAfter: 3000 }), after(1), half);
    assert.ok(later.action === 'later' && later.delay >= 3000 && later.delay <= 3300);
    const hour = decideRetry(failed('throttled', { retryAfter: 3_600_000 }), after(1), half);
    assert.ok(hour.action === 'later' && hour.delay <= 66_000);
  });

  test('is tried once more after keys were refused, since they may have been renewed', () => {
    assert.deepEqual(decideRetry(failed('unauthenticated'), after(1), half), { action: 'now' });
    assert.deepEqual(decideRetry(failed('unauthenticated'), after(2), half), { action: 'never', reason: 'permanent' });
  });

  test('is never tried again when the object has changed, is archived or forbidden', () => {
    for (const code of ['changed-at-origin', 'archived', 'access-denied', 'not-found', 'tls-untrusted'] as const) {
      assert.deepEqual(decideRetry(failed(code), after(1), half), { action: 'never', reason: 'permanent' });
    }
  });

  test('follows the error where it knows better than its code', () => {
    const credentials = failed('unauthenticated', { retryable: true });
    assert.equal(decideRetry(credentials, after(5), half).action, 'later');
    assert.equal(decideRetry(failed('protocol', { retryable: false }), after(1), half).action, 'never');
  });

  test('ends at the deadline, waits included, and has none when it is 0', () => {
    const timeout = failed('timeout');
    assert.deepEqual(decideRetry(timeout, after(1, { elapsed: 300_000 }), half), {
      action: 'never',
      reason: 'deadline',
    });
    assert.deepEqual(decideRetry(timeout, after(9, { elapsed: 299_999 }), half), {
      action: 'never',
      reason: 'deadline',
    });
    assert.equal(decideRetry(timeout, after(9, { elapsed: 1e9, deadline: 0 }), half).action, 'later');
  });

  test('gives up early when nobody waits for it', () => {
    const readahead = { priority: 'readahead' as const };
    assert.equal(decideRetry(failed('timeout'), after(2, readahead), half).action, 'later');
    assert.deepEqual(decideRetry(failed('timeout'), after(3, readahead), half), {
      action: 'never',
      reason: 'nobody-waits',
    });
  });

  test('has a rule that allows a retry exactly where its code is retryable, at-once tries aside', () => {
    for (const code of codes) {
      assert.equal(RETRY_RULES[code].backoffBase !== null, ERROR_CODES[code].retryable, code);
    }
  });

  test('never waits past the deadline, nor longer than 20 s of its own', () => {
    const anyFailure = fc.record({
      code: fc.constantFrom(...codes),
      retryable: fc.boolean(),
      retryAfter: fc.option(fc.nat(200_000), { nil: null }),
    });
    const anyState = fc.record({
      tries: fc.integer({ min: 1, max: 200 }),
      elapsed: fc.nat(400_000),
      deadline: fc.constantFrom(0, 1000, 300_000),
      priority: fc.constantFrom('demand' as const, 'readahead' as const),
    });
    fc.assert(
      fc.property(anyFailure, anyState, fc.double({ min: 0, max: 0.999, noNaN: true }), (failure, state, random) => {
        const decision = decideRetry(failure, state, () => random);
        if (decision.action !== 'later') return;
        assert.ok(decision.delay > 0);
        if (state.deadline > 0) assert.ok(state.elapsed + decision.delay < state.deadline);
        assert.ok(decision.delay <= Math.max(20_000, failure.retryAfter === null ? 0 : 66_000));
        if (failure.retryAfter !== null) assert.ok(decision.delay >= Math.min(60_000, failure.retryAfter));
      }),
    );
  });

  test('spreads its delays over the whole interval', () => {
    const delays = [0, 0.25, 0.75, 0.99].map((random) => {
      const decision = decideRetry(failed('timeout'), after(4), () => random);
      return decision.action === 'later' ? Math.round(decision.delay) : -1;
    });
    assert.deepEqual(delays, [1, 200, 600, 792]);
  });
});
