/**
 * The kernel's table of mounts, as `/proc/self/mountinfo` tells it: what is mounted where, without touching a mount.
 */

/** One mount. */
export interface MountEntry {
  /** Minor number of the file system's device; for FUSE also the name of its folder in `/sys/fs/fuse/connections`. */
  readonly minor: number;
  readonly dir: string;
  /** Of this mount: ro, nosuid, nodev, ... */
  readonly options: readonly string[];
  /** For example `fuse.dlfs`. */
  readonly type: string;
  readonly source: string;
  /** Of the file system behind it: ro, allow_other, ... */
  readonly superOptions: readonly string[];
}

/**
 * Parses the table.
 * @param text the file's bytes; names in it are bytes, with space, tab, newline and backslash as octal escapes
 */
export function parseMountinfo(text: Buffer): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.toString('latin1').split('\n')) {
    // id parent major:minor root dir options [optional...] - type source superOptions
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [, , device, , dir, options] = fields;
    if (dash < 0 || device === undefined || dir === undefined || options === undefined) continue;
    entries.push({
      minor: Number(device.split(':')[1]),
      dir: unescaped(dir),
      options: options.split(','),
      type: fields[dash + 1] ?? '',
      source: unescaped(fields[dash + 2] ?? ''),
      superOptions: (fields[dash + 3] ?? '').split(','),
    });
  }
  return entries;
}

/** The mount that one sees at a directory: the last one made there; null where nothing is mounted. */
export function mountAt(entries: readonly MountEntry[], dir: string): MountEntry | null {
  return entries.findLast((entry) => entry.dir === dir) ?? null;
}

function unescaped(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
