/**
 * `dlfs get [NAME]`: datasets as a table, in YAML as manifests that `dlfs apply` takes again, or in JSON for programs.
 */
import { printable } from '../../base/printable.ts';
import type { DatasetView, Problem } from '../../daemon/api/contract/dataset-view.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { Context } from '../context.ts';
import type { Tone } from '../format/cells.ts';
import { writeDocument, writeTable, type Format, type TableColumn } from '../format/documents.ts';
import { count, UNKNOWN } from '../format/human.ts';
import type { Output } from '../output.ts';
import { formatSize } from '../../base/size.ts';
import { datasetTarget, nodeTarget, type TargetOptions } from '../target.ts';

const TONES: Readonly<Record<DatasetView['phase'], Tone>> = {
  Pending: 'warning',
  Ready: 'good',
  Degraded: 'warning',
  Failed: 'bad',
  Terminating: 'faint',
};

const COLUMNS: readonly TableColumn<DatasetView>[] = [
  { title: 'NAME', shrinks: 'last', cell: (dataset) => fullName(dataset) },
  { title: 'STATE', cell: ({ phase }) => [phase, TONES[phase]] },
  { title: 'DIRECTORY', shrinks: 'first', cell: ({ directory }) => directory },
  { title: 'SOURCE', shrinks: 'first', cell: ({ generation }) => generation?.source ?? UNKNOWN },
  {
    ...{ title: 'FILES', align: 'right', wide: true },
    cell: ({ snapshot }) => (snapshot === null ? UNKNOWN : count(snapshot.files)),
  },
  {
    ...{ title: 'SIZE', align: 'right', wide: true },
    cell: ({ snapshot }) => (snapshot === null ? UNKNOWN : formatSize(snapshot.bytes)),
  },
  { title: 'OPEN', wide: true, cell: ({ openMode }) => openMode ?? UNKNOWN },
  { title: 'TRANSPORT', wide: true, cell: ({ transport }) => transport ?? UNKNOWN },
  { title: 'OWNER', wide: true, cell: ({ owner }) => (owner.kind === 'file' ? owner.file : owner.kind) },
];

/** What the options say. */
export interface GetOptions extends TargetOptions {
  readonly output: Format;
}

/** See the file's header. @throws DlfsError as the daemon says */
export async function getDatasets(name: string | null, options: GetOptions, context: Context): Promise<void> {
  const { datasets, problems } = await chosen(name, options, context);
  if (options.output === 'json' || options.output === 'yaml') {
    writeManifests(datasets, options.output, context.output);
    return;
  }
  if (datasets.length === 0) context.output.line('no datasets');
  else writeTable(COLUMNS, datasets, options.output, context.output);
  for (const { file, line, message } of problems) {
    context.output.line(printable(`problem: ${line === null ? file : `${file}:${line}`}: ${message}`));
  }
}

async function chosen(
  name: string | null,
  options: GetOptions,
  context: Context,
): Promise<{ readonly datasets: readonly DatasetView[]; readonly problems: readonly Problem[] }> {
  if (name !== null) {
    const { client, params } = await datasetTarget(name, options, context);
    return { datasets: [await client.call('getDataset', { params })], problems: [] };
  }
  const { datasets, problems } = await nodeTarget(options, context).call('listDatasets', {});
  const { namespace } = options;
  return namespace === undefined
    ? { datasets, problems }
    : { datasets: datasets.filter((dataset) => dataset.namespace === namespace), problems };
}

/** Manifests with their status: in YAML a document each, in JSON one alone as itself and several as a List, as kubectl does. */
function writeManifests(datasets: readonly DatasetView[], format: 'json' | 'yaml', output: Output): void {
  const items = datasets.map(({ manifest, phase, conditions, generation, directory, snapshot }) => ({
    ...manifest,
    status: { phase, directory, conditions, generation, snapshot },
  }));
  if (format === 'json') {
    writeDocument(items.length === 1 ? items[0] : { apiVersion: 'v1', kind: 'List', items }, format, output);
    return;
  }
  for (const [index, item] of items.entries()) {
    if (index > 0) output.line('---');
    writeDocument(item, format, output);
  }
}
