/**
 * The options of a mount as data: the command line, `mount -t dlfs -o …` and the help are made of this one table.
 *
 * Values are checked elsewhere (`dataset/source-options.ts`, `mount-options.ts`); here is only what they are called and what
 * is said of them.
 *
 * Invariants:
 * 1. A key is the option's name in the schemas; its long option is the key in kebab case.
 */

/** One option. */
export interface OptionRow {
  /** In camel case, as the schemas name it. */
  readonly key: string;
  /** What stands for the value in the help; null: a switch. */
  readonly value: string | null;
  /** One line of help, the default included. */
  readonly help: string;
  /** Heading in the help. */
  readonly group: string;
}

const SOURCE = 'Where the data is:';
const CACHE = 'The cache on the local disk:';
const MOUNT = 'The mount:';
const PROCESS = 'The process:';

/** Options that describe the source; `dlfs doctor` takes them, too. */
export const SOURCE_ROWS: readonly OptionRow[] = [
  {
    key: 'endpoint',
    value: 'URL',
    help: 'S3 endpoint, for example https://s3.example.com (default: AWS)',
    group: SOURCE,
  },
  { key: 'region', value: 'NAME', help: "region of the bucket (default: by the SDK's chain)", group: SOURCE },
  {
    key: 'profile',
    value: 'NAME',
    help: "profile of ~/.aws/config with the keys (default: by the SDK's chain)",
    group: SOURCE,
  },
  { key: 'anonymous', value: null, help: 'send no keys: a public bucket', group: SOURCE },
  { key: 'pathStyle', value: null, help: 'the bucket in the path, not in the host name', group: SOURCE },
  { key: 'caFile', value: 'PEM', help: 'further trusted certificate authorities', group: SOURCE },
  { key: 'requesterPays', value: null, help: 'agree to pay for requests', group: SOURCE },
];

/** Options of the mount itself. */
export const MOUNT_ROWS: readonly OptionRow[] = [
  {
    key: 'cacheDir',
    value: 'DIR',
    help: 'where caches lie, a folder for each source (default: /var/cache/dlfs)',
    group: CACHE,
  },
  { key: 'cacheSize', value: 'SIZE', help: 'bytes that this cache may occupy (default: 10GiB)', group: CACHE },
  { key: 'cacheFiles', value: 'N', help: 'files that this cache may have, or "unlimited" (default)', group: CACHE },
  {
    key: 'cacheFloor',
    value: 'SIZE',
    help: 'space to leave free on the disk, as a share or a size (default: 15%)',
    group: CACHE,
  },
  {
    key: 'blockSize',
    value: 'SIZE',
    help: 'unit of fetching and caching, a power of two (default: 1MiB)',
    group: CACHE,
  },
  { key: 'memory', value: 'SIZE', help: 'buffers for bytes under way (default: 512MiB)', group: CACHE },
  {
    key: 'transport',
    value: 'NAME',
    help: 'how the kernel is served: native, or fuse-native (by libfuse 2 of the optional npm package; default: native)',
    group: MOUNT,
  },
  {
    key: 'open',
    value: 'MODE',
    help: 'how files are opened: auto, stateless or passthrough (default: auto)',
    group: MOUNT,
  },
  { key: 'uid', value: 'N', help: 'owner of all files (default: 0)', group: MOUNT },
  { key: 'gid', value: 'N', help: 'group of all files (default: 0)', group: MOUNT },
  { key: 'fileMode', value: 'OCTAL', help: 'permissions of files (default: 0444)', group: MOUNT },
  { key: 'dirMode', value: 'OCTAL', help: 'permissions of directories (default: 0555)', group: MOUNT },
  {
    key: 'refresh',
    value: 'TIME',
    help: 'list the source anew after this time, or "never" (default: 5m)',
    group: MOUNT,
  },
  {
    key: 'listLimit',
    value: 'N',
    help: 'names in a complete listing at most; beyond, only directories in use are listed (default: 10000000)',
    group: MOUNT,
  },
  {
    key: 'ioTimeout',
    value: 'TIME',
    help: 'how long a read waits for the origin; 0: for ever (default: 5m)',
    group: MOUNT,
  },
  { key: 'foreground', value: null, help: 'stay in the foreground and log to standard error', group: PROCESS },
  {
    key: 'logFile',
    value: 'FILE',
    help: 'log to this file (default in the background: below /var/log/dlfs)',
    group: PROCESS,
  },
  {
    key: 'logLevel',
    value: 'LEVELS',
    help: 'trace, debug, info, warn or error; by part: info,cache=debug (default: info)',
    group: PROCESS,
  },
];

/**
 * Options of the process, not of the dataset: a manifest has no field for them, the daemon has them once. Each other option
 * says what a field of the manifest says (`dataset/manifest/fields.ts`).
 */
export const PROCESS_OPTIONS: ReadonlySet<string> = new Set([
  'cacheDir',
  'cacheFloor',
  'memory',
  'listLimit',
  'transport',
  'foreground',
  'logFile',
  'logLevel',
]);

/** What was given: keys of the table, values as text or true. */
export type GivenOptions = Readonly<Record<string, string | true>>;

/** The long option of a key, without its dashes: `cacheSize` → `cache-size`. */
export function longName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Options as arguments of a command line; the inverse of parsing them. */
export function toArguments(options: GivenOptions): string[] {
  return Object.entries(options).map(([key, value]) =>
    value === true ? `--${longName(key)}` : `--${longName(key)}=${value}`,
  );
}
