/** The Dataset manifest: reading, checking, comparing and writing it. Each file's header says how. */
export { diffManifests, generationOf, type FieldChange, type ManifestDiff } from './diff.ts';
export { EFFECTS, FIELDS, IDENTITY_FIELDS, type ChangeEffect, type FieldRow } from './fields.ts';
export { formatManifest, formatManifests } from './format.ts';
export { manifestJsonSchema } from './json-schema.ts';
export { checkManifest, problemsError, requireManifest, type Checked, type Manifest } from './manifest.ts';
export {
  fullName,
  nameClashes,
  nearest,
  parseName,
  wrongWithName,
  wrongWithNamespace,
  type DatasetName,
  type NameClash,
} from './names.ts';
export { describeProblem, type ManifestProblem } from './problem.ts';
export { readManifests, type PlacedManifest, type ReadManifests } from './read.ts';
export {
  API_VERSION,
  KIND,
  MANIFEST_SCHEMAS,
  type CompleteManifest,
  type Profile,
  type WrittenManifest,
} from './schema.ts';
export {
  datasetSettings,
  servingSettings,
  sourceOptions,
  type DatasetSettings,
  type ServingSettings,
} from './settings.ts';
export { MAX_TEXT } from './yaml-documents.ts';
