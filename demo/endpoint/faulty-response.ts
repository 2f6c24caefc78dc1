/**
 * The way of a response that a fault spoils. Slower than the straight way (response.ts), and only taken under a fault.
 *
 * Invariants:
 * 1. What a fault does not mention stays as planned.
 * 2. Every wait ends by the fault's release, its own time, or the abort of `signal`; no timer outlives the response.
 */

import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { ActiveFault, CutFault, RequestInfo } from './faults.ts';
import type { PlannedResponse } from './response.ts';
import { writeHead, writePiece } from './response.ts';

const PIECE = 64 * 1024;

/** What a spoilt response needs to know. */
export interface FaultyContext {
  readonly request: RequestInfo;
  /** Aborted when the connection is gone or the endpoint ends. */
  readonly signal: AbortSignal;
  readonly onBytes: (count: number) => void;
}

/** The body of `plan` in pieces of at most `size` bytes. */
async function* pieces(plan: PlannedResponse, size: number): AsyncGenerator<Buffer> {
  const { body } = plan;
  if (body === null) return;
  if (Buffer.isBuffer(body)) {
    for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
    return;
  }
  const reader = body.content.open();
  try {
    const end = body.start + body.length;
    for (let offset = body.start; offset < end; offset += size) {
      const piece = Buffer.allocUnsafe(Math.min(size, end - offset));
      await reader.read(offset, piece);
      yield piece;
    }
  } finally {
    reader.close();
  }
}

/** The body of `plan`, with a pause or an end exactly behind `at` bytes: `reached` decides whether to go on. */
async function sendWithStop(
  response: ServerResponse,
  plan: PlannedResponse,
  at: number,
  context: FaultyContext,
  reached: () => Promise<boolean>,
): Promise<void> {
  writeHead(response, plan);
  response.flushHeaders();
  let sent = 0;
  const write = async (piece: Buffer): Promise<void> => {
    if (piece.length === 0) return;
    context.onBytes(piece.length);
    await writePiece(response, piece);
    sent += piece.length;
  };
  if (at === 0 && !(await reached())) return;
  for await (const piece of pieces(plan, PIECE)) {
    if (sent < at && sent + piece.length >= at) {
      const before = at - sent;
      await write(piece.subarray(0, before));
      if (!(await reached())) return;
      await write(piece.subarray(before));
    } else {
      await write(piece);
    }
  }
  response.end();
}

function cut(response: ServerResponse, how: CutFault['how']): void {
  const { socket } = response;
  if (how !== 'reset') socket?.end();
  else if (socket !== null && 'encrypted' in socket) socket.destroy();
  else socket?.resetAndDestroy();
}

/** Settles on release or abort. */
function held(active: ActiveFault, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = (): void => {
    resolve(undefined);
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  void active.released.then(stop);
  return promise.finally(() => {
    signal.removeEventListener('abort', stop);
  });
}

/**
 * Sends `plan` as the fault wants it.
 * @param straight sends a plan the straight way, for faults that change the plan or only its time
 */
export async function sendFaulty(
  response: ServerResponse,
  plan: PlannedResponse,
  active: ActiveFault,
  context: FaultyContext,
  straight: (plan: PlannedResponse) => Promise<void>,
): Promise<void> {
  const { fault } = active;
  const { signal } = context;
  switch (fault.type) {
    case 'error':
    case 'respond':
    case 'etag':
    case 'ignore-range':
      // These act where the response is planned.
      await straight(plan);
      return;
    case 'headers': {
      const headers: Record<string, string> = { ...plan.headers };
      let { length } = plan;
      for (const [name, value] of Object.entries(fault.set)) {
        if (name === 'content-length') length = value === null ? null : Number(value);
        else if (value === null) Reflect.deleteProperty(headers, name);
        else headers[name] = value;
      }
      await straight({ ...plan, headers, length });
      return;
    }
    case 'delay':
      await setTimeout(fault.ms, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await straight(plan);
      return;
    case 'cut':
      await sendWithStop(response, plan, fault.afterBytes, context, () => {
        cut(response, fault.how);
        return Promise.resolve(false);
      });
      return;
    case 'stall':
      if (fault.after === 'nothing') {
        await held(active, signal);
        if (!signal.aborted) await straight(plan);
        return;
      }
      await sendWithStop(response, plan, fault.after, context, async () => {
        await held(active, signal);
        return !signal.aborted;
      });
      return;
    case 'drip':
      writeHead(response, plan);
      for await (const piece of pieces(plan, fault.bytes)) {
        context.onBytes(piece.length);
        await writePiece(response, piece);
        await setTimeout(fault.everyMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
      }
      response.end();
      return;
    case 'length': {
      const announced = fault.announce ?? plan.length;
      writeHead(response, { ...plan, length: fault.chunked === true ? null : announced });
      let sent = 0;
      const extra = Buffer.alloc(fault.extraBytes ?? 0, 'X');
      const write = async (piece: Buffer): Promise<void> => {
        if (piece.length === 0) return;
        context.onBytes(piece.length);
        await writePiece(response, piece);
        sent += piece.length;
      };
      for await (const piece of pieces(plan, PIECE)) await write(piece);
      await write(extra);
      if (fault.chunked !== true && announced !== null && sent < announced) response.socket?.end();
      else response.end();
      return;
    }
    case 'endless': {
      response.writeHead(fault.status, { ...plan.headers, ...fault.headers });
      const repeat = Buffer.from(fault.repeat, 'utf8');
      await writePiece(response, Buffer.from(fault.start, 'utf8'));
      while (!signal.aborted) {
        context.onBytes(repeat.length);
        await writePiece(response, repeat);
      }
      return;
    }
    case 'raw': {
      const { socket } = response;
      if (socket === null) return;
      await fault.respond(socket, context.request, signal);
      socket.destroy();
      return;
    }
  }
}
