/**
 * Finds keys (secrets) that somebody wrote into a manifest.
 *
 * It runs before the schema, on whatever was written: the answer to a key in the wrong place is not "unknown field".
 *
 * Invariants:
 * 1. A value is looked at, never returned.
 */
import type { Profile } from './schema.ts';

/** Names of keys in all tools' spellings, without case, `-` and `_`. */
const NAMES: ReadonlySet<string> = new Set(
  ['accesskeyid', 'secretaccesskey', 'sessiontoken', 'accesskey', 'secretkey', 'securitytoken'].flatMap((name) => [
    name,
    `aws${name}`,
  ]),
);

/** Where these names stand for variables. */
const VARIABLES = 'spec.source.s3.credentials.env';

/** AWS's identifiers of keys (IAM user guide, "Unique identifiers"). */
const ACCESS_KEY_ID = /^A[KS]IA[A-Z0-9]{16}$/;

const WAY_OUT: Readonly<Record<Profile, string>> = {
  node: 'say where they are instead: credentials: {profile: NAME}, {file: PATH} or {env: {accessKeyId: VARIABLE, secretAccessKey: VARIABLE}}',
  kubernetes: 'put them into a Secret and name it: credentials: {secretRef: {name: NAME}}',
};

/** A place that holds a key. */
export interface InlineKey {
  /** The path of the object around it. */
  readonly path: readonly PropertyKey[];
  readonly field: string;
  /** What to do. */
  readonly message: string;
}

/** Deeper than any field that is kept. */
const MAX_DEPTH = 32;

/** Looks through a manifest, as deep as there are fields. */
export function findInlineKeys(value: unknown, profile: Profile): InlineKey[] {
  const found: InlineKey[] = [];
  const walk = (at: unknown, path: readonly PropertyKey[]): void => {
    if (typeof at !== 'object' || at === null || path.length > MAX_DEPTH) return;
    for (const [field, inner] of Object.entries(at)) {
      if (isKey(field, inner, path)) {
        found.push({ path, field, message: `keys do not belong into a manifest (${field}): ${WAY_OUT[profile]}` });
      } else walk(inner, [...path, field]);
    }
  };
  walk(value, []);
  return found;
}

function isKey(field: string, value: unknown, path: readonly PropertyKey[]): boolean {
  if (path.join('.') === VARIABLES) return false;
  if (typeof value === 'string' && ACCESS_KEY_ID.test(value)) return true;
  return typeof value !== 'object' && NAMES.has(field.toLowerCase().replace(/[-_]/g, ''));
}
