/**
 * `dlfs daemon`: serves all datasets of a node, in the foreground, until told to end.
 */
import { resolve } from 'node:path';
import { daemonSocket } from '../daemon/api/place.ts';
import { checkCacheDirectory } from '../daemon/doctor/index.ts';
import { readMounts } from '../daemon/mountinfo.ts';
import { resolvePath } from '../daemon/registry/resolve-path.ts';
import { ServiceNotifier } from '../daemon/systemd/notify.ts';
import type { Context } from './context.ts';
import { parseDaemonOptions } from './daemon-options.ts';
import type { GivenOptions } from './option-table.ts';
import { openProcessLog } from './process-log.ts';
import { requireFuse } from './require-fuse.ts';

/**
 * Serves until told to end.
 * @throws DlfsError for what keeps the daemon from working
 */
export async function daemonHere(given: GivenOptions, version: string, context: Context): Promise<void> {
  const settings = parseDaemonOptions(given);
  const { clock, random, environment, registry, output } = context;
  const mounts = readMounts();
  const cacheDir = checkCacheDirectory(settings.cacheDir, mounts);
  requireFuse();
  const logPath = settings.logFile === null ? null : resolve(settings.logFile);
  await using log = openProcessLog(settings, context);
  // Loaded here: the commands that do not serve start without it.
  const [{ runDaemonProcess }, { openDaemonApi }] = await Promise.all([
    import('../daemon/node/daemon-process.ts'),
    import('../daemon/api/daemon-api.ts'),
  ]);
  process.on('unhandledRejection', (error) => {
    log.logger.error('a fault in dlfs: a failure that nobody waited for', { err: error });
  });
  await runDaemonProcess({
    options: {
      root: resolvePath(settings.root, mounts).path,
      config: settings.config === null ? null : resolve(settings.config),
      state: resolve(settings.state),
      cacheDir,
      cacheBytes: settings.cacheSize,
      cacheFiles: settings.cacheFiles,
      cacheFloor: settings.cacheFloor,
      memory: settings.memory,
      listLimit: settings.listLimit,
      transport: settings.transport,
      logPath,
    },
    deps: { clock, log: log.logger, random, environment, registry },
    attach: (daemon) =>
      openDaemonApi(daemon, {
        ...{ version, clock, tail: log.tail, log: log.logger, metrics: settings.metrics },
        socket: settings.socket === null ? daemonSocket(environment, context.uid) : resolve(settings.socket),
      }),
    notifier: (pid, send) => new ServiceNotifier({ environment, pid, send, clock, log: log.logger.child('systemd') }),
    onReady: (daemon) => {
      output.line(`dlfs: serving ${daemon.list().length} datasets below ${daemon.options.root}`);
    },
  });
}
