/**
 * Manifests as YAML.
 *
 * Invariants:
 * 1. Reading what was written gives an equal manifest, in the same words: what was left to its default stays left out.
 * 2. The order is the schema's; the same manifest always gives the same text.
 * 3. Text that a reader of YAML 1.1 (kubectl) would take for a number or a switch is quoted.
 */
import { stringify } from 'yaml';
import type { Manifest } from './manifest.ts';

/**
 * One manifest.
 * @param status what the daemon says of it, plain data; null: nothing. It is not read back
 * @returns YAML without `---`, with a line break at its end
 */
export function formatManifest(manifest: Manifest, status: object | null = null): string {
  const value = status === null ? manifest.written : { ...manifest.written, status };
  return stringify(value, { lineWidth: 0, compat: 'yaml-1.1', aliasDuplicateObjects: false });
}

/** Several, divided by `---`. */
export function formatManifests(manifests: Iterable<Manifest>): string {
  return [...manifests].map((manifest) => formatManifest(manifest)).join('---\n');
}
