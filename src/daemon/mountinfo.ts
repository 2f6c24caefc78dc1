/**
 * The kernel's table of mounts, `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
 *
 * It tells what is mounted where without touching a mount, which is the only safe way to ask about one whose server may be
 * dead or stuck.
 *
 * Invariants:
 * 1. Parsing is total: a line that is not of the documented form is left out, never guessed at.
 * 2. Names are bytes in the kernel; they are decoded as UTF-8 here, after the octal escapes of space, tab, newline and
 *    backslash are taken back. A name that is not UTF-8 can therefore not be found by its text, nor mistaken for another.
 */
import { readFileSync } from 'node:fs';

/** The file system type of a mount of ours. */
export const DLFS_TYPE = 'fuse.dlfs';

/** One mount. */
export interface KernelMount {
  /** Unique among the mounts that exist now. */
  readonly id: number;
  /** The id of the mount that it is mounted on. */
  readonly parent: number;
  /** `major:minor` of the file system; for FUSE, minor names its folder in `/sys/fs/fuse/connections`. */
  readonly device: string;
  readonly minor: number;
  /** Which directory of the file system one sees: `/`, or another one for a bind mount. */
  readonly root: string;
  /** Where. */
  readonly dir: string;
  /** Of this mount: `ro`, `nosuid`, … */
  readonly options: readonly string[];
  /** For example `ext4` or `fuse.dlfs`. */
  readonly type: string;
  /** What the one who mounted it called its source. */
  readonly source: string;
  /** Of the file system: `ro`, `allow_other`, … */
  readonly superOptions: readonly string[];
}

/**
 * Parses the table.
 * @param text the file's bytes
 * @returns in the kernel's order: a mount made later over the same directory comes later
 */
export function parseMountinfo(text: Uint8Array): KernelMount[] {
  const mounts: KernelMount[] = [];
  for (const line of Buffer.from(text).toString('latin1').split('\n')) {
    const mount = parseLine(line);
    if (mount !== null) mounts.push(mount);
  }
  return mounts;
}

/** The table as it is now. @throws DlfsError never; Error where /proc is not mounted */
export function readMounts(): KernelMount[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo'));
}

/** The mount that one sees at exactly this directory: the last one made there; null where nothing is mounted. */
export function mountAt(mounts: readonly KernelMount[], dir: string): KernelMount | null {
  return mounts.findLast((mount) => mount.dir === dir) ?? null;
}

/**
 * The mount that a path lies in, the path itself being a mount point included.
 * @param path absolute, without `.`, `..` and symbolic links
 */
export function mountOf(mounts: readonly KernelMount[], path: string): KernelMount | null {
  let found: KernelMount | null = null;
  for (const mount of mounts) {
    if (isWithin(path, mount.dir) && (found === null || mount.dir.length >= found.dir.length)) found = mount;
  }
  return found;
}

/** Whether an absolute path is a directory itself or lies below it. Both without a slash at the end, except `/`. */
export function isWithin(path: string, dir: string): boolean {
  return path === dir || dir === '/' || path.startsWith(`${dir}/`);
}

/** id parent major:minor root dir options [optional …] - type source superOptions */
function parseLine(line: string): KernelMount | null {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [id, parent, device, root, dir, options] = fields;
  const [type, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  const numbers = /^(\d+):(\d+)$/.exec(device ?? '');
  if (numbers === null || !/^\d+$/.test(id ?? '') || !/^\d+$/.test(parent ?? '')) return null;
  if (root === undefined || dir === undefined || options === undefined) return null;
  if (type === undefined || source === undefined || superOptions === undefined) return null;
  return {
    id: Number(id),
    parent: Number(parent),
    device: numbers[0],
    minor: Number(numbers[2]),
    root: unescaped(root),
    dir: unescaped(dir),
    options: options.split(','),
    type: unescaped(type),
    source: unescaped(source),
    superOptions: superOptions.split(','),
  };
}

/** What needs no decoding: plain ASCII without escapes, as nearly all fields are. */
const PLAIN = /^[!-[\]-~]*$/;

/** Each `\ooo` is one byte; what remains is UTF-8. */
function unescaped(field: string): string {
  if (PLAIN.test(field)) return field;
  const bytes = field.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
