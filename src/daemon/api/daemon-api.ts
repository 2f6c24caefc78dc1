/**
 * The API of a node's daemon, and its metrics over TCP: what `dlfs daemon` attaches to a `NodeDaemon`.
 */
import { existsSync } from 'node:fs';
import { checkManifest, diffManifests, problemsError, type Manifest } from '../../dataset/manifest/index.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { LogTail } from '../log-file/log-tail.ts';
import { exposition } from '../metrics/exposition.ts';
import { MetricsServer } from '../metrics/metrics-server.ts';
import type { NodeDaemon, NodeDataset } from '../node/node-daemon.ts';
import { holdersOf } from '../registry/holders.ts';
import { datasetView } from '../views/dataset-view.ts';
import type { HostedDataset } from '../views/hosted.ts';
import { NodeStatistics } from '../views/node-stats.ts';
import type { AnswerOf } from './contract/endpoint.ts';
import type { ENDPOINTS } from './contract/endpoints.ts';
import { fullName, type DatasetRef } from './contract/names.ts';
import type { ApiHost } from './server/api-host.ts';
import { ApiServer } from './server/api-server.ts';
import { fileService, jobService } from './server/dataset-services.ts';
import { hostHandlers } from './server/host-handlers.ts';

/** What the API is attached with. */
export interface DaemonApiOptions {
  readonly version: string;
  /** Absolute path of the socket. */
  readonly socket: string;
  /** Address of metrics over TCP; null: none. */
  readonly metrics: string | null;
  readonly log: Logger;
  readonly tail: LogTail;
  readonly clock: Clock;
}

/**
 * Opens it; disposing closes it.
 * @throws DlfsError where the socket or the address cannot be had
 */
export async function openDaemonApi(daemon: NodeDaemon, options: DaemonApiOptions): Promise<AsyncDisposable> {
  const { version, socket, metrics, log, tail, clock } = options;
  await using stack = new AsyncDisposableStack();
  const list = (): HostedDataset[] => daemon.list().map(hostedOf);
  const statistics = stack.use(
    new NodeStatistics({ version, plane: daemon.plane, limits: daemon.options, list, clock }),
  );
  const get = (ref: DatasetRef): HostedDataset => hostedOf(daemon.get(fullName(ref)));
  const host: ApiHost = {
    ...{ role: 'daemon', version, statistics, log: tail, list, get },
    problems: () =>
      daemon.problems.map(({ file, line, dataset, path, message }) => ({
        ...{ file, line, dataset },
        message: path === '' ? message : `${path}: ${message}`,
      })),
    notReady: () => notReady(daemon),
    apply: (value, dryRun) => apply(daemon, value, dryRun),
    delete: (ref, how) => remove(daemon, fullName(ref), how),
    jobs: jobService({ list, get }),
    files: fileService({ list, get }),
  };
  stack.use(await ApiServer.open({ socket, handlers: hostHandlers(host), clock, log: log.child('api') }));
  if (metrics !== null) {
    const source = { metrics: () => exposition(statistics.stats()), notReady: () => notReady(daemon) };
    const server = stack.use(await MetricsServer.open(metrics, source, log.child('metrics')));
    log.child('metrics').info('metrics are served', { address: server.address });
  }
  return stack.move();
}

function hostedOf({ wanted, served, name: full }: NodeDataset): HostedDataset {
  const manifest = wanted?.manifest ?? null;
  const slash = full.indexOf('/');
  return {
    namespace: slash < 0 ? null : full.slice(0, slash),
    name: full.slice(slash + 1),
    labels: manifest?.labels ?? {},
    owner: wanted?.owner.kind === 'file' ? { kind: 'file', file: wanted.owner.file } : { kind: 'applied' },
    manifest: manifest === null ? {} : { ...manifest.written },
    directory: served.dir,
    phase: served.phase,
    conditions: served.conditions.list(),
    errors: served.errors,
    generation:
      served.generation.id === null ? null : { id: served.generation.id, superseded: served.generation.superseded },
    server: served.server,
  };
}

/** Every dataset that is asked for is served; one that is degraded is. Broken manifests are somebody else's wish. */
function notReady(daemon: NodeDaemon): string[] {
  return daemon
    .list()
    .filter(({ served, wanted }) => wanted !== null && served.server === null)
    .map(({ name, served }) => {
      const ready = served.conditions.list().find(({ type }) => type === 'Ready');
      return `${name}: ${ready?.message === undefined || ready.message === '' ? 'it is being started' : ready.message}`;
    });
}

async function apply(
  daemon: NodeDaemon,
  value: Readonly<Record<string, unknown>>,
  dryRun: boolean,
): Promise<AnswerOf<(typeof ENDPOINTS)['apply']>> {
  const checked = checkManifest(value, 'node');
  if (checked.manifest === null) throw problemsError(checked.problems, null);
  const manifest: Manifest<'node'> = checked.manifest;
  const before = daemon.find(manifest.fullName)?.wanted?.manifest ?? null;
  const changes =
    before === null ? [] : diffManifests(before, manifest).fields.map(({ path, effect }) => ({ field: path, effect }));
  const [done] = dryRun ? daemon.plan([manifest]) : await daemon.apply([manifest]);
  const now = daemon.find(manifest.fullName);
  return {
    result: done?.result ?? 'unchanged',
    changes,
    dataset: now === null ? null : datasetView(hostedOf(now)),
  };
}

async function remove(
  daemon: NodeDaemon,
  name: string,
  how: { readonly force: boolean; readonly keepCache: boolean },
): Promise<AnswerOf<(typeof ENDPOINTS)['deleteDataset']>> {
  const { served } = daemon.get(name);
  const cacheFolder = served.server?.cacheFolder ?? null;
  const bytes = served.server?.store.space.stats().bytes ?? 0;
  // Asked before it is taken away: afterwards its directory is no mount any more.
  const holders = how.force ? await holdersOf(served.dir) : [];
  await daemon.delete(name, how);
  return {
    holders: holders.map(({ pid, name: command }) => ({ pid, command })),
    freedBytes: how.keepCache ? 0 : Math.max(0, bytes),
    keptCache: how.keepCache && cacheFolder !== null && existsSync(cacheFolder) ? cacheFolder : null,
  };
}
