/**
 * The API's handlers, for whatever process they speak for (api-host.ts).
 */
import { exposition } from '../../metrics/exposition.ts';
import { datasetView } from '../../views/dataset-view.ts';
import { refOf } from '../contract/names.ts';
import { openApiDocument } from '../openapi.ts';
import type { ApiHost } from './api-host.ts';
import type { Handlers } from './handlers.ts';

/** Lines of the log, and files on a page, where nobody says how many. */
const LINES = 200;
const PAGE = 1000;

/** See the file's header. */
export function hostHandlers(host: ApiHost): Handlers {
  const { jobs, files, statistics, log } = host;
  return {
    version: () => ({ version: host.version, api: 'v1', role: host.role }),
    live: () => ({ ok: true, reasons: [] }),
    ready: () => {
      const reasons = [...host.notReady()];
      return { ok: reasons.length === 0, reasons };
    },
    metrics: () => exposition(statistics.stats()),
    openapi: () => openApiDocument(),
    listDatasets: () => ({ datasets: host.list().map(datasetView), problems: [...host.problems()] }),
    getDataset: ({ params }) => datasetView(host.get(refOf(params))),
    apply: ({ body, query }) => host.apply(body, query.dryRun ?? false),
    deleteDataset: ({ params, query }) =>
      host.delete(refOf(params), { force: query.force ?? false, keepCache: query.keepCache ?? false }),
    stats: ({ query }) => statistics.stats(query.dataset ?? null),
    listFiles: ({ params, query }) =>
      files.list(refOf(params), { path: query.path ?? '', cursor: query.cursor ?? null, limit: query.limit ?? PAGE }),
    warm: ({ params, body }) => jobs.start(refOf(params), { kind: 'warm', ...body }),
    evict: ({ params, body }) => jobs.start(refOf(params), { kind: 'evict', ...body }),
    listPins: ({ params }) => files.pins(refOf(params)),
    pin: ({ params, body }) => jobs.start(refOf(params), { kind: 'pin', ...body, bandwidth: null }),
    unpin: ({ params, body }) => files.unpin(refOf(params), body.globs),
    verify: ({ params, body }) => jobs.start(refOf(params), { kind: 'verify', ...body, bandwidth: null }),
    refresh: ({ params, body }) => jobs.start(refOf(params), { kind: 'refresh', ...body }),
    listJobs: () => ({ jobs: [...jobs.list()] }),
    getJob: ({ params }) => jobs.get(params.id),
    watchJob: ({ params }, { signal }) => jobs.watch(params.id, signal),
    cancelJob: ({ params }) => jobs.cancel(params.id),
    logs: ({ query }, { signal }) =>
      log.read(
        {
          level: query.level ?? 'info',
          // The whole log of a mount is about its one dataset.
          dataset: host.role === 'mount' ? null : (query.dataset ?? null),
          lines: query.lines ?? LINES,
          follow: query.follow ?? false,
        },
        signal,
      ),
  };
}
