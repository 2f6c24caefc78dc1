/**
 * The API of a mount: the same as a daemon's, for its one dataset.
 *
 * Invariants:
 * 1. A mount serves without its API: a socket that cannot be had is a warning.
 */
import { basename } from 'node:path';
import { DlfsError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { generationId } from '../node/generation.ts';
import { identityOf } from '../../dataset/source-identity.ts';
import type { DatasetServer } from '../dataset/dataset-server.ts';
import type { LogTail } from '../log-file/log-tail.ts';
import { Conditions } from '../node/conditions.ts';
import { observe } from '../node/dataset-health.ts';
import type { DataPlane } from '../node/data-plane.ts';
import type { RecentErrors } from '../node/recent-errors.ts';
import type { ServeOptions } from '../serve-options.ts';
import type { HostedDataset } from '../views/hosted.ts';
import { mountManifest } from '../views/mount-manifest.ts';
import { NodeStatistics } from '../views/node-stats.ts';
import type { ApiHost } from './server/api-host.ts';
import { ApiServer } from './server/api-server.ts';
import { fileService, jobService } from './server/dataset-services.ts';
import { hostHandlers } from './server/host-handlers.ts';

/** How a mount is spoken to. */
export interface MountApiOptions {
  readonly version: string;
  readonly tail: LogTail;
  /** Absolute path of the socket. */
  readonly socket: string;
}

/** What it speaks of. */
export interface MountParts {
  readonly dataset: DatasetServer;
  readonly plane: DataPlane;
  readonly options: ServeOptions;
  readonly errors: RecentErrors;
}

/** Opens it; disposing closes it. */
export async function openMountApi(
  { dataset, plane, options, errors }: MountParts,
  { version, tail, socket }: MountApiOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const conditions = new Conditions(clock);
  conditions.note('Ready', { status: 'True', reason: 'Mounted', message: `mounted at ${options.dir}` });
  const name = nameOf(options.dir);
  const { reference, endpoint } = options.source;
  const id = await generationId(identityOf({ reference, endpoint }));
  const hosted = (): HostedDataset => {
    observe(conditions, dataset);
    const list = conditions.list();
    const bad = list.some(({ type, status }) => type !== 'SnapshotComplete' && status === 'False');
    return {
      ...{
        namespace: null,
        name,
        labels: {},
        owner: { kind: 'mount' },
        directory: options.dir,
        errors,
        server: dataset,
      },
      manifest: mountManifest(name, options),
      phase: bad ? 'Degraded' : 'Ready',
      conditions: list,
      generation: { id, superseded: 0 },
    };
  };
  const list = (): HostedDataset[] => [hosted()];
  const get: ApiHost['get'] = (ref) => {
    if (ref.namespace === null && ref.name === name) return hosted();
    throw new DlfsError('not-found', `this process serves ${options.dir} alone, as "${name}"`);
  };
  const refuse = (): never => {
    throw new DlfsError(
      'unsupported',
      `${options.dir} was mounted by "dlfs mount": end it with "dlfs umount ${options.dir}"`,
    );
  };
  const statistics = stack.use(new NodeStatistics({ version, plane, limits: options, list, clock }));
  const host: ApiHost = {
    ...{ role: 'mount', version, statistics, log: tail, list, get },
    problems: () => [],
    notReady: () => [],
    apply: refuse,
    delete: refuse,
    jobs: jobService({ list, get }),
    files: fileService({ list, get }),
  };
  try {
    stack.use(await ApiServer.open({ socket, handlers: hostHandlers(host), clock, log: log.child('api') }));
  } catch (thrown) {
    log.warn('the mount serves, but cannot be asked: dlfs stats and the like do not work on it', {
      err: DlfsError.from(thrown),
    });
  }
  return stack.move();
}

/** A name of the rules of datasets, from the directory's own. */
function nameOf(dir: string): string {
  const name = basename(dir)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return name === '' ? 'mount' : name;
}
