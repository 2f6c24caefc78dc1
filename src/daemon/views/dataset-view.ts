/**
 * A dataset as the API shows it, from what serves it.
 */
import type { DatasetView } from '../api/contract/dataset-view.ts';
import type { HostedDataset } from './hosted.ts';

/** The view. */
export function datasetView(hosted: HostedDataset): DatasetView {
  const { namespace, name, labels, owner, manifest, directory, phase, generation, server } = hosted;
  return {
    ...{ namespace, name, labels: { ...labels }, owner, manifest: { ...manifest }, directory, phase },
    conditions: hosted.conditions.map((condition) => ({ ...condition })),
    generation: generation === null || server === null ? null : { ...generation, source: server.describe },
    openMode: server?.openMode ?? null,
    transport: server?.transport ?? null,
    cacheFolder: server?.cacheFolder ?? null,
    snapshot: server === null ? null : snapshotOf(server),
    recentErrors: hosted.errors.list().map((line) => ({ ...line })),
  };
}

function snapshotOf(server: NonNullable<HostedDataset['server']>): NonNullable<DatasetView['snapshot']> {
  const { complete, completedAt, files, dirs, bytes, skipped } = server.index.snapshot();
  return {
    complete,
    listedAt: completedAt === 0 ? null : completedAt,
    files,
    directories: dirs,
    bytes,
    unrepresentable: skipped.map(({ reason, count, sample }) => ({ reason, count, sample })),
  };
}
