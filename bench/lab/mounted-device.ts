/**
 * The device number of a mount from the kernel's table, without touching the mount.
 */
import { readFileSync } from 'node:fs';

/** `MAJ:MIN` of what is mounted last at a directory (a path without spaces); null where nothing is. */
export function mountedDevice(dir: string): string | null {
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  const entries = lines.map((line) => line.split(' ')).filter((fields) => fields[4] === dir);
  return entries.at(-1)?.[2] ?? null;
}
