/**
 * What every process that mounts needs of the machine.
 */
import { DlfsError } from '../base/errors.ts';
import { hasSysAdmin, lookAtDevice } from '../daemon/doctor/index.ts';

/** @throws DlfsError `no-fuse` or `privilege`, with the way out */
export function requireFuse(): void {
  const device = lookAtDevice();
  if (device === 'missing') {
    throw new DlfsError(
      'no-fuse',
      'there is no /dev/fuse: load the module (modprobe fuse), or give the container the device (--device /dev/fuse)',
    );
  }
  if (!hasSysAdmin()) throw new DlfsError('privilege', 'mounting takes root (CAP_SYS_ADMIN): call it by sudo');
  if (device === 'refused') {
    throw new DlfsError(
      'privilege',
      '/dev/fuse may not be opened: in a container, give it the device (--device /dev/fuse)',
    );
  }
}
