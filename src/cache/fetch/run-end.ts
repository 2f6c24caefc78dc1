/**
 * How a run ended, decoded from the data plane's event.
 *
 * Invariants:
 * 1. Texts come from the origin or name it: they are bounded here and never trusted further.
 */
import { DlfsError } from '../../base/errors.ts';
import type { FailedReply, Source, TransportFailureKind } from '../../source/source.ts';
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

/**
 * Why a run ended without all of its blocks.
 * @param etag of the object as it was listed; empty where the origin gave none
 */
export function errorOfRun(
  source: Pick<Source, 'failure' | 'transportFailure'>,
  { key, etag }: { readonly key: string; readonly etag: string | undefined },
  { outcome }: RunEnd,
): DlfsError {
  const changed = (): DlfsError =>
    new DlfsError('changed-at-origin', 'the object at the origin is no longer the one that was listed', { key });
  if (outcome.kind === 'changed') return changed();
  // An object without an etag that is shorter now: no condition has said so before the range could not be had.
  if (outcome.kind === 'reply' && outcome.reply.status === 416 && etag === '') return changed();
  if (outcome.kind === 'reply') return source.failure(key, outcome.reply);
  if (outcome.kind === 'transport') return source.transportFailure(key, outcome.how, outcome.text);
  return new DlfsError('internal', `a run ended as ${outcome.kind}`, { key });
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
