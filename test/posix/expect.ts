/**
 * What the rows assert with: bytes that name the first difference, and errnos by name.
 */
import { strict as assert } from 'node:assert';
import { CallError } from './helper.ts';

/**
 * Fails unless the bytes are equal, and says where they first differ.
 * @param what what was read, for the message
 */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const length = Math.min(actual.length, expected.length);
  let first = 0;
  while (first < length && actual[first] === expected[first]) first++;
  const around = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(first, first + 16)).toString('hex');
  assert.fail(
    `${what}: ${String(actual.length)} bytes where ${String(expected.length)} are expected, ` +
      `first difference at ${String(first)}: ${around(actual)} where ${around(expected)} is expected`,
  );
}

/** The errno that a call fails with, or 'OK'. Anything else it throws goes through. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof CallError) return error.code;
    throw error;
  }
}

/**
 * Fails unless the call fails with one of these errnos.
 * @param errnos names, for example 'ENOENT'; more than one where kernels differ
 */
export async function fails(call: Promise<unknown>, ...errnos: readonly string[]): Promise<void> {
  const got = await outcome(call);
  assert.ok(errnos.includes(got), `${got} where ${errnos.join(' or ')} is expected`);
}
