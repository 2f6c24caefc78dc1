/**
 * What a changed manifest takes: nothing, a word to the running dataset, a new mount, or a new generation.
 *
 * Invariants:
 * 1. What counts is what the manifests mean, defaults included: the same said in other words is no change.
 * 2. The effect is `generation` exactly where `generationOf` differs.
 */
import { isDeepStrictEqual } from 'node:util';
import { identityOf, type SourceIdentity } from '../source-identity.ts';
import { EFFECTS, FIELDS, type ChangeEffect } from './fields.ts';
import type { Manifest } from './manifest.ts';
import { referenceOf } from './settings.ts';

/** A field that changed. */
export interface FieldChange {
  /** For example `spec.cache.quota.bytes`. */
  readonly path: string;
  readonly effect: ChangeEffect;
}

/** What changed. */
export interface ManifestDiff {
  readonly fields: readonly FieldChange[];
  /** The heaviest effect of all fields; null: nothing changed. */
  readonly effect: ChangeEffect | null;
}

/**
 * Which bytes a dataset shows: endpoint, bucket and prefix. A change of it makes a new mount with a cache of its own, whose
 * folder is named by `fingerprint` of this (`cache/folder/fingerprint.ts`). Region, path style and keys are only the way there.
 */
export function generationOf(manifest: Manifest): SourceIdentity {
  return identityOf({
    reference: referenceOf(manifest),
    endpoint: manifest.complete.spec.source.s3.endpoint ?? null,
  });
}

/** Compares two manifests of one dataset. */
export function diffManifests(before: Manifest, after: Manifest): ManifestDiff {
  const fields = FIELDS.filter(({ of }) => !isDeepStrictEqual(of(before.complete), of(after.complete))).map(
    ({ path, effect }) => ({ path, effect }),
  );
  return { fields, effect: EFFECTS.findLast((effect) => fields.some((field) => field.effect === effect)) ?? null };
}
