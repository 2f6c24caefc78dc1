/**
 * Jobs and files of all datasets of a process, behind one door: a job is found by its id wherever it runs.
 */
import { DlfsError } from '../../../base/errors.ts';
import { jobView, type DatasetJobs } from '../../jobs/dataset-jobs.ts';
import type { Job, JobSpec } from '../../jobs/job-types.ts';
import type { HostedDataset } from '../../views/hosted.ts';
import type { JobView } from '../contract/job-view.ts';
import { fullName, type DatasetRef } from '../contract/names.ts';
import type { ApiHost, FileService, JobService } from './api-host.ts';

type Datasets = Pick<ApiHost, 'list' | 'get'>;

/** The jobs of a dataset that is served. @throws DlfsError `not-found`, `no-daemon` while it is not served */
function jobsOf(datasets: Datasets, ref: DatasetRef): { readonly hosted: HostedDataset; readonly jobs: DatasetJobs } {
  const hosted = datasets.get(ref);
  if (hosted.server === null) {
    throw new DlfsError(
      'conflict',
      `the dataset is not served (${hosted.phase}): dlfs describe ${fullName(ref)} says why`,
      {
        dataset: fullName(ref),
        retryable: true,
      },
    );
  }
  return { hosted, jobs: hosted.server.jobs };
}

/** See the file's header. */
export function jobService(datasets: Datasets): JobService {
  const viewOf = ({ namespace, name }: HostedDataset, job: Job): JobView => jobView(job, { namespace, name });
  const find = (id: string): { readonly hosted: HostedDataset; readonly jobs: DatasetJobs; readonly job: Job } => {
    for (const hosted of datasets.list()) {
      const job = hosted.server?.jobs.runner.get(id) ?? null;
      if (job !== null && hosted.server !== null) return { hosted, jobs: hosted.server.jobs, job };
    }
    throw new DlfsError('not-found', `no job ${id} is remembered; see: dlfs jobs`);
  };
  return {
    list: () =>
      datasets
        .list()
        .flatMap((hosted) => (hosted.server?.jobs.runner.list() ?? []).map((job) => viewOf(hosted, job)))
        .sort((a, b) => b.created - a.created),
    get: (id) => {
      const { hosted, job } = find(id);
      return viewOf(hosted, job);
    },
    start: async (ref: DatasetRef, spec: JobSpec) => {
      const { hosted, jobs } = jobsOf(datasets, ref);
      return viewOf(hosted, await jobs.runner.submit(spec));
    },
    async *watch(id, signal) {
      const { hosted, jobs } = find(id);
      for await (const job of jobs.runner.watch(id, signal)) yield viewOf(hosted, job);
    },
    cancel: async (id) => {
      const { hosted, jobs } = find(id);
      return viewOf(hosted, await jobs.runner.cancel(id));
    },
  };
}

/** See the file's header. */
export function fileService(datasets: Datasets): FileService {
  return {
    list: (ref, { path, cursor, limit }) =>
      jobsOf(datasets, ref).jobs.listFiles({ path, limit, ...(cursor === null ? {} : { cursor }) }),
    pins: async (ref) => ({ pins: await jobsOf(datasets, ref).jobs.listPins() }),
    unpin: async (ref, globs) => {
      const { jobs } = jobsOf(datasets, ref);
      await jobs.unpin(globs);
      return { pins: await jobs.listPins() };
    },
  };
}
