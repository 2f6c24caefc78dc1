/**
 * What must be on the machine for the demo, each missing one by name with the way to get it.
 */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** File systems without a disk under them, or that the kernel cannot read through (linux/magic.h). */
const NO_DISK: ReadonlySet<number> = new Set([
  0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */, 0x794c7630 /* overlay */,
]);

/** Something is missing; the message says what to do. */
export class MissingPrerequisite extends Error {}

/** @throws MissingPrerequisite for the first that is missing */
export function checkMachine(): void {
  if (process.platform !== 'linux') throw new MissingPrerequisite('the demo mounts a directory: it needs Linux');
  if (process.geteuid?.() !== 0) throw new MissingPrerequisite('mounting takes root: sudo make demo');
  if (!existsSync('/dev/fuse')) {
    throw new MissingPrerequisite(
      'there is no /dev/fuse: modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN',
    );
  }
  try {
    accessSync('/proc/sys/vm/drop_caches', constants.W_OK);
  } catch {
    throw new MissingPrerequisite('/proc/sys/vm/drop_caches is not writable: in a container, run it with --privileged');
  }
}

/**
 * A folder on a real disk with room for the demo.
 * @param bytes that must be free
 * @throws MissingPrerequisite where there is none
 */
export function chooseDisk(bytes: number): string {
  const candidates = [...new Set([tmpdir(), '/var/tmp', '/tmp', homedir()])];
  const onDisk = candidates.filter((folder) => existsSync(folder) && !NO_DISK.has(statfsSync(folder).type));
  const gib = (bytes / 2 ** 30).toFixed(1);
  if (onDisk.length === 0) {
    throw new MissingPrerequisite(
      `${candidates.join(', ')} are in memory or on a container's layer: set TMPDIR to a folder on a disk`,
    );
  }
  const roomy = onDisk.find((folder) => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= bytes;
  });
  if (roomy === undefined)
    throw new MissingPrerequisite(`${onDisk.join(', ')}: ${gib} GiB must be free; make room, or set TMPDIR`);
  return roomy;
}

/** An installed versitygw: in .tools/bin of the checkout, or on PATH; null where there is none. */
export function findVersitygw(checkout: string): string | null {
  const folders = [join(checkout, '.tools', 'bin'), ...(process.env['PATH'] ?? '').split(':')];
  for (const folder of folders.filter((name) => name.startsWith('/'))) {
    const path = join(folder, 'versitygw');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return null;
}
