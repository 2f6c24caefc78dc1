/**
 * Finds and ends what a test may leave on the machine: processes, mounts, loop devices, files.
 *
 * How it works: a test process carries a marker in its environment, which everything that it starts inherits, daemons that
 * cut their ties included; and it gets a temporary folder of its own (TMPDIR), under which all its mount points and images
 * lie. So what is left can be told from what tests beside it use.
 *
 * Invariants:
 * 1. Everything is synchronous: it works in an `exit` handler.
 * 2. Nothing under a mount point is touched, not by stat: the mount may be dead. The kernel's tables are read instead.
 * 3. Only marked processes are killed, only what lies under the given folder is unmounted and removed.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** The environment variable that marks whatever belongs to one test process. */
export const MARKER = 'DLFS_TEST_ID';

/** A mount found in the kernel's table. */
export interface FoundMount {
  /** Where it is. */
  readonly dir: string;
  /** Its file system type, for example `fuse` or `ext4`. */
  readonly type: string;
  /** What is mounted, for example `dlfs`. */
  readonly source: string;
  /** Minor number of its device: the number of a FUSE connection. */
  readonly minor: number;
}

/** A process found in /proc. */
export interface FoundProcess {
  readonly pid: number;
  /** Its command line, cut. */
  readonly command: string;
}

/** All that was found. */
export interface Leftovers {
  readonly processes: readonly FoundProcess[];
  readonly mounts: readonly FoundMount[];
  /** Loop devices, for example `/dev/loop3`, with the file behind each. */
  readonly loops: readonly { readonly device: string; readonly file: string }[];
}

/**
 * What is left of a test.
 * @param marker processes whose environment has `DLFS_TEST_ID` starting with this
 * @param dir mounts and images below this
 */
export function findLeftovers(marker: string, dir: string): Leftovers {
  return { processes: findProcesses(marker), mounts: findMounts(dir), loops: findLoops(dir) };
}

/**
 * Kills, unmounts (lazily, FUSE connections aborted), detaches, then removes the folder.
 * @returns what could not be ended, as words; usually empty
 */
export function endLeftovers(found: Leftovers, dir: string): string[] {
  const trouble: string[] = [];
  const attempt = (what: string, action: () => void): void => {
    try {
      action();
    } catch (error) {
      trouble.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  for (const { pid } of found.processes) attempt(`kill ${pid}`, () => process.kill(pid, 'SIGKILL'));
  // The last mounted first: it may lie inside another.
  for (const mount of found.mounts.toReversed()) {
    if (mount.type.startsWith('fuse')) {
      attempt(`abort ${mount.dir}`, () => writeFileSync(`/sys/fs/fuse/connections/${mount.minor}/abort`, '1'));
    }
    attempt(`umount ${mount.dir}`, () =>
      execFileSync('umount', ['--no-canonicalize', '--lazy', mount.dir], { stdio: 'pipe' }),
    );
  }
  for (const { device } of found.loops) {
    attempt(`losetup -d ${device}`, () => execFileSync('losetup', ['-d', device], { stdio: 'pipe' }));
  }
  if (findMounts(dir).length === 0) attempt(`rm ${dir}`, () => rmSync(dir, { recursive: true, force: true }));
  return trouble;
}

/** One line for each thing found. */
export function describeLeftovers(found: Leftovers): string[] {
  return [
    ...found.processes.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...found.mounts.map(({ dir, type, source }) => `mount of ${source} (${type}) at ${dir}`),
    ...found.loops.map(({ device, file }) => `loop device ${device} over ${file}`),
  ];
}

/** Living processes with the marker, this one excepted. */
function findProcesses(marker: string): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
      if (!environment.some((entry) => entry.startsWith(`${MARKER}=${marker}`))) continue;
      if (/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))) continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      found.push({ pid, command: command.length > 200 ? `${command.slice(0, 200)}…` : command });
    } catch {
      // It ended while we looked, or belongs to somebody else.
    }
  }
  return found;
}

/** Mounts at or below a folder, in the order they were made. */
export function findMounts(dir: string): FoundMount[] {
  const found: FoundMount[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    // man 5 proc: ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAGS…] - TYPE SOURCE SUPER
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    const [device, , mountPoint] = fields.slice(2, 5);
    const [type, source] = fields.slice(dash + 1, dash + 3);
    if (dash < 0 || device === undefined || mountPoint === undefined) continue;
    const path = unescapeOctal(mountPoint);
    if (path !== dir && !path.startsWith(`${dir}/`)) continue;
    found.push({
      dir: path,
      type: type ?? '',
      source: unescapeOctal(source ?? ''),
      minor: Number(device.split(':')[1]),
    });
  }
  return found;
}

function findLoops(dir: string): { device: string; file: string }[] {
  const found: { device: string; file: string }[] = [];
  for (const name of readdirSync('/sys/block').filter((entry) => entry.startsWith('loop'))) {
    try {
      const file = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
      if (file.startsWith(`${dir}/`)) found.push({ device: `/dev/${name}`, file });
    } catch {
      // No file behind it: it is free.
    }
  }
  return found;
}

/** mountinfo writes space, tab, newline and backslash as \ooo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
