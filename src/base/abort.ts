/**
 * Waiting that can be given up.
 */
import { DlfsError } from './errors.ts';

/**
 * Settles as the work does, or fails when the signal is aborted; the work itself goes on.
 * @throws DlfsError `interrupted` with the signal's reason as cause; what the work failed with
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => {
    reject(interruptedBy(signal));
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  work.then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** @throws DlfsError `interrupted` where the signal is aborted */
export function requireGoingOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw interruptedBy(signal);
}

function interruptedBy(signal: AbortSignal): DlfsError {
  return new DlfsError('interrupted', 'it was cancelled', { cause: signal.reason });
}
