/**
 * `dlfs mount`: serves in this process with `--foreground`, else in one that it starts and waits for.
 *
 * Invariants:
 * 1. What can be refused without asking the origin is refused before a process is started.
 * 2. Whoever starts the process, it does the same checks again: the one that mounts is the one that must be right.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DlfsError } from '../base/errors.ts';
import { formatSourceReference } from '../dataset/source-reference.ts';
import { launchInBackground } from '../daemon/background/launch.ts';
import { tellStarter } from '../daemon/background/messages.ts';
import { runMountProcess } from '../daemon/background/mount-process.ts';
import { mountSocket } from '../daemon/api/place.ts';
import { checkCacheDirectory } from '../daemon/doctor/index.ts';
import { logName } from '../daemon/log-file/log-path.ts';
import { isWithin, readMounts } from '../daemon/mountinfo.ts';
import { checkMountPoint, quoted } from '../daemon/registry/mount-point.ts';
import { resolvePath } from '../daemon/registry/resolve-path.ts';
import type { Context } from './context.ts';
import { parseMountOptions, type MountOptions } from './mount-options.ts';
import { toArguments, type GivenOptions } from './option-table.ts';
import { openProcessLog, type ProcessLog } from './process-log.ts';
import { requireFuse } from './require-fuse.ts';

/** What was asked for. */
export interface MountRequest {
  readonly source: string;
  readonly dir: string;
  readonly given: GivenOptions;
}

/** What is known once a mount serves. */
export interface Mounted {
  readonly dir: string;
  readonly source: string;
  readonly log: string;
}

/**
 * Mounts in the background.
 * @returns when it serves
 * @throws DlfsError, and then nothing is left
 */
export async function mountInBackground(request: MountRequest, context: Context): Promise<Mounted> {
  const options = parseMountOptions(request.source, request.given);
  const { dir } = check(request, options, context);
  const logPath = options.logFile === null ? defaultLog(dir, context) : resolve(options.logFile);
  const given: GivenOptions = {
    ...request.given,
    ...absolute('cacheDir', request.given),
    ...absolute('caFile', request.given),
    logFile: logPath,
    foreground: true,
  };
  const stopped = new AbortController();
  const stop = (): void => {
    stopped.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  const launched = await launchInBackground({
    program: context.program,
    args: ['mount', ...toArguments(given), '--', formatSourceReference(options.source.reference), dir],
    logPath,
    environment: context.environment,
    clock: context.clock,
    signal: stopped.signal,
  });
  return { dir: launched.dir, source: launched.source, log: logPath };
}

/**
 * Mounts and serves here until told to end.
 * @throws DlfsError for what keeps it from serving
 */
export async function mountHere(request: MountRequest, version: string, context: Context): Promise<void> {
  try {
    const options = parseMountOptions(request.source, request.given);
    const { dir } = check(request, options, context);
    await using log = openProcessLog(options, context);
    await serveHere(dir, options, log, version, context);
  } catch (thrown) {
    const error = DlfsError.from(thrown);
    await tellStarter({ type: 'failed', error: error.toJSON() });
    throw error;
  }
}

async function serveHere(
  dir: string,
  options: MountOptions,
  { logger: log, tail }: ProcessLog,
  version: string,
  context: Context,
): Promise<void> {
  const { clock, random, registry, environment, output } = context;
  // Loaded here: the commands that do not serve start without it.
  const [{ serve }, { loadNative }] = await Promise.all([import('../daemon/serve.ts'), import('../native/binding.ts')]);
  process.on('unhandledRejection', (error) => {
    log.error('a fault in dlfs: a failure that nobody waited for', { err: error });
  });
  const logPath = options.logFile === null ? null : resolve(options.logFile);
  await runMountProcess({
    dir,
    logPath,
    registry,
    native: loadNative(),
    clock,
    log: log.child('mount'),
    serve: (mountPoint) =>
      serve(
        {
          source: options.source,
          dir: mountPoint,
          cacheDir: resolvePath(options.cacheDir, readMounts()).path,
          cacheBytes: options.cacheSize,
          cacheFiles: options.cacheFiles,
          cacheFloor: options.cacheFloor,
          blockSize: options.blockSize,
          memory: options.memory,
          listLimit: options.listLimit,
          transport: options.transport,
          open: options.open,
          uid: options.uid,
          gid: options.gid,
          fileMode: options.fileMode,
          dirMode: options.dirMode,
          refreshMs: options.refresh,
          ioTimeoutMs: options.ioTimeout,
          logPath,
        },
        { clock, log, random, environment },
        { version, tail, socket: mountSocket(environment, context.uid, mountPoint) },
      ),
    onReady: (mountPoint, serving) => {
      if (process.send === undefined) output.line(`dlfs: serving ${mountPoint}`);
      void tellStarter({ type: 'ready', dir: mountPoint, source: serving.describe });
    },
  });
}

/** What needs no conversation with the origin. */
function check(request: MountRequest, options: MountOptions, { registry }: Context): { dir: string } {
  const mounts = readMounts();
  const point = checkMountPoint(request.dir, mounts, registry);
  const cache = checkCacheDirectory(options.cacheDir, mounts);
  if (isWithin(cache, point.dir)) {
    throw new DlfsError(
      'invalid-argument',
      `the cache ${cache} would lie below the mount point ${point.dir}; choose another with --cache-dir`,
    );
  }
  requireFuse();
  return { dir: point.dir };
}

function absolute(key: string, given: GivenOptions): GivenOptions {
  const value = given[key];
  return typeof value === 'string' ? { [key]: resolve(value) } : {};
}

function defaultLog(dir: string, { logFolder }: Context): string {
  try {
    mkdirSync(logFolder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new DlfsError('privilege', `the log cannot be written below ${logFolder}; choose a file with --log-file`, {
      cause: error,
    });
  }
  return join(logFolder, logName(dir));
}

/** What a mount in the background tells its user. */
export function announcement({ source, dir, log }: Mounted): string {
  return `${source} mounted at ${dir}; log: ${quoted(log)}`;
}
