/**
 * Reads the dates that an origin sends. `Date.parse` alone makes a date of almost anything (`-1` is in 2001).
 */

/** RFC 9110's date, and the ISO form of S3's error bodies. */
const DATE =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z)$/;

/**
 * The time that a text of the origin names.
 * @returns milliseconds since 1970, or null where it is no date
 */
export function parseHttpDate(text: string): number | null {
  const trimmed = text.trim();
  const value = DATE.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
  return Number.isNaN(value) ? null : value;
}
