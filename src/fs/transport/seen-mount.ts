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
