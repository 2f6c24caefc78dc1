/**
 * If-Match and its family, as S3 weighs them against each other.
 *
 * A true If-Match overrides If-Unmodified-Since, a true If-None-Match overrides If-Modified-Since; times have whole
 * seconds; a time that cannot be read is as absent. Etags compare with or without their quotes.
 */

import type { IncomingHttpHeaders } from 'node:http';

/** How the conditions of a request turn out; 'failed' names the header for the error's <Condition>. */
export type ConditionOutcome =
  | { readonly outcome: 'proceed' }
  | { readonly outcome: 'not-modified' }
  | { readonly outcome: 'failed'; readonly condition: string };

const PROCEED: ConditionOutcome = { outcome: 'proceed' };
const NOT_MODIFIED: ConditionOutcome = { outcome: 'not-modified' };
const failed = (condition: string): ConditionOutcome => ({ outcome: 'failed', condition });

function bare(etag: string): string {
  return etag.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
}

function matches(header: string | undefined, etag: string): boolean | null {
  if (header === undefined) return null;
  return header.trim() === '*' || header.split(',').some((candidate) => bare(candidate) === bare(etag));
}

function time(header: string | undefined): number | null {
  const parsed = header === undefined ? NaN : Date.parse(header);
  return Number.isNaN(parsed) ? null : parsed;
}

/**
 * Evaluates the conditions in `headers`.
 * @param etag the object's, with quotes
 * @param lastModified milliseconds since the epoch, a whole second
 */
export function evaluateConditions(headers: IncomingHttpHeaders, etag: string, lastModified: number): ConditionOutcome {
  const ifMatch = matches(headers['if-match'], etag);
  const ifNoneMatch = matches(headers['if-none-match'], etag);
  const since = time(headers['if-modified-since']);
  const unmodifiedSince = time(headers['if-unmodified-since']);
  const unmodified = since !== null && lastModified <= since;
  const modified = unmodifiedSince !== null && lastModified > unmodifiedSince;

  if (ifMatch === false) return failed('If-Match');
  if (ifMatch === null && modified) return failed('If-Unmodified-Since');
  if (ifNoneMatch === true) return NOT_MODIFIED;
  if (ifNoneMatch === null && unmodified) return NOT_MODIFIED;
  return PROCEED;
}
