/**
 * The kernel's readahead for a mount: /sys/class/bdi/MAJ:MIN/read_ahead_kb.
 *
 * The kernel starts with 128 KiB whatever INIT asks for; with 4 MiB a sequential reader sends a few READs of a megabyte
 * instead of dozens.
 */
import { writeFile } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';

/**
 * Sets the knob; a kernel that refuses leaves slower sequential reads and one log line.
 * @param device `MAJ:MIN`
 * @param kib what it is set to
 */
export async function setReadahead(device: string, kib: number, log: Logger): Promise<void> {
  try {
    await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(kib));
  } catch (error) {
    log.warn('cannot raise the readahead of the mount: sequential reads are slower', { err: error });
  }
}
