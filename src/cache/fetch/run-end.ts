/**
 * How a run ended, decoded from the data plane's event.
 *
 * Invariants:
 * 1. Texts come from the origin or name it: they are bounded here and never trusted further.
 */
import type { FailedReply, TransportFailureKind } from '../../source/source.ts';
import type { NativeEvent } from '../../native/events.ts';

/** A finished run. */
export interface RunEnd {
  readonly run: number;
  readonly ino: number;
  /** Blocks at its start that arrived whole. */
  readonly delivered: number;
  /** Body bytes received, whole blocks or not. */
  readonly received: number;
  readonly outcome:
    | { readonly kind: 'ok' }
    | { readonly kind: 'cancelled' }
    /** The object has another etag than the one that was listed. */
    | { readonly kind: 'changed' }
    | { readonly kind: 'reply'; readonly reply: FailedReply }
    | { readonly kind: 'transport'; readonly how: TransportFailureKind; readonly text: string };
}

/** The fetcher's kinds by number (native/src/http/fetcher.h, FetchKind). */
const KINDS = [
  'ok',
  'http_error',
  'connect_failed',
  'tls_failed',
  'timeout',
  'reset',
  'protocol',
  'cancelled',
  'rejected',
] as const;
/** Set by the run's own check of the etag. */
const CHANGED = 100;

const NUL = 0;

/** Decodes a `runEnd` event; copies what it keeps. */
export function decodeRunEnd(event: NativeEvent): RunEnd {
  const base = { run: event.a, ino: event.b, delivered: event.c, received: event.f };
  const [text, date, retryAfter, region, body] = split(event.bytes);
  if (event.d === CHANGED) return { ...base, outcome: { kind: 'changed' } };
  const kind = KINDS[event.d] ?? 'protocol';
  if (kind === 'ok' || kind === 'cancelled') return { ...base, outcome: { kind } };
  if (kind === 'http_error') {
    const reply = { status: event.e, date: orNull(date), body, retryAfter: orNull(retryAfter), region: orNull(region) };
    return { ...base, outcome: { kind: 'reply', reply } };
  }
  return { ...base, outcome: { kind: 'transport', how: kind, text } };
}

/** Four texts, each ended by NUL, and the rest. */
function split(bytes: Uint8Array): [string, string, string, string, Uint8Array] {
  const texts: string[] = [];
  let at = 0;
  while (texts.length < 4) {
    const end = bytes.indexOf(NUL, at);
    if (end < 0) break;
    texts.push(Buffer.from(bytes.subarray(at, end)).toString('latin1'));
    at = end + 1;
  }
  return [texts[0] ?? '', texts[1] ?? '', texts[2] ?? '', texts[3] ?? '', bytes.slice(at)];
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}
