/**
 * What passes between the main thread and the lister's thread. Plain values only.
 *
 * A call has an id of the caller's; its answers carry it. Messages without an id are news.
 *
 * Invariants:
 * 1. Secrets pass in `credentials` alone, and only towards the main thread.
 * 2. A `list` is answered by pages, the last one marked, or by one `failed`; after `cancel` by nothing more. At most
 *    `PAGES_AHEAD` pages are under way that no `more` acknowledged.
 */
import type { PlainError } from '../../base/errors.ts';
import type { LineLevel } from '../../base/log.ts';
import type { ListPage } from '../../dataset/listing.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import type { ResolvedEndpoint } from './endpoint.ts';
import type { SigningIdentity } from './signer.ts';

/** Pages that the lister fetches before the first one is taken: one to work on, one on its way. */
export const PAGES_AHEAD = 2;

/** What the thread is started with. */
export interface ListerConfig {
  readonly source: SourceOptions;
  /** Trusted certificates, PEM. */
  readonly authorities: readonly string[];
  /** Milliseconds for one HTTP request. */
  readonly requestDeadlineMs: number;
  /** Milliseconds for a run of the credential chain. */
  readonly credentialsDeadlineMs: number;
}

/** Credentials with their end. */
export interface HeldCredentials extends SigningIdentity {
  /** Milliseconds since 1970 by this machine's clock; null: they do not expire. */
  readonly expiresMs: number | null;
}

/** One listing. */
export interface ListCall {
  readonly prefix: string;
  readonly delimiter: '/' | null;
  /** Empty: from the beginning. */
  readonly startAfter: string;
  readonly pageSize: number;
  /** Tries of each page. */
  readonly attempts: number;
}

/** To the lister. */
export type ListerRequest =
  | { readonly kind: 'open'; readonly id: number }
  | { readonly kind: 'credentials'; readonly id: number; readonly fresh: boolean }
  | ({ readonly kind: 'list'; readonly id: number } & ListCall)
  | { readonly kind: 'more'; readonly id: number }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'skew'; readonly offsetMs: number };

/** From the lister. */
export type ListerMessage =
  | { readonly kind: 'opened'; readonly id: number; readonly endpoint: ResolvedEndpoint }
  | { readonly kind: 'credentials'; readonly id: number | null; readonly value: HeldCredentials | null }
  | { readonly kind: 'page'; readonly id: number; readonly page: ListPage }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError; readonly retryAfterMs: number | null }
  | { readonly kind: 'skew'; readonly offsetMs: number }
  | { readonly kind: 'log'; readonly level: LineLevel; readonly message: string; readonly error: PlainError | null };
