/**
 * The helper of mount(8): `mount.dlfs SOURCE DIR [-sfnv] [-N namespace] [-t type] [-o options]`.
 *
 * mount(8) calls it for `mount -t dlfs` and for lines of /etc/fstab, with the options of both in one `-o`. Those that
 * concern who mounts, when and in what order are of no concern here; those that concern what may be done in the mount are kept (noexec) or
 * always so (read-only, nosuid, nodev). All others are the long options of `dlfs mount`.
 *
 * Invariants:
 * 1. An option that is not known is refused by name, unless `-s` asks to ignore it.
 * 2. Nothing that the administrator asks for as a restriction is dropped.
 */
import { DlfsError } from '../base/errors.ts';
import { longName, MOUNT_ROWS, SOURCE_ROWS, type GivenOptions, type OptionRow } from './option-table.ts';

/** What mount(8) asks for. */
export interface HelperRequest {
  readonly source: string;
  readonly dir: string;
  readonly given: GivenOptions;
  /** Nothing in the mount may be executed. */
  readonly noexec: boolean;
  /** Check everything, mount nothing. */
  readonly fake: boolean;
  readonly verbose: boolean;
  /** Options that were ignored although unknown (`-s`). */
  readonly ignored: readonly string[];
}

/** Exit codes of mount(8), "EXIT STATUS". */
export const MOUNT_EXIT = { ok: 0, usage: 1, failure: 32 } as const;

/**
 * Options of mount(8) and fstab(5) that mean nothing to this file system, or what is always so here. Times of access are not
 * kept, writing is refused, so all of these hold in every mount.
 */
const WITHOUT_MEANING: ReadonlySet<string> = new Set([
  ...[
    'defaults',
    'auto',
    'noauto',
    'nofail',
    '_netdev',
    '_rnetdev',
    'user',
    'users',
    'nouser',
    'owner',
    'group',
    'comment',
    'helper',
    'uhelper',
  ],
  ...[
    'ro',
    'rw',
    'suid',
    'nosuid',
    'dev',
    'nodev',
    'exec',
    'sync',
    'async',
    'dirsync',
    'silent',
    'loud',
    'mand',
    'nomand',
    'lazytime',
    'nolazytime',
  ],
  ...[
    'atime',
    'noatime',
    'diratime',
    'nodiratime',
    'relatime',
    'norelatime',
    'strictatime',
    'nostrictatime',
    'iversion',
    'noiversion',
  ],
  ...['allow_other', 'default_permissions'],
]);

/** Long options that a mount from fstab cannot have: mount(8) waits for its helper's end. */
const NOT_HERE: ReadonlySet<string> = new Set(['foreground']);

/**
 * Reads the helper's arguments.
 * @param args without the program's name
 * @throws DlfsError `invalid-argument` naming what is not understood
 */
export function parseHelperArguments(args: readonly string[]): HelperRequest {
  const flags = { s: false, f: false, n: false, v: false };
  const names: string[] = [];
  const options: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-') || arg === '-') {
      names.push(arg);
      continue;
    }
    // Single letters may be joined, and the last may carry its value: -so ro, -oro.
    for (let letter = 1; letter < arg.length; letter++) {
      const flag = arg[letter] ?? '';
      if (flag === 's' || flag === 'f' || flag === 'n' || flag === 'v') {
        flags[flag] = true;
        continue;
      }
      if (flag !== 'o' && flag !== 't')
        throw invalid(`-${flag} is not understood by mount.dlfs; give options as -o name=value`);
      const joined = arg.slice(letter + 1);
      const value = joined === '' ? args[++at] : joined;
      if (value === undefined) throw invalid(`-${flag} lacks its value`);
      if (flag === 'o') options.push(...splitOptions(value));
      break;
    }
  }
  const [source, dir, extra] = names;
  if (source === undefined || dir === undefined || extra !== undefined) {
    throw invalid('usage: mount -t dlfs [-o name=value,…] s3://BUCKET[/PREFIX] DIR');
  }
  return { source, dir, fake: flags.f, verbose: flags.v, ...sort(options, flags.s) };
}

function sort(options: readonly string[], sloppy: boolean): Pick<HelperRequest, 'given' | 'noexec' | 'ignored'> {
  const given: Record<string, string | true> = {};
  const ignored: string[] = [];
  let noexec = false;
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? null : option.slice(equals + 1);
    const row = rowOf(name);
    if (name === 'exec' || name === 'noexec')
      noexec = name === 'noexec'; // the last one counts, as in mount(8)
    else if (WITHOUT_MEANING.has(name) || /^x-/i.test(name) || name === '') continue;
    else if (row !== null) given[row.key] = valueOf(row, name, value);
    else if (sloppy) ignored.push(name);
    else throw invalid(unknown(name));
  }
  return { given, noexec, ignored };
}

function rowOf(name: string): OptionRow | null {
  const dashed = name.replaceAll('_', '-');
  if (NOT_HERE.has(dashed)) return null;
  return [...SOURCE_ROWS, ...MOUNT_ROWS].find(({ key }) => longName(key) === dashed) ?? null;
}

function valueOf(row: OptionRow, name: string, value: string | null): string | true {
  if (row.value === null) {
    if (value === null || value === '') return true;
    throw invalid(`-o ${name} is a switch and takes no value`);
  }
  if (value === null || value === '') throw invalid(`-o ${name} lacks its value: ${name}=${row.value}`);
  return value;
}

function unknown(name: string): string {
  if (NOT_HERE.has(name))
    return `-o ${name} makes no sense here: mount(8) waits until its helper ends; use: dlfs mount --foreground`;
  if (name === 'remount') return 'dlfs cannot remount; unmount and mount again to change options';
  return `-o ${name} is not an option of dlfs; see: dlfs mount --help`;
}

/** At commas, except within double quotes (mount(8), "-o"). */
function splitOptions(text: string): string[] {
  const parts = text.match(/(?:"[^"]*"|[^,"])+/g) ?? [];
  return parts.map((part) => part.replaceAll('"', ''));
}

function invalid(message: string): DlfsError {
  return new DlfsError('invalid-argument', message);
}
