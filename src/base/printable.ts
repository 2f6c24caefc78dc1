/**
 * Text from outside as a person may see it.
 */

/** C0 and C1 controls, line and paragraph separators, and what turns the direction of text around. */
// eslint-disable-next-line no-control-regex -- control characters are what this is about
const STEERING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text without control characters: names from buckets and manifests must not steer a terminal. */
export function printable(text: string): string {
  return text.replace(STEERING, '\ufffd');
}
