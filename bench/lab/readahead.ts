/**
 * The kernel's readahead of block devices and mounts, set for a run and put back after it.
 *
 * Invariants:
 * 1. What was changed is restored on disposal and when the process exits in any orderly way.
 * 2. A mount is found by the kernel's table; it is never touched.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mountedDevice } from './mounted-device.ts';

/** KiB; the same for all that is compared. */
export const READ_AHEAD_KB = 4096;

const knob = (device: string): string => `/sys/class/bdi/${device}/read_ahead_kb`;

/** Sets the readahead of the disk that a local directory lies on, until disposal. */
export function setDiskReadahead(dir: string): Disposable {
  const { dev } = statSync(dir);
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const path = knob(device);
  const before = readFileSync(path, 'latin1');
  const restore = (): void => writeFileSync(path, before);
  writeFileSync(path, String(READ_AHEAD_KB));
  process.once('exit', restore);
  return {
    [Symbol.dispose]: () => {
      process.off('exit', restore);
      restore();
    },
  };
}

/** Sets the readahead of a mount; it goes with the mount. */
export function setMountReadahead(dir: string): void {
  const device = mountedDevice(dir);
  if (device === null) throw new Error(`nothing is mounted at ${dir}`);
  writeFileSync(knob(device), String(READ_AHEAD_KB));
}
