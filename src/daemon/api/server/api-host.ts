/**
 * What a process brings to its API: a daemon all of it, a mount its one dataset.
 */
import type { AnswerOf } from '../contract/endpoint.ts';
import type { ENDPOINTS } from '../contract/endpoints.ts';
import type { DatasetRef } from '../contract/names.ts';
import type { Problem } from '../contract/dataset-view.ts';
import type { JobView } from '../contract/job-view.ts';
import type { JobSpec } from '../../jobs/job-types.ts';
import type { HostedDataset } from '../../views/hosted.ts';
import type { NodeStatistics } from '../../views/node-stats.ts';
import type { LogTail } from '../../log-file/log-tail.ts';

/** See the file's header. */
export interface ApiHost {
  readonly role: 'daemon' | 'mount';
  readonly version: string;
  readonly statistics: NodeStatistics;
  readonly log: LogTail;
  /** By full name. */
  list(): readonly HostedDataset[];
  /** @throws DlfsError `not-found`, naming the nearest */
  get(ref: DatasetRef): HostedDataset;
  /** Manifests that cannot be served. */
  problems(): readonly Problem[];
  /** Why the process is not ready; empty: it is. */
  notReady(): readonly string[];
  /** @throws DlfsError `conflict`, `invalid-argument`, … */
  apply(manifest: Readonly<Record<string, unknown>>, dryRun: boolean): Promise<AnswerOf<(typeof ENDPOINTS)['apply']>>;
  /** @throws DlfsError `mount-busy`, `conflict`, … */
  delete(
    ref: DatasetRef,
    how: { readonly force: boolean; readonly keepCache: boolean },
  ): Promise<AnswerOf<(typeof ENDPOINTS)['deleteDataset']>>;
  readonly jobs: JobService;
  readonly files: FileService;
}

/** The jobs of all datasets of the process. */
export interface JobService {
  /** Newest first. */
  list(): readonly JobView[];
  /** @throws DlfsError `not-found` */
  get(id: string): JobView;
  /** Starts one; it goes on whatever becomes of the caller. @throws DlfsError for what cannot be asked for */
  start(ref: DatasetRef, spec: JobSpec): Promise<JobView>;
  /** A job each time that it has moved, the last time when it has ended. @throws DlfsError `not-found` */
  watch(id: string, signal: AbortSignal): AsyncIterable<JobView>;
  /** @throws DlfsError `not-found` */
  cancel(id: string): Promise<JobView>;
}

/** What concerns files of one dataset and is answered at once. */
export interface FileService {
  /** @throws DlfsError `not-found` */
  list(
    ref: DatasetRef,
    page: { readonly path: string; readonly cursor: string | null; readonly limit: number },
  ): Promise<AnswerOf<(typeof ENDPOINTS)['listFiles']>>;
  pins(ref: DatasetRef): Promise<AnswerOf<(typeof ENDPOINTS)['listPins']>>;
  /** @throws DlfsError `not-found` for a pin that is none */
  unpin(ref: DatasetRef, globs: readonly string[]): Promise<AnswerOf<(typeof ENDPOINTS)['listPins']>>;
}
