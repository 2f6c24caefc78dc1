/**
 * The mount that one sees at a directory, as the kernel's table tells it.
 *
 * Invariants:
 * 1. The mount itself is never touched: it may be dead, or wait for us.
 */
import type { Logger } from '../../base/log.ts';
import type { NativeHost } from '../../native/host.ts';

/** Tells the device `major:minor` of the mount that is seen at exactly this directory; null where none is. */
export type DeviceAt = (dir: string) => string | null;

/** What taking a mount away needs. */
export interface MountTable {
  readonly host: Pick<NativeHost, 'binding'>;
  readonly dir: string;
  readonly deviceAt: DeviceAt;
  readonly log: Logger;
}

/**
 * The connection has ended: what is still mounted there is dead, and would answer everybody with ENOTCONN.
 * @param device of the mount; null where it was not at its directory yet
 */
export function takeAwayDead({ host, dir, deviceAt, log }: MountTable, device: string | null): void {
  if (device === null || deviceAt(dir) !== device) return;
  const errno = host.binding.unmount(dir, true);
  log.error(
    errno === 0
      ? 'the connection to the kernel was aborted from outside: the dead mount is taken away'
      : 'the connection to the kernel was aborted from outside, and the dead mount could not be taken away: umount -l',
    { dir, ...(errno === 0 ? {} : { errno }) },
  );
}

/** Another mount has been put beneath the one that is seen: that one goes, for its users when they let go of it. */
export function takeAwayFormer({ host, dir, log }: Omit<MountTable, 'deviceAt'>): void {
  const errno = host.binding.unmount(dir, true);
  if (errno !== 0) log.warn('the mount before this one could not be taken away', { dir, errno });
}

/** Unmounts our own. Whoever still reads keeps it busy: then it is detached, and ends when they let go of it. */
export function unmountOrDetach({ host, dir, log }: Omit<MountTable, 'deviceAt'>): void {
  const errno = host.binding.unmount(dir, false);
  if (errno === 0) return;
  log.warn('the mount is in use: it is detached, and readers get errors from here on', { dir, errno });
  host.binding.unmount(dir, true);
}
