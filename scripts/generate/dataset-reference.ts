/**
 * docs/DATASET.md: the fields of a Dataset manifest.
 *
 * Types, defaults and meanings are read from the JSON Schema of the two profiles, the rest from the table of fields.
 */
import { longName } from '../../src/cli/option-table.ts';
import { FIELDS, manifestJsonSchema, type FieldRow } from '../../src/dataset/manifest/index.ts';

/** The parts of a JSON Schema that are shown. */
interface JsonSchema {
  readonly type?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly default?: string | number | boolean | object;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

interface Field {
  readonly path: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

const INTRODUCTION = `# The Dataset manifest

Made by \`make generate\` from \`src/dataset/manifest/\`; do not edit it here. JSON Schemas for editors:
[\`schemas/dataset.node.json\`](../schemas/dataset.node.json),
[\`schemas/dataset.kubernetes.json\`](../schemas/dataset.kubernetes.json).

\`\`\`yaml
apiVersion: dlfs.io/v1alpha1
kind: Dataset
metadata:
  name: imagenet
  labels: { team: vision }
spec:
  source:
    s3:
      endpoint: https://s3.example.com
      bucket: research
      prefix: imagenet/train
      credentials: { file: /etc/dlfs/keys, profile: research }
  cache:
    quota: { bytes: 200GiB }
    reserve: { bytes: 50GiB }
  refresh: { interval: 1h }
  mode: { file: "0440", gid: 5000 }
\`\`\`

A file may hold several, divided by \`---\`; JSON is read, too. Sizes are written \`10GiB\` (or a number of bytes), times \`5m\` or
\`1h30m\`, permissions in quotes. An unknown field is refused. Keys never stand in a manifest: it names where they are.

There are two profiles. A manifest on the node's disk (*node*) is its administrator's and may name files, profiles and variables
of the node. An object in Kubernetes (*kubernetes*) is anyone's with rights in a namespace and may not.

The full name of a dataset is \`<namespace>/<name>\`, or \`<name>\` where there are no namespaces; its directory is that below the root. A
dataset without namespace may not be called like a namespace of others.

**A change** of a field takes effect *live*; by a *reconnect* (the source is opened anew; mount, listing and cache stay); by a *remount* (a new mount
over the old one, on the same cache); or makes a new *generation* (another source: a new mount with a new cache; the old ones live until
their last user is gone).
`;

const HEAD =
  '| field | profile | type | default | `dlfs mount` | a change | meaning |\n|---|---|---|---|---|---|---|\n';

/** The page. */
export function datasetReference(): string {
  const node = fieldsOf(manifestJsonSchema('node'));
  const kubernetes = fieldsOf(manifestJsonSchema('kubernetes'));
  const rows: string[] = [];
  for (const field of merged(node, kubernetes)) {
    const there = (fields: readonly Field[]): Field | undefined => fields.find(({ path }) => path === field.path);
    const [inNode, inKubernetes] = [there(node), there(kubernetes)];
    if (inNode === undefined || inKubernetes === undefined) {
      rows.push(rowOf(field, inNode === undefined ? 'kubernetes' : 'node'));
    } else if (rowOf(inNode, '') === rowOf(inKubernetes, '')) rows.push(rowOf(field, 'both'));
    else rows.push(rowOf(inNode, 'node'), rowOf(inKubernetes, 'kubernetes'));
  }
  return `${INTRODUCTION}\n${HEAD}${rows.join('\n')}\n`;
}

/** All fields of the first, and those of the second where they belong: behind the one that they follow there. */
function merged(first: readonly Field[], second: readonly Field[]): Field[] {
  const all = [...first];
  for (const [at, field] of second.entries()) {
    if (all.some(({ path }) => path === field.path)) continue;
    const before = second[at - 1]?.path;
    all.splice(all.findIndex(({ path }) => path === before) + 1, 0, field);
  }
  return all;
}

function fieldsOf(schema: JsonSchema, above = ''): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const path = above === '' ? key : `${above}.${key}`;
    return [{ path, schema: field, required: schema.required?.includes(key) === true }, ...fieldsOf(field, path)];
  });
}

function rowOf({ path, schema, required }: Field, profile: string): string {
  const row = FIELDS.find((field) => field.path === path);
  const change = schema.properties === undefined ? (ownerRow(path)?.effect ?? '') : '';
  const cells = [
    `\`${path}\``,
    profile,
    typeOf(schema),
    required ? '*required*' : defaultOf(schema),
    optionOf(path, row),
    change,
    schema.description ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The row that says what a change of a field takes: its own, or that of what it is a part of. */
function ownerRow(path: string): FieldRow | undefined {
  return FIELDS.find((field) => path === field.path || path.startsWith(`${field.path}.`));
}

function optionOf(path: string, row: FieldRow | undefined): string {
  if (path === 'spec.source.s3.credentials') return '';
  if (path === 'spec.source.s3.credentials.profile') return '`--profile`';
  const option = row?.option ?? null;
  if (option === null) return '';
  return option === 'source' ? '`s3://BUCKET/PREFIX`' : `\`--${longName(option)}\``;
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'object') return schema.properties === undefined ? 'map' : '';
  return schema.type === 'string' ? 'text' : (schema.type ?? '');
}

function defaultOf({ default: value }: JsonSchema): string {
  if (value === undefined || value === '' || typeof value === 'object') return '';
  return `\`${String(value)}\``;
}
