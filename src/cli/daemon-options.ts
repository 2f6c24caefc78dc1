/**
 * The options of `dlfs daemon`: what is called what, and what of it can work.
 *
 * Invariants:
 * 1. A value of `DaemonSettings` came from `parseDaemonOptions`.
 * 2. Every refusal is one line that names the option as the user wrote it and says what to write instead.
 */
import { z } from 'zod';
import { DlfsError } from '../base/errors.ts';
import { parseLogLevels } from '../base/log.ts';
import { parseSize, parseSizeOrShare } from '../base/size.ts';
import * as values from '../dataset/option-values.ts';
import { longName, type GivenOptions, type OptionRow } from './option-table.ts';

const DATASETS = 'The datasets:';
const LIMITS = 'For all datasets together:';
const PROCESS = 'The process:';

/** The table; values are checked by the schema below. */
export const DAEMON_ROWS: readonly OptionRow[] = [
  {
    key: 'config',
    value: 'FILE_OR_DIR',
    help: 'manifests, as a file or a folder of files; changes take effect within 2 s',
    group: DATASETS,
  },
  { key: 'root', value: 'DIR', help: 'where datasets are seen (default: /datasets)', group: DATASETS },
  {
    key: 'state',
    value: 'DIR',
    help: 'where what is applied is kept (default: /var/lib/dlfs)',
    group: DATASETS,
  },
  { key: 'cacheDir', value: 'DIR', help: 'where caches lie (default: /var/cache/dlfs)', group: LIMITS },
  {
    key: 'cacheSize',
    value: 'SIZE',
    help: 'bytes that all caches may occupy, or "unlimited" (default): as much as the floor leaves',
    group: LIMITS,
  },
  { key: 'cacheFiles', value: 'N', help: 'files that they may have, or "unlimited" (default)', group: LIMITS },
  {
    key: 'cacheFloor',
    value: 'SIZE',
    help: 'space to leave free on the disk, as a share or a size (default: 15%)',
    group: LIMITS,
  },
  { key: 'memory', value: 'SIZE', help: 'buffers for bytes under way (default: 512MiB)', group: LIMITS },
  {
    key: 'listLimit',
    value: 'N',
    help: 'names in a complete listing of a dataset at most; beyond, only directories in use are listed (default: 10000000)',
    group: LIMITS,
  },
  {
    key: 'transport',
    value: 'NAME',
    help: 'how the kernel is served: native, or fuse-native (by libfuse 2 of the optional npm package; default: native)',
    group: LIMITS,
  },
  {
    key: 'socket',
    value: 'PATH',
    help: 'socket of the API, for root only (default: /run/dlfs/daemon.sock)',
    group: PROCESS,
  },
  {
    key: 'metrics',
    value: 'ADDR',
    help: 'serve metrics and health at HOST:PORT, too (default: on the socket alone)',
    group: PROCESS,
  },
  { key: 'logFile', value: 'FILE', help: 'log to this file (default: standard error)', group: PROCESS },
  {
    key: 'logLevel',
    value: 'LEVELS',
    help: 'trace, debug, info, warn or error; by part: info,cache=debug (default: info)',
    group: PROCESS,
  },
];

/** Each name of a listing takes some 100 bytes of the disk: a trillion of them is a typing error. */
const MAX_LIST_LIMIT = 1e12;

const directory = z.string().min(1, 'write the path of a directory');

const DAEMON_OPTIONS = z
  .strictObject({
    config: z.string().min(1, 'write the path of a manifest, or of a folder of them').nullable().default(null),
    root: directory.prefault('/datasets'),
    state: directory.prefault('/var/lib/dlfs'),
    cacheDir: directory.prefault('/var/cache/dlfs'),
    cacheSize: values.converted((text) => (text === 'unlimited' ? Infinity : parseSize(text))).prefault('unlimited'),
    cacheFiles: values.cacheFiles.prefault(values.DEFAULTS.cacheFiles),
    cacheFloor: values.converted(parseSizeOrShare).prefault('15%'),
    memory: values.converted(parseSize).prefault('512MiB'),
    transport: values.transport.default('native'),
    listLimit: values.count('names', 1, MAX_LIST_LIMIT).prefault('10000000'),
    socket: z.string().min(1, 'write the path of a socket').nullable().default(null),
    metrics: z.string().min(1, 'write HOST:PORT').nullable().default(null),
    logFile: z.string().min(1, 'write the path of a file').nullable().default(null),
    logLevel: values.converted(parseLogLevels).prefault('info'),
  })
  .refine(({ cacheFloor }) => cacheFloor.kind === 'size' || cacheFloor.share < 1, {
    path: ['cacheFloor'],
    message: 'leaves nothing for the cache: write less than 100%',
  });

/** Checked options of a daemon. */
export type DaemonSettings = z.output<typeof DAEMON_OPTIONS>;

/**
 * Checks what was given.
 * @param given by the keys of the table
 * @throws DlfsError `invalid-argument` with the first thing that is wrong
 */
export function parseDaemonOptions(given: GivenOptions): DaemonSettings {
  const parsed = DAEMON_OPTIONS.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = issue?.path.map((part) => longName(String(part))).join('.') ?? '';
  const message = issue?.message ?? 'the options are not valid';
  throw new DlfsError('invalid-argument', name === '' ? message : `--${name}: ${message}`);
}
