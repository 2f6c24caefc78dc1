/**
 * What a schema refused, in words for whoever wrote the manifest.
 *
 * Invariants:
 * 1. An unknown field is answered with the field that was probably meant.
 * 2. Values are not repeated, except by our own parsers of sizes, times and numbers.
 */
import type { z } from 'zod';
import { FIELDS } from './fields.ts';
import { nearest, shown } from './names.ts';
import { MANIFEST_SCHEMAS, type Profile } from './schema.ts';
import { fieldsOf, schemaAt, shapeOf } from './schema-walk.ts';

/** A refusal, not yet placed in a text. */
export interface Refusal {
  /** The field at fault; of a missing one the object that lacks it. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Whether the field's name is wrong, not its value. */
  readonly about: 'key' | 'value';
}

/** Fields of the other profile, and what to write in this one. */
const OF_OTHER_PROFILE: Readonly<Record<Profile, Readonly<Record<string, string>>>> = {
  node: {
    'credentials.secretRef': 'there are no Secrets on a node: write profile, file or env',
    'ca.configMap': 'there are no ConfigMaps on a node: write caFile, or pem here',
  },
  kubernetes: {
    ...Object.fromEntries(
      ['profile', 'file', 'env', 'ambient'].map((key) => [
        `credentials.${key}`,
        'a Dataset in Kubernetes cannot use what the node has: write secretRef: {name: NAME OF A SECRET}',
      ]),
    ),
    's3.caFile':
      'a Dataset in Kubernetes cannot name a file of the node: write ca: {pem: …} or ca: {configMap: {name: …}}',
  },
};

/** Explains one issue. @param value what was checked */
export function explainIssue(issue: z.core.$ZodIssue, value: unknown, profile: Profile): Refusal[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownField(key, path, profile), about: 'key' }));
  }
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? 'cannot be a key';
    return [{ path, message, about: 'key' }];
  }
  const found = valueAt(value, path);
  if (found === undefined && issue.code !== 'custom') {
    const hint = issue.code === 'invalid_value' ? `: ${issue.message}` : '';
    return [
      { path: path.slice(0, -1), message: `${String(path.at(-1) ?? 'everything')} is missing${hint}`, about: 'key' },
    ];
  }
  if (found === null) return [{ path, message: 'has no value: write one, or leave the field out', about: 'value' }];
  if (issue.code !== 'invalid_type' || !issue.message.startsWith('Invalid input')) {
    return [{ path, message: issue.message, about: 'value' }];
  }
  return [{ path, message: wrongType(issue.expected, found), about: 'value' }];
}

function wrongType(expected: string, found: unknown): string {
  switch (expected) {
    case 'string':
      return typeof found === 'object' ? 'must be text' : 'must be text: put it in quotes';
    case 'boolean':
      return 'must be true or false';
    case 'object':
    case 'record':
      return 'must have fields of its own';
    default:
      return `must be a ${expected}`;
  }
}

function unknownField(key: string, path: readonly PropertyKey[], profile: Profile): string {
  const schema = MANIFEST_SCHEMAS[profile];
  const ofOther = OF_OTHER_PROFILE[profile][`${String(path.at(-1) ?? '')}.${key}`];
  if (ofOther !== undefined) return ofOther;
  const at = schemaAt(schema, path);
  const known = Object.keys((at === null ? null : shapeOf(at)) ?? {});
  const near = nearest(key, known);
  if (near !== null) return `unknown field; did you mean "${near}"?`;
  // The right word at the wrong place, or the option's word for the field.
  const elsewhere =
    FIELDS.find(({ option }) => option === key)?.path ??
    fieldsOf(schema).find((field) => field.path.endsWith(`.${key}`))?.path;
  if (elsewhere !== undefined) return `unknown field here; did you mean ${elsewhere}?`;
  return `unknown field; known here: ${known.map(shown).join(', ')}`;
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}
