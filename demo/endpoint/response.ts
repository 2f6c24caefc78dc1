/**
 * A response as a plan, and its way to the client when nothing is to go wrong.
 *
 * How it works: a small body is read at once and goes out with its headers in one write. A large one is pumped: the next
 * chunk is read while the last one is written, in buffers from a pool, so a stream costs neither allocations nor copies.
 *
 * Invariants:
 * 1. At most two chunks of a response are in memory, however slowly its client reads.
 * 2. A buffer returns to the pool only after the socket is done with it.
 * 3. A body that cannot be read to its end breaks the connection: it is never padded and never ends early in peace.
 */

import type { ServerResponse } from 'node:http';
import type { Content } from './content.ts';

/** A part of a content as a body. */
export interface ContentBody {
  readonly content: Content;
  readonly start: number;
  readonly length: number;
}

/** A response before it is sent. */
export interface PlannedResponse {
  readonly status: number;
  /** Lower-case names; without content-length and date. */
  readonly headers: Readonly<Record<string, string>>;
  /** The Content-Length to announce (for HEAD, that of the body that is not sent); null: none, as in 304. */
  readonly length: number | null;
  /** null: no body is sent. */
  readonly body: Buffer | ContentBody | null;
}

/**
 * The pool's buffers: large enough to make a system call's cost vanish, small enough that two of them stay in a CPU's
 * cache. A body that fits one is read synchronously: opening, reading and closing by promises costs more than the read.
 */
const CHUNK = 256 * 1024;

/** Buffers kept for reuse: enough for the streams that two cores can feed. */
const POOL_LIMIT = 64;

/** Buffers of one size that are used again and again. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** A buffer of CHUNK bytes with anything in it. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK);
  }

  /** Returns a buffer that nobody uses any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < POOL_LIMIT) this.#free.push(buffer);
  }
}

/** Writes one piece of a body; settles when the socket has taken it, rejects if the connection is gone. */
export function writePiece(response: ServerResponse, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(piece, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/** Writes the status line and headers of `plan`. */
export function writeHead(response: ServerResponse, plan: PlannedResponse): void {
  const headers: Record<string, string> = { ...plan.headers };
  if (plan.length !== null) headers['content-length'] = String(plan.length);
  response.writeHead(plan.status, headers);
}

/**
 * Sends `plan`. Settles when the last piece is handed to the socket; where the connection breaks before, it is destroyed
 * and the promise settles as well.
 * @param onBytes told of each piece of the body
 * @throws the content's error; the connection is destroyed then
 */
export async function sendResponse(
  response: ServerResponse,
  plan: PlannedResponse,
  pool: BufferPool,
  onBytes: (count: number) => void,
): Promise<void> {
  const { body } = plan;
  if (body === null || Buffer.isBuffer(body)) {
    writeHead(response, plan);
    response.end(body ?? undefined);
    if (body !== null) onBytes(body.length);
    return;
  }
  if (body.length <= CHUNK) {
    const buffer = pool.take();
    const bytes = buffer.subarray(0, body.length);
    // Read before the head is written: a file that is gone can still become a proper error.
    body.content.readNow(body.start, bytes);
    writeHead(response, plan);
    response.end(bytes, () => {
      pool.give(buffer);
    });
    onBytes(bytes.length);
    return;
  }
  const reader = body.content.open();
  writeHead(response, plan);
  let writing: Promise<void> = Promise.resolve();
  try {
    const end = body.start + body.length;
    for (let offset = body.start; offset < end;) {
      const buffer = pool.take();
      const piece = buffer.subarray(0, Math.min(buffer.length, end - offset));
      try {
        await reader.read(offset, piece);
      } catch (error) {
        response.destroy();
        throw error;
      }
      await writing;
      onBytes(piece.length);
      writing = writePiece(response, piece).finally(() => {
        pool.give(buffer);
      });
      // Awaited one round later; until then a broken connection must not count as unhandled.
      writing.catch(() => undefined);
      offset += piece.length;
    }
    await writing;
    response.end();
  } catch (error) {
    if (!response.destroyed) response.destroy();
    if (!isConnectionError(error)) throw error;
  } finally {
    await writing.catch(() => undefined);
    reader.close();
  }
}

/** Whether `error` says that the client went away, which is the client's right. */
export function isConnectionError(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return (
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    code === 'ECANCELED' ||
    code === 'ERR_STREAM_DESTROYED' ||
    code === 'ERR_STREAM_WRITE_AFTER_END'
  );
}
