/**
 * A checked manifest.
 *
 * It keeps both what was written and what follows from it: `written` is shown again and stored, `complete` is worked with.
 *
 * Invariants:
 * 1. A value of `Manifest` came from `checkManifest`; two manifests that say the same in other words or order of keys have equal `complete`.
 * 2. `written` has the schema's order, no status, and no default that was not given; checking it again gives an equal manifest.
 * 3. Nothing secret is in it (`inline-keys.ts`).
 */
import type { z } from 'zod';
import { DlfsError } from '../../base/errors.ts';
import { explainIssue, valueAt, type Refusal } from './explain.ts';
import { findInlineKeys } from './inline-keys.ts';
import { fullName, shown, wrongWithName, wrongWithNamespace } from './names.ts';
import { describeProblem, type ManifestProblem } from './problem.ts';
import { MANIFEST_SCHEMAS, type CompleteManifest, type Profile, type WrittenManifest } from './schema.ts';
import { inOrder } from './schema-walk.ts';
import type { Place } from './yaml-documents.ts';

/** A checked manifest; see the file's header. Immutable. */
export interface Manifest<P extends Profile = Profile> {
  readonly profile: P;
  /** `<namespace>/<name>`, or `<name>`. */
  readonly fullName: string;
  readonly name: string;
  /** Null: there are no namespaces. */
  readonly namespace: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly written: WrittenManifest<P>;
  readonly complete: CompleteManifest<P>;
}

/** Either a manifest, or everything that is wrong with it. */
export type Checked<P extends Profile> =
  | { readonly manifest: Manifest<P>; readonly problems: readonly [] }
  | { readonly manifest: null; readonly problems: readonly ManifestProblem[] };

/** Where a field stands; see `YamlDocument.placeOf`. */
export type PlaceOf = (path: readonly PropertyKey[], what: 'key' | 'value') => Place;

/** More problems of one manifest are not listed: they have one cause. */
const MAX_PROBLEMS = 20;

/**
 * Checks a manifest.
 * @param value plain data: a document of YAML, a parsed body of JSON
 * @param placeOf where its fields stand; left out where it did not come as text
 */
export function checkManifest<P extends Profile>(value: unknown, profile: P, placeOf?: PlaceOf): Checked<P> {
  const dataset = nameIn(value);
  const keys = findInlineKeys(value, profile).map(
    ({ path, field, message }): Refusal & { readonly at: readonly PropertyKey[] } => ({
      path,
      message,
      about: 'key',
      at: [...path, field],
    }),
  );
  const parsed = MANIFEST_SCHEMAS[profile].safeParse(value);
  // A key in the wrong place is what is wrong; the rest would be its echo. So is what a misspelt field leaves missing.
  const issues = (parsed.error?.issues ?? []).toSorted((left, right) => rankOf(left) - rankOf(right));
  const refusals: (Refusal & { readonly at?: readonly PropertyKey[] })[] =
    keys.length > 0 ? keys : issues.flatMap((issue) => explainIssue(issue, value, profile));
  if (!parsed.success || refusals.length > 0) {
    const problems = refusals.slice(0, MAX_PROBLEMS).map(({ path, message, about, at = path }): ManifestProblem => {
      const place = placeOf?.(at, about);
      const words = path.map((part) => shown(String(part))).join('.');
      return { path: words, message, line: place?.line ?? null, column: place?.column ?? null, dataset };
    });
    return { manifest: null, problems };
  }
  const { status: _, ...complete } = parsed.data as CompleteManifest<P> & { status?: unknown };
  const { name, namespace = null, labels } = complete.metadata;
  const manifest: Manifest<P> = {
    profile,
    fullName: fullName({ namespace, name }),
    name,
    namespace,
    labels,
    written: writtenOf(value, profile),
    complete: complete as CompleteManifest<P>,
  };
  return { manifest, problems: [] };
}

/**
 * Checks a manifest that must be right: the body of a request, a record of ours.
 * @throws DlfsError `invalid-argument` with the first thing that is wrong, and how many more are
 */
export function requireManifest<P extends Profile>(value: unknown, profile: P): Manifest<P> {
  const { manifest, problems } = checkManifest(value, profile);
  if (manifest !== null) return manifest;
  throw problemsError(problems, null);
}

/**
 * Problems as one error.
 * @param file where the manifest came from; null: not from a file
 */
export function problemsError(problems: readonly ManifestProblem[], file: string | null): DlfsError {
  const [first, ...more] = problems;
  if (first === undefined) return new DlfsError('internal', 'a manifest was refused without a reason');
  const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
  const context = first.dataset === null ? {} : { dataset: first.dataset };
  return new DlfsError('invalid-argument', `${describeProblem(first, file)}${rest}`, context);
}

/** Unknown fields come first. */
function rankOf({ code }: z.core.$ZodIssue): number {
  return code === 'unrecognized_keys' ? 0 : 1;
}

/** The name that a refused manifest probably has. */
function nameIn(value: unknown): string | null {
  const name = valueAt(value, ['metadata', 'name']);
  const namespace = valueAt(value, ['metadata', 'namespace']) ?? null;
  if (typeof name !== 'string' || wrongWithName(name) !== null) return null;
  if (namespace === null) return name;
  return typeof namespace === 'string' && wrongWithNamespace(namespace) === null ? fullName({ namespace, name }) : null;
}

function writtenOf<P extends Profile>(value: unknown, profile: P): WrittenManifest<P> {
  const schema = MANIFEST_SCHEMAS[profile];
  const { status: _, ...rest } = value as Record<string, unknown>;
  const { name, namespace, labels } = rest['metadata'] as Record<string, unknown>;
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
  };
  return inOrder({ ...rest, metadata }, schema) as WrittenManifest<P>;
}
