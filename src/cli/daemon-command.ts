/**
 * `dlfs daemon`: serves all datasets of a node, in the foreground, until told to end.
 */
import { resolve } from 'node:path';
import { DlfsError } from '../base/errors.ts';
import { createLogger, type Logger } from '../base/log.ts';
import { checkCacheDirectory, hasSysAdmin, lookAtDevice } from '../daemon/doctor/index.ts';
import { PrettySink } from '../daemon/log-file/pretty-sink.ts';
import { DEFAULT_LOG_BYTES, DEFAULT_LOG_FILES, RotatingFile } from '../daemon/log-file/rotating-file.ts';
import { readMounts } from '../daemon/mountinfo.ts';
import { resolvePath } from '../daemon/registry/resolve-path.ts';
import type { Context } from './context.ts';
import { parseDaemonOptions, type DaemonSettings } from './daemon-options.ts';
import type { GivenOptions } from './option-table.ts';

/**
 * Serves until told to end.
 * @throws DlfsError for what keeps the daemon from working
 */
export async function daemonHere(given: GivenOptions, context: Context): Promise<void> {
  const settings = parseDaemonOptions(given);
  const { clock, random, environment, registry, output } = context;
  const mounts = readMounts();
  const cacheDir = checkCacheDirectory(settings.cacheDir, mounts);
  requireFuse();
  const logPath = settings.logFile === null ? null : resolve(settings.logFile);
  await using log = openLogger(settings, logPath, context);
  // Loaded here: the commands that do not serve start without it.
  const { runDaemonProcess } = await import('../daemon/node/daemon-process.ts');
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
      logPath,
    },
    deps: { clock, log: log.logger, random, environment, registry },
    attach: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    onReady: (daemon) => {
      output.line(`dlfs: serving ${daemon.list().length} datasets below ${daemon.options.root}`);
    },
  });
}

function requireFuse(): void {
  const device = lookAtDevice();
  if (device === 'missing') {
    throw new DlfsError(
      'no-fuse',
      'there is no /dev/fuse: load the module (modprobe fuse), or give the container the device (--device /dev/fuse)',
    );
  }
  if (!hasSysAdmin()) throw new DlfsError('privilege', 'mounting takes root (CAP_SYS_ADMIN): call it by sudo');
  if (device === 'refused')
    throw new DlfsError(
      'privilege',
      '/dev/fuse may not be opened: in a container, give it the device (--device /dev/fuse)',
    );
}

function openLogger(
  settings: DaemonSettings,
  path: string | null,
  { clock, environment }: Context,
): { logger: Logger } & AsyncDisposable {
  const levels = settings.logLevel;
  if (path === null) {
    const plain = { write: (line: string) => process.stderr.write(line) };
    const colour = environment['NO_COLOR'] === undefined;
    const sink = process.stderr.isTTY ? new PrettySink(plain, colour) : plain;
    return { logger: createLogger({ ...levels, sink, clock }), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const file = new RotatingFile({ path, bytes: DEFAULT_LOG_BYTES, files: DEFAULT_LOG_FILES });
  return {
    logger: createLogger({ ...levels, sink: file, clock }),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
