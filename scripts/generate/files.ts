/**
 * Which files of the repository are made from the code, and how.
 *
 * Invariants:
 * 1. A row's text depends on the code alone: no time, no machine, no order of a map that may change.
 */
import { manifestJsonSchema, type Profile } from '../../src/dataset/manifest/index.ts';
import { datasetReference } from './dataset-reference.ts';

/** One file. */
export interface GeneratedFile {
  /** Relative to the repository. */
  readonly path: string;
  readonly make: () => string;
}

const schema = (profile: Profile): string => `${JSON.stringify(manifestJsonSchema(profile), null, 2)}\n`;

/** All of them. */
export const GENERATED: readonly GeneratedFile[] = [
  { path: 'schemas/dataset.node.json', make: () => schema('node') },
  { path: 'schemas/dataset.kubernetes.json', make: () => schema('kubernetes') },
  { path: 'docs/DATASET.md', make: datasetReference },
];
