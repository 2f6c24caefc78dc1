/**
 * `dlfs describe NAME`: all that is known of one dataset, for a person.
 */
import { stringify } from 'yaml';
import { printable } from '../../base/printable.ts';
import { formatSize } from '../../base/size.ts';
import type { DatasetView } from '../../daemon/api/contract/dataset-view.ts';
import { fullName } from '../../daemon/api/contract/names.ts';
import type { Context } from '../context.ts';
import { writeDocument, writeFields, writeTable, type Format } from '../format/documents.ts';
import { age, count } from '../format/human.ts';
import type { Output } from '../output.ts';
import { datasetTarget, type TargetOptions } from '../target.ts';

/** See the file's header. @throws DlfsError as the daemon says */
export async function describeDataset(
  name: string,
  options: TargetOptions & { readonly output: Format },
  context: Context,
): Promise<void> {
  const { client, params } = await datasetTarget(name, options, context);
  const dataset = await client.call('getDataset', { params });
  if (options.output === 'json' || options.output === 'yaml') writeDocument(dataset, options.output, context.output);
  else describe(dataset, context.clock.wall(), context.output);
}

function describe(dataset: DatasetView, now: number, output: Output): void {
  const { snapshot, generation, owner } = dataset;
  writeFields(
    [
      ['Name', fullName(dataset)],
      ['State', dataset.phase],
      ['Directory', dataset.directory],
      ['Owner', owner.kind === 'file' ? `the file ${owner.file}` : owner.kind],
      ['Labels', labelsOf(dataset)],
      ['Source', generation?.source ?? null],
      ['Generation', generationOf(dataset)],
      ['Cache', dataset.cacheFolder],
      ['Open mode', dataset.openMode],
      ['Transport', dataset.transport],
      ['Snapshot', snapshot === null ? null : snapshotOf(snapshot, now)],
    ],
    output,
  );
  if (snapshot !== null && snapshot.unrepresentable.length > 0) {
    output.line('Keys that cannot be named as files:');
    for (const { reason, count: keys, sample } of snapshot.unrepresentable) {
      output.line(`  ${count(keys)} × ${reason}, for example ${JSON.stringify(printable(sample))}`);
    }
  }
  output.line('Conditions:');
  writeTable(
    [
      { title: '  TYPE', cell: ({ type }) => `  ${type}` },
      { title: 'STATUS', cell: ({ status }) => [status, status === 'True' ? 'good' : 'warning'] },
      { title: 'SINCE', cell: ({ since }) => age(now, since) },
      { title: 'REASON', cell: ({ reason }) => reason },
      { title: 'MESSAGE', folds: true, cell: ({ message }) => message },
    ],
    dataset.conditions,
    'table',
    output,
  );
  output.line('Spec:');
  for (const line of stringify(dataset.manifest['spec'], { lineWidth: 0 }).trimEnd().split('\n')) {
    output.line(`  ${printable(line)}`);
  }
  if (dataset.recentErrors.length === 0) {
    output.line('Recent errors: none');
    return;
  }
  output.line('Recent errors:');
  for (const { at, level, module, message, count: times } of dataset.recentErrors) {
    const again = times > 1 ? ` (${count(times)} times)` : '';
    output.line(`  ${age(now, at)} ago  ${level}  ${printable(`${module}: ${message}`)}${again}`);
  }
}

function labelsOf({ labels }: DatasetView): string | null {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? null : pairs.join(', ');
}

function generationOf({ generation }: DatasetView): string | null {
  if (generation === null) return null;
  const { id, superseded } = generation;
  return superseded === 0 ? id : `${id}; ${count(superseded)} older still in use`;
}

function snapshotOf(snapshot: NonNullable<DatasetView['snapshot']>, now: number): string {
  const { complete, listedAt, files, directories, bytes } = snapshot;
  const what = `${count(files)} files in ${count(directories)} directories, ${formatSize(bytes)}`;
  return complete ? `${what}, listed ${age(now, listedAt)} ago` : `${what} so far: not listed as a whole yet`;
}
