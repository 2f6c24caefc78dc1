/**
 * Which files of the repository are made from the code, and how.
 *
 * Invariants:
 * 1. A row's text depends on the code alone: no time, no machine, no order of a map that may change.
 */
import { manifestJsonSchema, type Profile } from '../../src/dataset/manifest/index.ts';
import { stringify } from 'yaml';
import { processContext } from '../../src/cli/context.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { manPage } from '../../src/cli/reference/man.ts';
import { markdownReference } from '../../src/cli/reference/markdown.ts';
import { referenceOf, type CommandReference } from '../../src/cli/reference/walk.ts';
import { openApiDocument } from '../../src/daemon/api/openapi.ts';
import { alertRules } from '../../src/daemon/metrics/alerts.ts';
import { grafanaDashboard } from '../../src/daemon/metrics/dashboard.ts';
import { metricsReference } from '../../src/daemon/metrics/reference.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { datasetReference } from './dataset-reference.ts';

/** One file. */
export interface GeneratedFile {
  /** Relative to the repository. */
  readonly path: string;
  readonly make: () => string;
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const schema = (profile: Profile): string => json(manifestJsonSchema(profile));

const commands = (): CommandReference[] =>
  referenceOf(buildProgram(packageJson.version, processContext(''), () => undefined));

const RULES_HEAD = '# Alert rules of dlfs, made by `make generate` from src/daemon/metrics/alerts.ts.\n';

/** All of them. */
export const GENERATED: readonly GeneratedFile[] = [
  { path: 'schemas/dataset.node.json', make: () => schema('node') },
  { path: 'schemas/dataset.kubernetes.json', make: () => schema('kubernetes') },
  { path: 'schemas/openapi.json', make: () => json(openApiDocument()) },
  { path: 'docs/DATASET.md', make: datasetReference },
  { path: 'docs/CLI.md', make: () => markdownReference(commands()) },
  { path: 'docs/METRICS.md', make: metricsReference },
  { path: 'packaging/man/dlfs.1', make: () => manPage(commands(), packageJson.version) },
  { path: 'packaging/grafana/dlfs.json', make: () => json(grafanaDashboard()) },
  { path: 'packaging/prometheus/dlfs.rules.yaml', make: () => RULES_HEAD + stringify(alertRules(), { lineWidth: 0 }) },
];
