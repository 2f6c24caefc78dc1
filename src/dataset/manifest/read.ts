/**
 * Reads the manifests of a text.
 *
 * Invariants:
 * 1. A document that is wrong takes nothing else with it: the others' manifests are there.
 * 2. Each problem has its line and column.
 */
import { checkManifest, type Manifest } from './manifest.ts';
import type { ManifestProblem } from './problem.ts';
import type { Profile } from './schema.ts';
import { isList } from './json-list.ts';
import { parseYamlDocuments, type YamlDocument } from './yaml-documents.ts';

/** A manifest and where it begins. */
export interface PlacedManifest<P extends Profile = Profile> {
  readonly manifest: Manifest<P>;
  /** Line of its name, counted from 1. */
  readonly line: number;
}

/** What a text holds. */
export interface ReadManifests<P extends Profile = Profile> {
  /** In the text's order; a name may be there twice. */
  readonly manifests: readonly PlacedManifest<P>[];
  readonly problems: readonly ManifestProblem[];
}

/**
 * Reads YAML (documents divided by `---`) or JSON, and Lists (`apiVersion: v1, kind: List, items`) in both. The event loop gets its turn between documents.
 * @param text from outside; at most `MAX_TEXT` characters are looked at
 */
export async function readManifests<P extends Profile>(text: string, profile: P): Promise<ReadManifests<P>> {
  const manifests: PlacedManifest<P>[] = [];
  const problems: ManifestProblem[] = [];
  for (const document of await parseYamlDocuments(text)) {
    if (document.problems.length > 0) {
      problems.push(...document.problems.map((problem) => ({ path: '', dataset: null, ...problem })));
      continue;
    }
    for (const { value, placeOf } of objectsOf(document)) {
      const checked = checkManifest(value, profile, placeOf);
      problems.push(...checked.problems);
      if (checked.manifest !== null) {
        manifests.push({ manifest: checked.manifest, line: placeOf(['metadata', 'name'], 'key').line });
      }
    }
  }
  return { manifests, problems };
}

/** A document, or the items of a List, each with its own places. */
function objectsOf({ value, placeOf }: YamlDocument): Pick<YamlDocument, 'value' | 'placeOf'>[] {
  if (!isList(value)) return [{ value, placeOf }];
  return value.items.map((item, index) => ({
    value: item,
    placeOf: (path, what) => placeOf(['items', index, ...path], what),
  }));
}
