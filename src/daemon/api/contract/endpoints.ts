/**
 * All endpoints of the API, version 1.
 *
 * Invariants:
 * 1. Whatever server and client exchange is described here and checked on both sides.
 * 2. Within a version endpoints and fields are added, never changed.
 */
import { z } from 'zod';
import { APPLIED, DATASETS, DELETED, FILES, HEALTH, LOG_LINE, PINS, VERSION } from './answers.ts';
import { DATASET_VIEW } from './dataset-view.ts';
import type { Endpoint } from './endpoint.ts';
import { JOB_VIEW, JOBS } from './job-view.ts';
import { DATASET_PARAMS } from './names.ts';
import * as request from './requests.ts';
import { NODE_STATS } from './stats-view.ts';

const NOTHING = { params: null, query: null, body: null } as const;
const ONE = { ...NOTHING, params: DATASET_PARAMS } as const;
const DATASET = '/v1/datasets/:namespace/:name';

/** The table; names are the client's methods and the server's handlers. */
export const ENDPOINTS = {
  version: { ...NOTHING, ...get('/v1/version', 'Which program answers'), answer: VERSION },
  live: { ...NOTHING, ...get('/v1/health/live', 'Whether the process answers at all'), answer: HEALTH },
  ready: {
    ...NOTHING,
    ...get('/v1/health/ready', 'Whether every dataset that is asked for is served, and why not'),
    answer: HEALTH,
  },
  metrics: {
    ...NOTHING,
    ...get('/metrics', 'Metrics in the text format of Prometheus'),
    reply: 'text',
    answer: z.string(),
  },
  openapi: { ...NOTHING, ...get('/v1/openapi.json', 'This document'), answer: z.record(z.string(), z.unknown()) },
  listDatasets: {
    ...NOTHING,
    ...get('/v1/datasets', 'All datasets, and manifests that cannot be served'),
    answer: DATASETS,
  },
  getDataset: { ...ONE, ...get(DATASET, 'One dataset'), answer: DATASET_VIEW },
  apply: {
    ...NOTHING,
    ...call('PUT', '/v1/datasets', 'Creates or changes a dataset'),
    query: request.APPLY_QUERY,
    body: request.APPLY_BODY,
    answer: APPLIED,
  },
  deleteDataset: {
    ...ONE,
    ...call('DELETE', DATASET, 'Ends a dataset and removes its cache'),
    query: request.DELETE_QUERY,
    answer: DELETED,
  },
  stats: {
    ...NOTHING,
    ...get('/v1/stats', 'Statistics of the process and of its datasets'),
    query: request.STATS_QUERY,
    answer: NODE_STATS,
  },
  listFiles: {
    ...ONE,
    ...get(`${DATASET}/files`, 'A page of a directory, or one file'),
    query: request.FILES_QUERY,
    answer: FILES,
  },
  warm: { ...ONE, ...job(`${DATASET}/warm`, 'Fetches files into the cache'), body: request.WARM_BODY },
  evict: { ...ONE, ...job(`${DATASET}/evict`, 'Removes files from the cache'), body: request.EVICT_BODY },
  listPins: { ...ONE, ...get(`${DATASET}/pins`, 'What is pinned'), answer: PINS },
  pin: {
    ...ONE,
    ...job(`${DATASET}/pins`, 'Pins paths or globs, and fetches what is missing'),
    body: request.PINS_BODY,
  },
  unpin: {
    ...ONE,
    ...call('POST', `${DATASET}/unpin`, 'Takes pins back'),
    body: request.PINS_BODY,
    answer: PINS,
  },
  verify: { ...ONE, ...job(`${DATASET}/verify`, 'Checks index, disk and hashes'), body: request.VERIFY_BODY },
  refresh: { ...ONE, ...job(`${DATASET}/refresh`, 'Lists the source anew'), body: request.REFRESH_BODY },
  listJobs: { ...NOTHING, ...get('/v1/jobs', 'Jobs, newest first'), answer: JOBS },
  getJob: { ...NOTHING, ...get('/v1/jobs/:id', 'One job'), params: request.JOB_PARAMS, answer: JOB_VIEW },
  watchJob: {
    ...NOTHING,
    ...get('/v1/jobs/:id/watch', 'A job each time it has moved, until it has ended'),
    params: request.JOB_PARAMS,
    reply: 'lines',
    answer: JOB_VIEW,
  },
  cancelJob: {
    ...NOTHING,
    ...call('DELETE', '/v1/jobs/:id', 'Cancels a job'),
    params: request.JOB_PARAMS,
    answer: JOB_VIEW,
  },
  logs: {
    ...NOTHING,
    ...get('/v1/logs', 'The log'),
    query: request.LOGS_QUERY,
    reply: 'lines',
    answer: LOG_LINE,
  },
} as const satisfies Record<string, Endpoint>;

/** An endpoint's name. */
export type EndpointName = keyof typeof ENDPOINTS;

function call<M extends Endpoint['method'], P extends string>(method: M, path: P, summary: string) {
  return { method, path, summary, reply: 'json' } as const;
}

function get<P extends string>(path: P, summary: string) {
  return call('GET', path, summary);
}

/** A request that starts a job and answers with it at once. */
function job<P extends string>(path: P, summary: string) {
  return { ...call('POST', path, summary), answer: JOB_VIEW } as const;
}
