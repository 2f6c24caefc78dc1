/**
 * The kernel's readahead for a mount: /sys/class/bdi/MAJ:MIN/read_ahead_kb.
 *
 * The kernel starts with 128 KiB whatever INIT asks for; with 4 MiB a sequential reader sends a few READs of a megabyte
 * instead of dozens.
 *
 * Invariants:
 * 1. The device number comes from mountinfo: the mount itself is never touched.
 */
import { readFile, writeFile } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';

/** KiB: 4 MiB keep four READs of the largest size in flight. */
const READ_AHEAD_KB = 4096;

/** Octal escapes of mountinfo: space, tab, newline, backslash. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The device number `MAJ:MIN` of the topmost mount at `dir`; null where there is none. */
export async function deviceOf(dir: string): Promise<string | null> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const mounts = lines.map((line) => line.split(' ')).filter((fields) => unescape(fields[4] ?? '') === dir);
  return mounts.at(-1)?.[2] ?? null;
}

/** Sets the knob; a kernel that refuses leaves slower sequential reads and one log line. */
export async function setReadahead(dir: string, log: Logger): Promise<void> {
  try {
    const device = await deviceOf(dir);
    if (device !== null) await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, String(READ_AHEAD_KB));
  } catch (error) {
    log.warn('cannot raise the readahead of the mount: sequential reads are slower', { err: error });
  }
}
