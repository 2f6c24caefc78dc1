/**
 * The kernel's readahead for a mount: /sys/class/bdi/MAJ:MIN/read_ahead_kb.
 *
 * The kernel starts with 128 KiB whatever INIT asks for; with 4 MiB a sequential reader sends a few READs of a megabyte
 * instead of dozens.
 */
import { writeFile } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';

/** KiB: 4 MiB keep four READs of the largest size in flight. */
const READ_AHEAD_KB = 4096;

/**
 * Sets the knob; a kernel that refuses leaves slower sequential reads and one log line.
 * @param device `MAJ:MIN`
 */
export async function setReadahead(device: string, log: Logger): Promise<void> {
  try {
    await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(READ_AHEAD_KB));
  } catch (error) {
    log.warn('cannot raise the readahead of the mount: sequential reads are slower', { err: error });
  }
}
