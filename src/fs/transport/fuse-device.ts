/**
 * The device that every transport asks the kernel through.
 */
import { DlfsError } from '../../base/errors.ts';

/** There is no /dev/fuse. */
export function noFuseDevice(cause?: unknown): DlfsError {
  return new DlfsError(
    'no-fuse',
    'there is no /dev/fuse: load the module (modprobe fuse), or give the container the device',
    cause === undefined ? {} : { cause },
  );
}
